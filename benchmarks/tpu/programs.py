"""Programs: the catalogue of programs to compile, by name, with their sizes."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from benchmarks.harness.workloads import Workload
from benchmarks.tpu.case import Case, Maker, Size
from benchmarks.tpu.heads import HEADS
from benchmarks.tpu.hosted import HOSTED
from benchmarks.tpu.reads import READS
from benchmarks.tpu.runs import RUNS
from benchmarks.tpu.steps import STEPS

SIZED: dict[str, Maker] = READS | STEPS | HEADS  # for any workload and batch size
FIXED: dict[str, tuple[Size, Maker]] = RUNS | HOSTED  # with sizes of their own
# Seconds to compile on two idle cores, about, by the first word of a name.
SECONDS = {"step": 8, "update": 8, "epoch": 15, "replicates": 40}
OTHER_SECONDS = 2


class Job(NamedTuple):
    """Program to compile for a generation of TPUs."""

    program: str
    generation: str
    size: Size
    make: Maker

    @property
    def place(self) -> dict[str, str | int]:
        """Fields of the line that name the program, its sizes and the TPU."""
        sizes = self.size._asdict()
        return {"program": self.program, "topology": self.generation, **sizes}

    @property
    def seconds(self) -> float:
        """Seconds to compile on two idle cores, about."""
        return SECONDS.get(self.program.split()[0].strip(",:"), OTHER_SECONDS)

    def build(self) -> Case:
        """Return the case, whose arguments are shapes."""
        return self.make(self.size)


def list_jobs(
    words: Sequence[str],
    workloads: Iterable[Workload],
    batch_sizes: Sequence[int],
    generations: Sequence[str],
) -> list[Job]:
    """Return the jobs of the programs that ``words`` name.

    Args:
      words: Names of programs, or beginnings of names such as "bag".
      workloads: Tables and lengths of texts.
      batch_sizes: Numbers of texts in a batch.
      generations: Keys of ``TOPOLOGIES``.
    """
    tables = [(one.rows, one.dim, one.length) for one in workloads]
    sizes = [
        Size(rows, dim, batch_size, length)
        for rows, dim, length in tables
        for batch_size in batch_sizes
    ]
    chosen: list[tuple[str, Size, Maker]] = [
        (name, size, make) for size in sizes for name, make in SIZED.items()
    ]
    chosen += [(name, size, make) for name, (size, make) in FIXED.items()]
    return [
        Job(name, generation, size, make)
        for generation in generations
        for name, size, make in chosen
        if is_named(name, words)
    ]


def is_named(program: str, words: Sequence[str]) -> bool:
    """Return whether a word is the name of a program, or the beginning of its name.

    Example:
      >>> is_named("bag mean, mask", ["bag"]), is_named("bag mean, mask", ["bag mean"])
      (True, False)
    """
    names = SIZED.keys() | FIXED.keys()
    return any(
        program == word if word in names else program.startswith(word) for word in words
    )
