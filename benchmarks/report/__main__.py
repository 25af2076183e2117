"""Report: tables and plots of stored lines, and ratios to earlier lines.

Run:     python -m benchmarks.report benchmarks/results/cpu-amd-epyc-2-cores.jsonl
         python -m benchmarks.report new.jsonl --earlier old.jsonl
Prints:  the summary, the number of changes, and the path of the report.
Writes:  report.md, and a PNG for each workload with two or more batch sizes.

If a file has two lines of the same measurement on the same machine, the last line is
used. A file may hold the lines of several runs and of several benchmarks.
"""

import argparse
from pathlib import Path

from benchmarks.report.write import write


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, and write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report",
        description=__doc__.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    words = "Files of JSON lines, written by benchmarks with --out."
    add("files", type=Path, nargs="+", metavar="FILE", help=words)
    words = "Folder of the report and the plots (default: the path of the first file "
    words += "without its suffix)."
    add("--out", type=Path, metavar="FOLDER", help=words)
    words = "Files of earlier lines to compare with."
    add("--earlier", type=Path, nargs="+", metavar="FILE", help=words)
    arguments = parser.parse_args(argv)
    try:
        write(arguments.files, arguments.out, arguments.earlier)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
