"""Workloads: tables of four sizes, and ids of four kinds."""

import argparse
from typing import Any, NamedTuple

import numpy as np

N_BATCHES = 8  # of different ids, so that none is timed from a cache it has filled
KINDS = ("real", "zipf", "uniform", "equal")
BATCH_SIZES = (1, 4, 16, 64, 256, 1024, 4096, 16384)


class Workload(NamedTuple):
    """Sizes of a table and of a text."""

    name: str  # one of the four names, or the sizes, "VxDxL"
    rows: int  # number of rows of the table, V
    dim: int  # length of a row, D
    length: int  # number of ids of a text, L

    @property
    def row_bytes(self) -> int:
        """Bytes of a row in float32."""
        return 4 * self.dim

    @property
    def table_bytes(self) -> int:
        """Bytes of all rows."""
        return self.rows * self.row_bytes

    def rows_bytes(self, batch_size: int) -> int:
        """Return the bytes of a row for each id of a batch."""
        return batch_size * self.length * self.row_bytes


WORKLOADS = {
    "first": Workload("first", 10_000, 8, 20),  # the notebook's first model
    "second": Workload("second", 10_000, 100, 100),  # its second
    "large": Workload("large", 400_000, 300, 100),
    "huge": Workload("huge", 10_000_000, 64, 100),
}


def parse_workload(name: str) -> Workload:
    """Return one of the four by its name, or another by its sizes, "VxDxL"."""
    if name in WORKLOADS:
        return WORKLOADS[name]
    try:
        rows, dim, length = map(int, name.split("x"))
    except ValueError:
        rows = dim = length = 0
    if min(rows, dim, length) < 1:
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join(WORKLOADS)} or VxDxL, rows, numbers of a row "
            f"and ids of a text, such as 10000x100x20; got {name!r}."
        )
    return Workload(name, rows, dim, length)


def make_table(workload: Workload) -> np.ndarray:
    """Make ``float32[V, D]`` of random numbers."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((workload.rows, workload.dim), np.float32)


def make_ids(
    kind: str, workload: Workload, batch_size: int, texts: Any = None
) -> np.ndarray:
    """Make the ids of some batches, ``int32[N_BATCHES, B, L]``.

    Args:
      kind: "zipf" ids are about as frequent as words are; "equal" is one id in a batch;
        "real" ids are drawn from ``texts``.
      workload: Sizes of the table and of a text.
      batch_size: Number of texts, B.
      texts: ``int32[N, L]``.
    """
    rng = np.random.default_rng(1)
    shape = (N_BATCHES, batch_size, workload.length)
    if kind == "real":
        ids = texts[rng.integers(len(texts), size=shape[:2])]
    elif kind == "zipf":
        shares = np.cumsum(1 / np.arange(1, workload.rows + 1))
        ids = np.searchsorted(shares, rng.random(shape) * shares[-1])
    elif kind == "uniform":
        ids = rng.integers(workload.rows, size=shape)
    else:
        ids = rng.integers(workload.rows, size=(N_BATCHES, 1, 1))
    return np.broadcast_to(ids, shape).astype(np.int32)


def load_texts(data: str, workload: Workload, cache_dir: Any = None) -> np.ndarray:
    """Load the training reviews, of the words that the table has: ``int32[N, L]``."""
    from jaxembed import text

    tokens = text.load_imdb_tokens(data, cache_dir=cache_dir)
    ids = text.encode_imdb(tokens.train, workload.rows)
    return text.pad_sequences(ids, maxlen=workload.length)


def find_texts(
    arguments: argparse.Namespace, workload: Workload, what: str, lines: Any
) -> tuple[list[str], np.ndarray | None]:
    """Return the kinds of ids that there are, and the texts of the real ids.

    Without reviews there are no real ids, and a line says so. The synthetic reviews are
    synthetic: their ids are not real.
    """
    kinds = list(arguments.ids)
    if "real" not in kinds:
        return kinds, None
    if arguments.data not in (None, "synthetic"):
        return kinds, load_texts(arguments.data, workload, arguments.cache)
    reason = "there are no real ids without --data"
    if arguments.data is not None:
        reason += " of real reviews: those in the package are synthetic"
    lines.leave_out(what, "all", reason, workload=workload.name, ids="real")
    return [kind for kind in kinds if kind != "real"], None
