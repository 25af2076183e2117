"""All benchmarks, each in a process of its own, and the report.

Run:     python -m benchmarks
         python -m benchmarks --long --data aclImdb_v1.tar.gz --vectors FILE
Writes:  lines.jsonl, report.md and plots to --out. The lines of earlier runs there are
         kept as lines-1.jsonl and so on; the report compares with the last of them.

The short form measures few sizes and takes 4 to 5 minutes on two cores; the long form
measures most sizes and takes most of an hour. A benchmark that fails does not stop the
others, but is named in the exit status. Without --data no real ids are measured, and
the synthetic reviews stand in for real ones.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.harness.lines import Lines
from benchmarks.report.write import write

LINES = "lines.jsonl"

# Benchmarks of ids: name, workloads, batch sizes, kinds of ids, seconds for each.
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
# Measurements that only the long form makes.
TOO_LONG: list[tuple[str, dict[str, str]]] = [("notebook", {}), ("bigrams", {})]
for _what in ("lookup", "bag", "train step"):
    TOO_LONG.append((_what, {"workload": "large, huge"}))
    TOO_LONG.append((_what, {"ids": "real, uniform, equal"}))
SMALL_REPLICATES = "--workload first --batch-sizes 4 --repeats 1 --epochs 2".split()
SMALL_REPLICATES += ["--n-validation", "1000"]


def main(argv: list[str] | None = None) -> None:
    """Run the benchmarks one after the other, and write the report."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--out", type=Path, default=Path("runs/benchmarks"))
    parser.add_argument("--long", action="store_true", help="more sizes: an hour")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="benchmarks to run")
    parser.add_argument("--data", help="real reviews: a folder or an archive")
    parser.add_argument("--vectors", type=Path, help="a file of word vectors")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    arguments = parser.parse_args(argv)
    commands = make_commands(arguments)
    names = {name for name, *_ in commands}
    only = names if arguments.only is None else set(arguments.only)
    if only - names:
        parser.error(f"--only: there is no {', '.join(sorted(only - names))}.")
    arguments.out.mkdir(parents=True, exist_ok=True)
    out = arguments.out / LINES
    put_aside(out)
    if arguments.only is None and not arguments.long:
        for what, where in TOO_LONG:
            reason = "it takes minutes: python -m benchmarks --long"
            Lines(out).leave_out(what, "all", reason, **where)
    commands = [words for words in commands if words[0] in only]
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
    """Return the words after ``python -m benchmarks.`` of each command."""
    commands = []
    data = [] if arguments.data is None else ["--data", arguments.data]
    cached = [*data, "--cache", str(arguments.cache)]
    for line in (LONG if arguments.long else SHORT).split("\n")[1:-1]:
        name, *lists, seconds = line.split()
        workloads, sizes, ids = (words.split(",") for words in lists)
        command = [name, "--workload", *workloads, "--batch-sizes", *sizes]
        command += ["--ids", *ids, "--seconds", seconds]
        commands.append(command + (cached if "real" in ids else []))
    vectors = [] if arguments.vectors is None else ["--vectors", str(arguments.vectors)]
    if arguments.long:
        return [
            *commands,
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
        *commands,
        ["first_step", "--processes", "2"],
        ["tokenizer", *data, "--batch-sizes", "1000", "--seconds", "1"],
        ["load_vectors", "--workload", "10000x100x1", "--seconds", "1"],
        ["geometry", "--workload", "10000x100x1", "--seconds", "1"],
        ["sparse_step", "--seconds", "1"],
        ["replicates", *data, *SMALL_REPLICATES],
    ]


def run(words: list[str]) -> bool:
    """Run a benchmark, whose lines go to its file; return whether it succeeded."""
    start = time.perf_counter()
    name, *flags = words
    command = [sys.executable, "-m", f"benchmarks.{name}", *flags]
    done = subprocess.run(command, stdout=subprocess.DEVNULL)
    print(f"    {time.perf_counter() - start:.0f} s", flush=True)
    if done.returncode:
        print(f"    {name} failed: exit status {done.returncode}", flush=True)
    return not done.returncode


def write_report(out: Path) -> list[str]:
    """Write the report beside a file of lines; return what went wrong.

    Earlier lines that are broken cost only the comparison.
    """
    problems = []
    earlier = [file for _, file in sorted(find_aside(out)) if file.stat().st_size][-1:]
    for files in [earlier, []] if earlier else [[]]:
        try:
            write([out], out.parent, files)
            break
        except (OSError, ValueError) as error:
            lack = "there is no report"
            if files:
                lack = "the report has no comparison with earlier lines"
            problems.append(f"{lack}: {error}")
    return problems


def put_aside(path: Path) -> None:
    """Rename a file that is not empty to a number above those of earlier files."""
    if path.exists() and path.stat().st_size:
        number = max((number for number, _ in find_aside(path)), default=0) + 1
        path.rename(path.with_stem(f"{path.stem}-{number}"))


def find_aside(path: Path) -> list[tuple[int, Path]]:
    """Find the files that were put aside, with their numbers."""
    files = path.parent.glob(f"{path.stem}-*{path.suffix}")
    named = [(file.stem.removeprefix(f"{path.stem}-"), file) for file in files]
    return [(int(number), file) for number, file in named if number.isdecimal()]


if __name__ == "__main__":
    main()
