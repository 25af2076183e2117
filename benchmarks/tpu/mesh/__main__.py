"""One table on many TPUs: training steps that are compiled and never executed.

Run:     python -m benchmarks.tpu.mesh
         python -m benchmarks.tpu.mesh --programs "weak scaling" --out mesh.jsonl
         python -m benchmarks.tpu.mesh --report mesh.jsonl
Prints:  a JSON line for each step and mesh: the memory plan of a chip, the bytes of
         each collective, and the seconds that these bytes take at the bandwidth of the
         links. With --report, two tables of these lines in Markdown.

The step trains a classifier of means of 100 rows, with a row-sparse optimizer, on a
batch of 256 texts for each chip. It needs libtpu, as python -m benchmarks.tpu, and no
TPU. A step takes minutes to compile.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ["JAX_PLATFORMS"] = "cpu"  # nothing is executed on a TPU
# Otherwise libtpu asks the machine of a cloud which TPU it has.
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")

from benchmarks.harness import options
from benchmarks.harness.lines import Lines
from benchmarks.tpu import target
from benchmarks.tpu.mesh.plans import JOBS, compile_step
from benchmarks.tpu.mesh.report import tabulate


def main(argv: list[str] | None = None) -> None:
    """Compile the steps that the arguments name, or print their tables."""
    arguments = parse(argv)
    if arguments.report:
        words = arguments.report.read_text("utf-8").splitlines()
        print(tabulate([json.loads(line) for line in words]))
        return
    lack = target.find_lack()
    if lack is not None:
        sys.exit(f"error: {lack}")
    out = arguments.out
    if sys.stdout.isatty() and out is None:
        out = options.FOLDER / "tpu-mesh.jsonl"
    jobs = [job for job in JOBS if job.program.startswith(tuple(arguments.programs))]
    lines = Lines(out, prints=not sys.stdout.isatty())
    lines.start(len(jobs))
    try:
        for job in jobs:
            lines.write(compile_step(job))
            lines.advance(f"{job.program}, {job.topology}")
    finally:
        lines.close()
        print(f"\n{tabulate(lines.written)}", file=sys.stderr, flush=True)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tpu.mesh",
        description=(__doc__ or "").strip(),
        formatter_class=options.HelpFormatter,
    )
    add = parser.add_argument
    names = ", ".join(dict.fromkeys(job.program for job in JOBS))
    words = f"Steps to compile, by the beginnings of their names: {names}."
    add("--programs", nargs="+", default=[""], metavar="NAME", help=words)
    words = "File to which the lines are appended."
    add("--out", type=Path, metavar="FILE", help=words)
    words = "Print the tables of the lines of a file, and compile nothing."
    add("--report", type=Path, metavar="FILE", help=words)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
