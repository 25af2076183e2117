"""Report of stored lines: tables, plots, and ratios to earlier lines.

Run:     python -m benchmarks.report benchmarks/results/cpu-amd-epyc-2-cores.jsonl
         python -m benchmarks.report new.jsonl --earlier old.jsonl
Prints:  The summary, the number of changes, and the path of the report.
Writes:  To --out, report.md and a PNG for each workload with two batch sizes or more.

Where two lines are of the same measurement on the same machine, the last counts. Files
to which lines were appended, and files of several benchmarks, are reported together.
"""

import argparse
from pathlib import Path

from benchmarks.report.write import write


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, and write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description=__doc__.splitlines()[0]
    )
    add = parser.add_argument
    add("files", type=Path, nargs="+", help="files that benchmarks wrote by --out")
    add("--out", type=Path, metavar="FOLDER", help="folder of the report and the plots")
    add("--earlier", type=Path, nargs="+", metavar="FILE", help="files to compare with")
    arguments = parser.parse_args(argv)
    try:
        write(arguments.files, arguments.out, arguments.earlier)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
