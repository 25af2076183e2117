"""Batches: padded ids and labels in random order, for training on a stream."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.text._padding import pad_sequences
from jaxembed.text._ragged import Ragged


class Batches:
    """Batches of padded ids and labels, in another random order in each epoch.

    The ids may be those of :func:`open_ids`: only those of a batch are read. A training
    by ``train.fit`` is resumed exactly, since an iterator has ``get_state`` and
    ``set_state``.

    Attributes:
      ids: N texts.
      labels: ``[N]`` or ``[N, C]``.
      batch_size: number of texts in a batch; the last batch is smaller.
      maxlen: L, number of ids in a row.
      seed: seed of the orders.
      shuffle: whether to shuffle the texts.

    Raises:
      TypeError: if ``ids`` are not a :class:`Ragged`, or a number is not an integer.
      ValueError: if there are more or fewer labels than texts, no text, or a number is
        out of range.

    Example:
      >>> ids = Ragged.from_lists([[1, 2], [3], [4, 5, 6]])
      >>> batches = Batches(ids, [0, 1, 0], batch_size=2, maxlen=2, shuffle=False)
      >>> [(rows.tolist(), labels.tolist()) for rows, labels in batches]
      [([[1, 2], [3, 0]], [0, 1]), ([[4, 5]], [0])]
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


class BatchIterator(Iterator[tuple[np.ndarray, np.ndarray]]):
    """Iterator of one epoch of :class:`Batches`."""

    def __init__(self, batches: Batches, epoch: int):
        self._batches = batches
        self.set_state({"epoch": epoch, "n_done": 0})

    def __next__(self) -> tuple[np.ndarray, np.ndarray]:
        start = self._n_done * self._batches.batch_size
        places = self._order[start : start + self._batches.batch_size]
        if not places.size:
            raise StopIteration
        self._n_done += 1
        return self._batches.take(places)

    def get_state(self) -> dict[str, Any]:
        """Return the number of the epoch, and of the batches before the next."""
        return {"epoch": self._epoch, "n_done": self._n_done}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go to the place of :meth:`get_state`."""
        self._epoch, self._n_done = state["epoch"], state["n_done"]
        self._order = self._batches.order(self._epoch)
