"""All benchmarks, each in a process of its own, and the report.

Run:     python -m benchmarks
         python -m benchmarks --long --data aclImdb_v1.tar.gz --vectors FILE
Writes:  lines.jsonl, report.md and plots to --out. The lines of an earlier run there
         are kept as lines-1.jsonl and so on, and the report compares with the last.

The short form, 4 to 5 minutes on two cores, takes few sizes; the long one takes most,
and most of an hour. A benchmark that fails does not stop the others; the exit status
says so. Without --data there are no real ids, and what needs reviews takes those
embedded.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import _report_lines, report
from benchmarks._lines import Lines

LINES = "lines.jsonl"

# Of what takes ids: name, workloads, batch sizes, kinds of ids, seconds for each.
SHORT = """
lookup     first,second,MIDDLE  1,256  zipf  0.1
bag        first,second,MIDDLE  1,256  zipf  0.1
folded     second               64     zipf  0.1
train_step first                1,512  zipf  0.1
train_step MIDDLE               32     zipf  0.1
""".replace("MIDDLE", "40000x300x100")
LONG = """
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
# What the short form leaves to the long one.
TOO_LONG: list[tuple[str, dict[str, str]]] = [("notebook", {}), ("bigrams", {})]
for _what in ("lookup", "bag", "train step"):
    TOO_LONG.append((_what, {"workload": "large, huge"}))
    TOO_LONG.append((_what, {"ids": "real, uniform, equal"}))
SMALL_REPLICATES = "--workload first --batch-sizes 4 --repeats 1 --epochs 2".split()
SMALL_REPLICATES += ["--n-validation", "1000"]


def main(argv: list[str] | None = None) -> None:
    """Runs them one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--long", action="store_true", help="more sizes: an hour")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of these benchmarks")
    parser.add_argument("--data", help="real reviews: a folder or an archive")
    parser.add_argument("--vectors", type=Path, help="word vectors, as of GloVe")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    arguments = parser.parse_args(argv)
    commands = make_commands(arguments)
    if arguments.only is not None:
        unknown = set(arguments.only) - {name for name, *_ in commands}
        if unknown:
            parser.error(f"--only: there is no {', '.join(sorted(unknown))}.")
        commands = [words for words in commands if words[0] in arguments.only]
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out / LINES
    put_aside(out)
    if arguments.only is None and not arguments.long:
        for what, where in TOO_LONG:
            reason = "it takes minutes: python -m benchmarks --long"
            Lines(out).leave_out(what, "all", reason, **where)
    failed = []
    for number, words in enumerate(commands):
        print(f"[{number + 1}/{len(commands)}] {' '.join(words)}", flush=True)
        if not run([*words, "--out", str(out)]):
            failed.append(words[0])
    problems = [f"failed: {', '.join(failed)}"] if failed else []
    problems += write_report(out)
    if problems:
        raise SystemExit("\n".join(problems))


def make_commands(arguments: argparse.Namespace) -> list[list[str]]:
    """What to call, as words after ``python -m benchmarks.``."""
    commands = []
    data = [] if arguments.data is None else ["--data", arguments.data]
    cached = [*data, "--cache", str(arguments.cache)]
    for line in (LONG if arguments.long else SHORT).split("\n")[1:-1]:
        name, *lists, seconds = line.split()
        workloads, sizes, ids = (words.split(",") for words in lists)
        command = [name, "--workload", *workloads, "--batch-sizes", *sizes]
        command += ["--ids", *ids, "--seconds", seconds]
        commands.append(command + (cached if "real" in ids else []))
    return commands + _make_others(arguments, data, cached)


def _make_others(
    arguments: argparse.Namespace, data: list[str], cached: list[str]
) -> list[list[str]]:
    """Those of files and of whole runs."""
    vectors = [] if arguments.vectors is None else ["--vectors", str(arguments.vectors)]
    if arguments.long:
        return [
            ["first_step"],
            ["sparse_step"],
            ["tokenizer", *data, "--batch-sizes", "25000", "--seconds", "5"],
            ["load_vectors", *vectors],
            ["geometry"],
            ["replicates", *cached, *vectors, "--repeats", "3"],
            ["notebook", *data, "--processes", "2"],
            ["bigrams", *cached, "--seeds", "1"],
        ]
    return [
        ["first_step", "--processes", "2"],
        ["tokenizer", *data, "--batch-sizes", "1000", "--seconds", "1"],
        ["load_vectors", "--workload", "10000x100x1", "--seconds", "1"],
        ["geometry", "--workload", "10000x100x1", "--seconds", "1"],
        ["sparse_step", "--seconds", "1"],
        ["replicates", *data, *SMALL_REPLICATES],
    ]


def run(words: list[str]) -> bool:
    """Runs a benchmark, whose lines go to its file; prints its errors."""
    start = time.perf_counter()
    name, *flags = words
    command = [sys.executable, "-m", f"benchmarks.{name}", *flags]
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    print(f"    {time.perf_counter() - start:.0f} s", flush=True)
    if done.returncode:
        print(f"    {name} failed: exit status {done.returncode}", flush=True)
    return not done.returncode


def write_report(out: Path) -> list[str]:
    """Writes the report of a file beside it; what it lacks, if it does."""
    last = find_earlier(out)
    earlier = [] if last is None else [last]
    problems = []
    try:
        if earlier:
            _report_lines.read(earlier)
    except (OSError, ValueError) as error:
        problems.append(f"the report has no comparison with earlier lines: {error}")
        earlier = []
    try:
        report.write([out], out.parent, earlier)
    except (OSError, ValueError) as error:
        return [f"there is no report: {error}"]
    return problems


def put_aside(path: Path) -> None:
    """Renames a file that has lines, with a number above those that there are."""
    if has_lines(path):
        number = max(_number(path), default=0) + 1
        path.rename(path.with_stem(f"{path.stem}-{number}"))


def find_earlier(path: Path) -> Path | None:
    """The last file that was put aside, of those that have lines."""
    files = _number(path)
    return next((files[n] for n in sorted(files)[::-1] if has_lines(files[n])), None)


def has_lines(path: Path) -> bool:
    """Whether it is there and not empty, as a run leaves it that is stopped early."""
    return path.exists() and path.stat().st_size > 0


def _number(path: Path) -> dict[int, Path]:
    """Files that were put aside, by their number."""
    names = {
        file.stem.removeprefix(f"{path.stem}-"): file
        for file in path.parent.glob(f"{path.stem}-*{path.suffix}")
    }
    return {int(number): file for number, file in names.items() if number.isdecimal()}


if __name__ == "__main__":
    main()
