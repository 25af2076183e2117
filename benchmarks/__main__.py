"""All benchmarks: run each in its own process, and write a report.

Run:     python -m benchmarks
         python -m benchmarks --large --data aclImdb_v1.tar.gz --vectors FILE
Writes:  lines.jsonl, report.md and plots in the folder --out. An existing lines.jsonl
         is renamed to lines-1.jsonl, lines-2.jsonl and so on. The report compares the
         times with those of the latest earlier run.

The default measures a few sizes and takes about 5 minutes on two cores. --large
measures all sizes and takes about an hour. If a benchmark fails, the remaining
benchmarks still run, and the command ends with an error. Without --data, benchmarks of
reviews use synthetic reviews, and the measurements with ids of real reviews are
skipped.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness.lines import Lines
from benchmarks.harness.options import HelpFormatter
from benchmarks.harness.plan import format_duration
from benchmarks.report.write import write

LINES = "lines.jsonl"

# Benchmarks of ids: name, workloads, batch sizes, kinds of ids, seconds for each
SMALL = """
lookup     first,second,MIDDLE  1,256  zipf  0.1
bag        first,second,MIDDLE  1,256  zipf  0.1
folded     second               64     zipf  0.1
train_step first                1,512  zipf  0.1
train_step MIDDLE               32     zipf  0.1
""".replace("MIDDLE", "40000x300x100")
LARGE = """
lookup     first,second 1,4,16,64,256,1024,4096,16384  zipf               0.5
lookup     large        1,16,256,4096                  zipf               0.5
lookup     first,second 64                             real,uniform,equal 0.5
bag        first,second 1,4,16,64,256,1024,4096,16384  zipf               0.5
bag        large        1,16,256,4096                  zipf               0.5
bag        first,second 64                             real,uniform,equal 0.5
train_step first        1,4,16,64,256,1024,4096,16384  zipf               0.5
train_step second       1,16,64,256,1024,4096          zipf               0.5
train_step large        1,16,256                       zipf               0.5
train_step first,second 32                             real,equal         0.5
folded     second,large 1,64,1024                      zipf               0.5
lookup     huge         1,64                           zipf               0.5
bag        huge         1,64                           zipf               0.5
train_step huge         64                             zipf               0.5
"""
SMALL_S, LARGE_S = 5 * 60, 60 * 60  # seconds on two cores, about
# Measurements that need --large
TOO_LONG: list[tuple[str, dict[str, str]]] = [("notebook", {}), ("ngrams", {})]
TOO_LONG += [("text_model", {}), ("whole_reviews", {})]
for _what in ("lookup", "bag", "train step"):
    TOO_LONG.append((_what, {"workload": "large, huge"}))
    TOO_LONG.append((_what, {"ids": "real, uniform, equal"}))
SPARSE_TABLES = "50000x64x100", "4000000x64x100"
SMALL_REPLICATES = "--workload first --batch-sizes 4 --repeats 1 --epochs 2".split()
SMALL_REPLICATES += ["--n-validation", "1000"]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmarks one after another, and write the report."""
    parser = make_parser()
    arguments = parser.parse_args(argv)
    commands = make_commands(arguments)
    names = {name for name, *_ in commands}
    only = names if arguments.only is None else set(arguments.only)
    if only - names:
        parser.error(
            f"--only: unknown benchmark {', '.join(sorted(only - names))}; choose from "
            f"{', '.join(sorted(names))}."
        )
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out / LINES
    put_aside(out)
    commands = [words for words in commands if words[0] in only]
    duration = format_duration(LARGE_S if arguments.large else SMALL_S)
    limit = "" if arguments.only is None else "at most "
    print(f"{len(commands)} commands, {limit}{duration} on two idle cores", flush=True)
    if arguments.only is None and not arguments.large:
        for what, where in TOO_LONG:
            reason = "takes long, and is measured by: python -m benchmarks --large"
            Lines(out, prints=False).leave_out(what, "all", reason, **where)
    failed = []
    for number, words in enumerate(commands):
        print(f"[{number + 1}/{len(commands)}] {' '.join(words)}", flush=True)
        if not run([*words, "--out", str(out)]):
            failed.append(words[0])
    problems = [f"failed: {', '.join(failed)}"] if failed else []
    problems += write_report(out)
    if problems:
        raise SystemExit("\n".join(problems))


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__.strip(),
        formatter_class=HelpFormatter,
    )
    add, folder = parser.add_argument, Path("runs")
    words = "Folder of the lines, the report and the plots."
    add("--out", type=Path, default=folder / "benchmarks", metavar="FOLDER", help=words)
    words = "Also measure the large workloads, and more batch sizes: about an hour."
    add("--large", action="store_true", help=words)
    words = "Names of the benchmarks to run (default: all)."
    add("--only", nargs="+", metavar="NAME", help=words)
    words = "Real reviews: a folder or an archive (default: synthetic reviews)."
    add("--data", help=words)
    words = "File of word vectors (default: generated vectors)."
    add("--vectors", type=Path, metavar="FILE", help=words)
    words = "Cache folder for tokenised reviews."
    add("--cache", type=Path, default=folder / "cache", metavar="FOLDER", help=words)
    return parser


