"""Report: a table and a plot of the programs that were compiled for TPUs.

Run:     python -m benchmarks.tpu.report tpu.jsonl
         python -m benchmarks.tpu.report new.jsonl --earlier old.jsonl
Writes:  report.md and temporary.png, in the folder --out.

With --earlier, a cell has the earlier figure, an arrow and the new figure.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.tpu.plot import draw

Line = Mapping[str, Any]
Place = tuple[str, str, int, int, int, int]
ARROW = " → "
NOTE = """\
Each program was compiled ahead of time by libtpu, without a TPU, and **none was
executed**. Memory, copies and operations are those of the compiled program. "XLA's
bytes" are the traffic by XLA's cost model, which is not a measurement, divided by the
fewest bytes that the program must move; empty where XLA does not count the traffic, as
in loops, or the fewest bytes are not known.

- temporary: memory besides arguments and results, and its share of the table (V D 4
  bytes).
- copies: arrays with V rows that a copy makes in the main memory. In brackets, copies
  to the faster memory of the chip (VMEM).
- operations: gathers, scatters, sorts and loops. In brackets, the number of them on
  the SparseCore.
- compiled: processor seconds of tracing and compiling, good as a ratio only."""


def read(path: Path) -> dict[Place, Line]:
    """Read lines; the last line of a program, size and generation is used.

    Raises:
      ValueError: If a line is not one of ``benchmarks.tpu``, with its number.
    """
    lines: dict[Place, Line] = {}
    for number, words in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            line = json.loads(words)
            lines[find_place(line)] = line
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path}:{number} must be a line of benchmarks.tpu, got {words[:60]!r}."
            ) from error
    return lines


def find_place(line: Line) -> Place:
    """Return the program, the generation and the sizes of a line."""
    sizes = (line["rows"], line["dim"], line["batch_size"], line["length"])
    return line["program"], line["topology"], *sizes


def tabulate(lines: Sequence[Line], earlier: Mapping[Place, Line] | None = None) -> str:
    """Return a table in Markdown, with earlier figures before new ones."""
    head = (
        "program | TPU | table | texts | temporary MB | of the table | copies | "
        "XLA's bytes / fewest | operations | compiled s"
    )
    rows = [head, " | ".join(["---"] * 3 + ["---:"] * 3 + ["---"] + ["---:"] * 3)]
    for line in lines:
        old = (earlier or {}).get(find_place(line))
        where = [
            line["program"],
            line["topology"],
            f"{line['rows']:,} x {line['dim']}",
            f"{line['batch_size']:,} x {line['length']}",
        ]
        if "left_out" in line:
            rows.append(" | ".join([*where, line["left_out"]] + [""] * 5))
            continue
        cells = describe(line)
        if old is not None and "left_out" not in old:
            pairs = zip(describe(old), cells, strict=True)
            cells = [b if a == b else f"{a}{ARROW}{b}" for a, b in pairs]
        rows.append(" | ".join([*where, *cells]))
    return "\n".join(f"| {row} |" for row in rows)


def describe(line: Line) -> list[str]:
    """Return the cells of a line after its sizes."""
    temp, table = line["temp_bytes"], line["table_bytes"]
    modelled, fewest = line["modelled_bytes"], line["fewest_bytes"]
    copies, moves = len(line["table_copies"]), len(line["table_moves"])
    kinds = ("gathers", "scatters", "sorts", "loops")
    counts = [
        f"{line[kind]} {kind if line[kind] > 1 else kind[:-1]}"
        for kind in kinds
        if line[kind]
    ]
    offloaded = sum(line["sparse_core"].values())
    return [
        f"{temp / 1e6:,.1f}",
        f"{temp / table:.2f}",
        f"{copies}{f' ({moves})' if moves else ''}",
        f"{modelled / fewest:.1f}" if modelled and fewest else "",
        ", ".join(counts) + (f" ({offloaded})" if offloaded else ""),
        f"{line['compile_cpu_s']:.1f}",
    ]


def write(path: Path, earlier: Path | None, out: Path) -> None:
    """Write the report and its plot."""
    lines, old = read(path), read(earlier) if earlier else {}
    out.mkdir(parents=True, exist_ok=True)
    draw(list(lines.values()), old, find_place).savefig(out / "temporary.png", dpi=150)
    versions: Line = next(
        (x["versions"] for x in lines.values() if "versions" in x), {}
    )
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    parts = ["# Programs compiled for TPUs", f"Compiled with {packages}.", NOTE]
    parts += ["![temporary memory](temporary.png)"]
    programs = dict.fromkeys(line["program"] for line in lines.values())
    names = {name: number for number, name in enumerate(programs)}
    generations = dict.fromkeys(line["topology"] for line in lines.values())
    for generation in generations:
        some = [line for line in lines.values() if line["topology"] == generation]
        some.sort(key=lambda line: (names[line["program"]], *find_place(line)[2:]))
        parts += [f"## {generation}", tabulate(some, old)]
    (out / "report.md").write_text("\n\n".join(parts) + "\n", "utf-8")
    print(out / "report.md")


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, and write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tpu.report",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="Lines of benchmarks.tpu.")
    words = "Earlier lines to compare with."
    add("--earlier", type=Path, metavar="FILE", help=words)
    words = "Folder (default: the path of the file without its suffix)."
    add("--out", type=Path, metavar="FOLDER", help=words)
    arguments = parser.parse_args(argv)
    try:
        out = arguments.out or arguments.file.with_suffix("")
        write(arguments.file, arguments.earlier, out)
    except (OSError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
