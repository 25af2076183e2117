"""Trainings: what is timed side by side, by jaxembed and by others."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks import _train_peers as peers_of
from benchmarks import _trainers as ours
from benchmarks._trainers import Task, Trainer

Make = Callable[[Task, int], Trainer]


class Maker(NamedTuple):
    """A way to train.

    Attributes:
      make: gives its trainer.
      rule: by which it trains, of those of ``_rules``.
      is_dense: whether a step reads the whole table.
      tables: how many are in memory, with the optimizer's and the gradient's.
      times: as many steps in a call as others have.
      n_threads: on which torch works, on a CPU; None for all cores.
    """

    make: Make
    rule: str
    is_dense: bool = False
    tables: int = 2
    times: int = 1
    n_threads: int | None = None


def dense(make: Callable[..., Trainer]) -> Make:
    """A trainer of the whole table."""
    return lambda task, n_steps: make(task, n_steps, is_dense=True)


def of_torch(rule: str, is_dense: bool = False, tables: int = 2) -> dict[str, Maker]:
    """Torch's on all cores, and on one thread: more do not pay for a small batch."""
    maker = Maker(peers_of.make_torch, rule, is_dense, tables)
    return {"torch": maker, "torch, 1 thread": maker._replace(n_threads=1)}


TRAININGS: dict[str, dict[str, Maker]] = {
    "train step, dense": {
        "jaxembed": Maker(dense(ours.make_loop), "RMSprop", True, 4),
        "jaxembed, scan": Maker(dense(ours.make_scan), "RMSprop", True, 4),
        "flax": Maker(peers_of.make_flax, "RMSprop", True, 4),
        # Each fit of Keras begins with some milliseconds, which an epoch shares.
        "keras": Maker(peers_of.make_keras, "RMSprop", True, 5, times=4),
        **of_torch("torch's RMSprop", True, 4),
    },
    "train step, row-sparse": {
        "jaxembed": Maker(ours.make_loop, "RMSprop"),
        "jaxembed, scan": Maker(ours.make_scan, "RMSprop"),
        "flax": Maker(peers_of.make_flax, "RMSprop", True, 4),
    },
    "train step, SGD": {
        "jaxembed": Maker(ours.make_loop, "SGD"),
        "jaxembed, scan": Maker(ours.make_scan, "SGD"),
        **of_torch("SGD, torch's"),
    },
    "train step, lazy Adam": {
        "jaxembed": Maker(ours.make_loop, "lazy Adam", tables=3),
        "jaxembed, scan": Maker(ours.make_scan, "lazy Adam", tables=3),
        **of_torch("lazy Adam, torch's", tables=3),
    },
    "train step, frozen": {
        "jaxembed": Maker(ours.make_loop, "frozen", tables=1),
        "jaxembed, scan": Maker(ours.make_scan, "frozen", tables=1),
        "flax": Maker(peers_of.make_flax, "frozen", tables=1),
        "keras": Maker(peers_of.make_keras, "frozen", times=4),
        **of_torch("frozen, torch's", tables=1),
    },
}
