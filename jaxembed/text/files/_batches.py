"""Batches: padded ids and labels in random order, for training on a stream."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.text._padding import pad_sequences
from jaxembed.text._ragged import Ragged


class Part(NamedTuple):
    """Part of a batch for one of several processes.

    Attributes:
      ids: ``int32[B / n, L]``.
      labels: ``[B / n]`` or ``[B / n, C]``.
      mask: ``bool[B / n]``, False for repetitions of the last text of an epoch, which
        fill its last batch.
    """

    ids: np.ndarray
    labels: np.ndarray
    mask: np.ndarray


class Batches:
    """Batches of padded ids and labels, in another random order in each epoch.

    The order depends on the seed and the epoch alone. The ids may be those of
    :func:`open_ids`: only those of a batch are read. A training by ``train.fit`` is
    resumed exactly, since an iterator has ``get_state`` and ``set_state``.

    With ``part=(i, n)``, process i of n reads and yields only its part of each batch,
    as named tuples ``(ids, labels, mask)``. The parts of all processes, joined in their
    order, are the batch of ``part=(0, 1)``, for any n.

    Attributes:
      ids: N texts.
      labels: ``[N]`` or ``[N, C]``.
      batch_size: number of texts in a batch, B, of all processes together; the last
        batch is smaller.
      maxlen: L, number of ids in a row.
      seed: seed of the orders.
      shuffle: whether to shuffle the texts.
      part: number of this process, and number of processes, n; None for whole batches.

    Raises:
      TypeError: if ``ids`` are not a :class:`Ragged`, or a number is not an integer.
      ValueError: if there are more or fewer labels than texts, no text, a number is
        out of range, or B is not a multiple of n.

    Example:
      >>> ids = Ragged.from_lists([[1, 2], [3], [4, 5, 6]])
      >>> batches = Batches(ids, [0, 1, 0], batch_size=2, maxlen=2, shuffle=False)
      >>> [(rows.tolist(), labels.tolist()) for rows, labels in batches]
      [([[1, 2], [3, 0]], [0, 1]), ([[4, 5]], [0])]
      >>> own = Batches(ids, [0, 1, 0], batch_size=2, maxlen=2, shuffle=False,
      ...               part=(1, 2))
      >>> [(part.ids.tolist(), part.mask.tolist()) for part in own]
      [([[3, 0]], [True]), ([[4, 5]], [False])]
    """

    def __init__(
        self,
        ids: Ragged,
        labels: ArrayLike,
        *,
        batch_size: int,
        maxlen: int,
        seed: int = 0,
        shuffle: bool = True,
        part: tuple[int, int] | None = None,
    ):
        if not isinstance(ids, Ragged):
            raise TypeError(f"ids must be a Ragged, got {type(ids).__name__}.")
        self.ids, self.labels = ids, np.asarray(labels)
        if not len(ids) or self.labels.shape[:1] != (len(ids),):
            raise ValueError(
                f"there must be one label for each text, and at least one, got labels "
                f"of the shape {list(self.labels.shape)} and {len(ids)} texts."
            )
        self.batch_size = check_count("batch_size", batch_size)
        self.maxlen = check_count("maxlen", maxlen)
        self.seed = check_count("seed", seed, least=0)
        self.shuffle = shuffle
        self.part = None if part is None else check_part(part, self.batch_size)
        self._epoch = 0

    def __len__(self) -> int:
        return -(-len(self.ids) // self.batch_size)

    def set_epoch(self, epoch: int) -> None:
        """Set the number of the epoch, which determines the order."""
        self._epoch = epoch

    def __iter__(self) -> "BatchIterator":
        return BatchIterator(self, self._epoch)

    def order(self, epoch: int) -> np.ndarray:
        """Return the order of the texts in an epoch, ``int64[N]``."""
        if not self.shuffle:
            return np.arange(len(self.ids))
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.ids))

    def take(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the batch of some texts, padded at the end."""
        rows = pad_sequences(
            self.ids.take(places), self.maxlen, padding="post", truncating="post"
        )
        return rows, self.labels[places]


def check_part(part: tuple[int, int], batch_size: int) -> tuple[int, int]:
    """Return the number of a process and of all, or raise if they do not fit.

    Example:
      >>> check_part((2, 2), 8)
      Traceback (most recent call last):
      ValueError: part must be (i, n) with i below n, got (2, 2): give
      (jax.process_index(), jax.process_count()).
    """
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise TypeError(f"part must be a pair (i, n), got {part!r}.")
    number = check_count("part[0]", part[0], least=0)
    n = check_count("part[1]", part[1])
    if number >= n:
        raise ValueError(
            f"part must be (i, n) with i below n, got ({number}, {n}): give "
            "(jax.process_index(), jax.process_count())."
        )
    if batch_size % n:
        raise ValueError(
            f"batch_size must be a multiple of the {n} processes, got {batch_size}: "
            f"give {-(-batch_size // n) * n}."
        )
    return number, n


class BatchIterator(Iterator[tuple[np.ndarray, np.ndarray] | Part]):
    """Iterator of one epoch of :class:`Batches`."""

    def __init__(self, batches: Batches, epoch: int):
        self._batches = batches
        self.set_state({"epoch": epoch, "n_done": 0})

    def __next__(self) -> tuple[np.ndarray, np.ndarray] | Part:
        size, part = self._batches.batch_size, self._batches.part
        start, n_texts = self._n_done * size, len(self._order)
        if start >= n_texts:
            raise StopIteration
        self._n_done += 1
        if part is None:
            return self._batches.take(self._order[start : start + size])
        own = size // part[1]
        places = start + own * part[0] + np.arange(own)
        texts = self._order[np.minimum(places, n_texts - 1)]
        return Part(*self._batches.take(texts), places < n_texts)

    def get_state(self) -> dict[str, Any]:
        """Return the number of the epoch, and of the batches before the next."""
        return {"epoch": self._epoch, "n_done": self._n_done}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go to the place of :meth:`get_state`."""
        self._epoch, self._n_done = state["epoch"], state["n_done"]
        self._order = self._batches.order(self._epoch)
