"""A report of stored lines: tables and plots, and what changed since earlier lines.

Run:     python -m benchmarks.report benchmarks/results/cpu-amd-epyc-2-cores.jsonl
         python -m benchmarks.report new.jsonl --earlier old.jsonl
Prints:  the summary and the changes, and where the report is.
Writes:  report.md and a PNG for each workload of which something has two batch sizes or
         more, in --out; by default in a folder beside the first file, of its name.

Where two lines are of the same thing on the same machine, the last counts: files to
which lines were appended, and files of several benchmarks, are reported together.
"""

import argparse
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import _report_changes, _report_lines, _report_plots, _report_tables


def main(argv: list[str] | None = None) -> None:
    """Reads, writes and prints."""
    parser = _make_parser()
    arguments = parser.parse_args(argv)
    try:
        write(arguments.files, arguments.out, arguments.earlier)
    except (OSError, ValueError) as error:
        parser.error(str(error))


def _make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("files", type=Path, nargs="+", help="that benchmarks wrote by --out")
    add("--out", type=Path, metavar="FOLDER", help="of the report and the plots")
    add("--earlier", type=Path, nargs="+", metavar="FILE", help="to compare with")
    return parser


def write(
    files: Sequence[Path],
    out: Path | None = None,
    earlier: Sequence[Path] | None = None,
) -> None:
    """Writes the report of some files.

    Args:
      files: of lines.
      out: a folder, by default that of :func:`name_folder`.
      earlier: files of the lines to compare with, or none.
    """
    lines = _report_lines.read(files)
    changes = ""
    if earlier:
        found = _report_changes.compare(lines, _report_lines.read(earlier))
        changes = _report_changes.render(found)
    folder = name_folder(files[0]) if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    measurements = _report_lines.gather(lines)
    pictures = {}
    for workload, figure in _report_plots.draw_all(measurements).items():
        pictures[workload] = _report_plots.name_file(workload)
        save = functools.partial(figure.savefig, format="png", dpi=150)
        write_whole(folder / pictures[workload], save)
    report = _report_tables.render(lines, pictures=pictures, changes=changes)
    write_whole(folder / "report.md", lambda path: path.write_text(report, "utf-8"))
    parts = [_report_tables.summarize(measurements), changes, str(folder / "report.md")]
    print("\n\n".join(filter(None, parts)))


def name_folder(file: Path) -> Path:
    """Beside a file: its name without what is after the last dot."""
    folder = file.with_suffix("")
    return folder if folder != file else file.with_name(f"{file.name}-report")


def write_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Writes beside, then renames, so that no half of a file is ever seen.

    Args:
      path: of the file.
      save: writes to the path that it is called with.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
