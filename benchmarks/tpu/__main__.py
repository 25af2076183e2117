"""Programs for TPUs: compiled ahead of time without a TPU, and never executed.

Run:     python -m benchmarks.tpu
         python -m benchmarks.tpu --all --out tpu.jsonl
         python -m benchmarks.tpu --programs "bag mean" lookup --topologies v5e v6e
Prints:  a JSON line for each program, size and generation of TPUs: its memory plan, its
         operations, and the bytes that it moves by XLA's cost model. All of it is the
         compiler's plan, not a measurement.

It needs libtpu, which has the compiler: pip install -c constraints.txt '.[tpu]'. The
epochs, evaluate, predict, replicates and neighbours have sizes of their own, all other
programs those of --workload and --batch-sizes.
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
from benchmarks.harness.plan import announce
from benchmarks.tpu import target
from benchmarks.tpu.facts import find_facts
from benchmarks.tpu.programs import FIXED, SIZED, Job, list_jobs
from benchmarks.tpu.report import tabulate

WHAT = "compiled for a TPU, not executed"


def main(argv: list[str] | None = None) -> None:
    """Compile all programs that the arguments name."""
    arguments = parse(argv)
    if arguments.list:
        print(*SIZED, *FIXED, sep="\n")
        return
    lack = target.find_lack()
    if lack is not None:
        sys.exit(f"error: {lack}")
    is_terminal, out = sys.stdout.isatty(), arguments.out
    if is_terminal and out is None:
        out = options.FOLDER / "tpu.jsonl"
    print(arguments.title, file=sys.stderr, flush=True)
    jobs = list_jobs(
        arguments.programs,
        arguments.workload,
        arguments.batch_sizes,
        arguments.topologies,
    )
    if arguments.resume and out is not None and out.exists():
        done = {_name(json.loads(line)) for line in out.read_text().splitlines()}
        jobs = [job for job in jobs if _name(job.place) not in done]
    lines = Lines(out, prints=not is_terminal)
    seconds = sum(job.seconds for job in jobs)
    announce(lines, arguments, (), n_measurements=len(jobs), seconds=seconds)
    try:
        for job in jobs:
            lines.write(compile_job(job, arguments.texts))
            lines.advance(f"{job.program}, {job.generation}")
    finally:
        lines.close()
        if not arguments.no_table and lines.written:
            print(f"\n{tabulate(lines.written)}", file=sys.stderr, flush=True)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = options.make_parser(
        "tpu",
        __doc__,
        peers=(),
        workloads=("second",),
        large=(),
        batch_sizes=(32,),
        seconds=False,
    )
    add = parser.add_argument
    groups = dict.fromkeys(name.split()[0].strip(",:") for name in SIZED | FIXED)
    words = "Programs to compile, by their names or by the beginnings of names: "
    words += f"{', '.join(groups)}. All by default; --list prints the names."
    add("--programs", nargs="+", default=[""], metavar="NAME", help=words)
    add("--list", action="store_true", help="Print the names of all programs.")
    group = parser.add_mutually_exclusive_group()
    group.add_argument(
        "--topologies",
        nargs="+",
        choices=list(target.TOPOLOGIES),
        default=["v5e"],
        metavar="NAME",
        help=f"Generations of TPUs: {', '.join(target.TOPOLOGIES)}.",
    )
    group.add_argument(
        "--all",
        dest="topologies",
        action="store_const",
        const=list(target.TOPOLOGIES),
        default=argparse.SUPPRESS,
        help="Compile for all generations of TPUs.",
    )
    words = "Folder to which the text of each compiled program is written."
    add("--texts", type=Path, metavar="FOLDER", help=words)
    words = "Skip the programs that --out has lines of already."
    add("--resume", action="store_true", help=words)
    return parser.parse_args(argv)


def compile_job(job: Job, texts: Path | None = None) -> dict:
    """Return the line of a job, and write the text of the compiled program."""
    line: dict = {"what": WHAT, **job.place, "implementation": "jaxembed"}
    case = job.build()
    try:
        compiled = target.compile_for(
            job.generation, case.function, case.arguments, donate=case.donate
        )
    except Exception as error:  # XLA may refuse a program, and the next one compiles
        words = " ".join(str(error).split())[:300]
        return line | {"left_out": f"XLA does not compile it: {words}"}
    if texts is not None:
        name = "-".join([job.program, job.generation, *map(str, job.size)])
        texts.mkdir(parents=True, exist_ok=True)
        path = texts / f"{name.replace(', ', '_').replace(' ', '_')}.txt"
        path.write_text(compiled.text, "utf-8")
    return line | find_facts(case, compiled) | {"versions": target.find_versions()}


def _name(place: dict) -> tuple:
    """Return the fields that a job and its line have in common."""
    sizes = (place[name] for name in ("rows", "dim", "batch_size", "length"))
    return place["program"], place["topology"], *sizes


if __name__ == "__main__":
    main()
