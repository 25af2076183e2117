"""Workloads: sizes of tables and texts, and four kinds of ids."""

import argparse
from typing import Any, NamedTuple

import numpy as np

N_BATCHES = 8  # with different ids, so that a call does not find its rows in cache
KINDS = ("real", "zipf", "uniform", "equal")
BATCH_SIZES = (1, 16, 256, 4096)


class Workload(NamedTuple):
    """Sizes of a table and of a text."""

    name: str  # a key of WORKLOADS, or the sizes "VxDxL"
    rows: int  # number of rows of the table, V
    dim: int  # length of a row, D
    length: int  # number of ids of a text, L

    def __str__(self) -> str:
        """Return the name."""
        return self.name

    @property
    def description(self) -> str:
        """Name and sizes of the table and the texts."""
        sizes = f"{self.rows:,} rows of {self.dim} numbers"
        if self.length > 1:
            sizes += f", texts of {self.length} ids"
        return f"{self.name}: {sizes}"

    @property
    def row_bytes(self) -> int:
        """Number of bytes of a row in float32."""
        return 4 * self.dim

    @property
    def table_bytes(self) -> int:
        """Number of bytes of the table."""
        return self.rows * self.row_bytes

    def rows_bytes(self, batch_size: int) -> int:
        """Return the number of bytes of one row for each id of a batch."""
        return batch_size * self.length * self.row_bytes


WORKLOADS = {
    "first": Workload("first", 10_000, 8, 20),  # the notebook's first model
    "second": Workload("second", 10_000, 100, 100),  # the notebook's second model
    "large": Workload("large", 400_000, 300, 100),
    "huge": Workload("huge", 10_000_000, 64, 100),
}


def parse_workload(name: str) -> Workload:
    """Return a workload by its name or by its sizes, "VxDxL"."""
    if name in WORKLOADS:
        return WORKLOADS[name]
    try:
        rows, dim, length = map(int, name.split("x"))
    except ValueError:
        rows = dim = length = 0
    if min(rows, dim, length) < 1:
        raise argparse.ArgumentTypeError(
            f"must be one of {', '.join(WORKLOADS)}, or VxDxL for a table of V rows of "
            f"D numbers and texts of L ids, such as 10000x100x20; got {name!r}."
        )
    return Workload(name, rows, dim, length)


def make_table(workload: Workload) -> np.ndarray:
    """Make a random table, ``float32[V, D]``."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((workload.rows, workload.dim), np.float32)


def make_ids(
    kind: str, workload: Workload, batch_size: int, texts: Any = None
) -> np.ndarray:
    """Make the ids of all batches, ``int32[N_BATCHES, B, L]``.

    Args:
      kind: "zipf" has about the frequencies of words; "uniform" equal frequencies;
        "equal" a single id in each batch; "real" draws from ``texts``.
      workload: Sizes of the table and of a text.
      batch_size: Number of texts, B.
      texts: ``int32[N, L]``, needed for real ids.
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
    """Load the training reviews as ids of the table's rows: ``int32[N, L]``."""
    from jaxembed import text

    tokens = text.load_imdb_tokens(data, cache_dir=cache_dir)
    ids = text.encode_imdb(tokens.train, workload.rows)
    return text.pad_sequences(ids, maxlen=workload.length)


def has_reviews(data: str | None) -> bool:
    """Return whether ``data`` names real reviews."""
    return data not in (None, "synthetic")


def find_texts(
    arguments: argparse.Namespace, workload: Workload, what: str, lines: Any
) -> tuple[list[str], np.ndarray | None]:
    """Return the kinds of ids to measure, and the texts for real ids.

    Without real reviews, real ids are left out with a line that gives the reason.
    """
    kinds = list(arguments.ids)
    if "real" not in kinds:
        return kinds, None
    if has_reviews(arguments.data):
        return kinds, load_texts(arguments.data, workload, arguments.cache)
    reason = "real ids need --data, a folder or an archive of real reviews"
    if arguments.data is not None:
        reason += "; the synthetic reviews are not real"
    lines.leave_out(what, "all", reason, workload=workload.name, ids="real")
    return [kind for kind in kinds if kind != "real"], None