def make_commands(arguments: argparse.Namespace) -> list[list[str]]:
    """Return the words of each command after ``python -m benchmarks.``."""
    commands = []
    data = [] if arguments.data is None else ["--data", arguments.data]
    cached = [*data, "--cache", str(arguments.cache)]
    for line in (LARGE if arguments.large else SMALL).split("\n")[1:-1]:
        name, *lists, seconds = line.split()
        workloads, sizes, ids = (words.split(",") for words in lists)
        command = [name, "--workload", *workloads, "--batch-sizes", *sizes]
        command += ["--ids", *ids, "--seconds", seconds]
        commands.append(command + (cached if "real" in ids else []))
    vectors = [] if arguments.vectors is None else ["--vectors", str(arguments.vectors)]
    if arguments.large:
        return [
            *commands,
            ["first_step"],
            ["checkpoint"],
            ["sparse_step", "--workload", *SPARSE_TABLES, "--seconds", "2"],
            ["tokenizer", *data, "--batch-sizes", "25000", "--seconds", "5"],
            ["predict_texts", *data, "--seconds", "5"],
            ["streaming", *data, "--gigabytes", "0.2"],
            ["load_vectors", *vectors, "--seconds", "2"],
            ["geometry", "--large", "--seconds", "2"],
            ["replicates", *cached, *vectors, "--repeats", "3"],
            ["heads", "--large", "--seconds", "5"],
            ["notebook", *data, "--processes", "2"],
            ["ngrams", *cached, "--seeds", "1"],
            ["text_model", *data],
            ["whole_reviews", *cached],
        ]
    return [
        *commands,
        ["first_step", "--processes", "2"],
        ["checkpoint", "--workload", "first", "--turns", "3"],
        ["tokenizer", *data, "--batch-sizes", "1000", "--seconds", "1"],
        ["predict_texts", *data, "--batch-sizes", "1", "1000", "--seconds", "1"],
        ["streaming", *data],
        ["load_vectors", "--workload", "10000x100x1", "--seconds", "1"],
        ["geometry", "--workload", "10000x100x1", "--seconds", "1"],
        ["sparse_step", "--seconds", "1"],
        ["heads", "--workload", "20000x50x50"],
        ["replicates", *data, *SMALL_REPLICATES],
    ]


def run(words: list[str]) -> bool:
    """Run a benchmark, which writes to its --out; return whether it succeeded."""
    start = time.perf_counter()
    name, *flags = words
    command = [sys.executable, "-m", f"benchmarks.{name}", *flags, "--no-table"]
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    print(f"    {time.perf_counter() - start:.0f} s", flush=True)
    if done.returncode:
        print(f"    {name} failed: exit status {done.returncode}", flush=True)
    return not done.returncode


def write_report(out: Path) -> list[str]:
    """Write the report beside a file of lines; return the problems.

    If the lines of the earlier run are broken, the report is written without the
    comparison.
    """
    problems = []
    earlier = [file for _, file in sorted(find_aside(out)) if file.stat().st_size][-1:]
    for files in [earlier, []] if earlier else [[]]:
        try:
            write([out], out.parent, files)
            break
        except (OSError, ValueError) as error:
            lack = "the report is missing"
            if files:
                lack = "the report lacks the comparison with earlier lines"
            problems.append(f"{lack}: {error}")
    return problems


def put_aside(path: Path) -> None:
    """Rename a file, unless it is empty, with the next number."""
    if path.exists() and path.stat().st_size:
        number = max((number for number, _ in find_aside(path)), default=0) + 1
        path.rename(path.with_stem(f"{path.stem}-{number}"))


def find_aside(path: Path) -> list[tuple[int, Path]]:
    """Return the renamed files with their numbers."""
    files = path.parent.glob(f"{path.stem}-*{path.suffix}")
    named = [(file.stem.removeprefix(f"{path.stem}-"), file) for file in files]
    return [(int(number), file) for number, file in named if number.isdecimal()]


if __name__ == "__main__":
    main()
