"""Write: report.md and its plots."""

from collections.abc import Sequence
from pathlib import Path

from benchmarks.report import compare, plots, tables
from benchmarks.report.read import gather, read


def write(
    files: Sequence[Path],
    out: Path | None = None,
    earlier: Sequence[Path] | None = None,
) -> None:
    """Write the report of some files, and print its summary.

    Args:
      files: Files of lines.
      out: Folder of the report; by default the first file's path without its suffix.
      earlier: Files of earlier lines to compare with.
    """
    lines = read(files)
    changes = compare.compare(lines, read(earlier)) if earlier else ""
    folder = files[0].with_suffix("") if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    measurements = gather(lines)
    pictures = {}
    for name, figure in plots.draw_all(measurements).items():
        pictures[name] = plots.name_file(name)
        figure.savefig(folder / pictures[name], dpi=150)
    report = tables.render(lines, pictures=pictures, changes=changes)
    (folder / "report.md").write_text(report, "utf-8")
    summary = tables.summarize(measurements)
    changed = changes.split("\n\n")[0]
    print("\n\n".join(filter(None, [summary, changed, str(folder / "report.md")])))
