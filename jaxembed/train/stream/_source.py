"""Source: the batches of an iterable, epoch by epoch, and the place where it stands."""

import base64
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxembed._checks import check_count


class Arrays(NamedTuple):
    """Arrays of a batch, not checked yet.

    Attributes:
      ids: ``int[B, L]``.
      labels: ``int[B]``, or as the loss needs them.
      weights: factors of the losses, or None.
      mask: ``bool[B]``, False for padding; None for a batch without padding.
    """

    ids: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None = None
    mask: np.ndarray | None = None


class Item(NamedTuple):
    """One batch.

    Attributes:
      arrays: the arrays of the batch.
      is_last: whether it is known to be the last of its epoch.
    """

    arrays: Arrays
    is_last: bool = False


def is_stream(data: Any) -> bool:
    """Return whether ``data`` are batches, rather than ids and labels.

    Example:
      >>> is_stream(iter([])), is_stream((np.ones(2), np.ones(2)))
      (True, False)
    """
    if isinstance(data, tuple | list | dict | str | bytes) or hasattr(data, "dtype"):
        return False
    has_items = hasattr(data, "__getitem__") and hasattr(data, "__len__")
    return hasattr(data, "__iter__") or has_items


class Source:
    """Batches of an iterable.

    Each epoch iterates from the beginning. ``data.set_epoch(number)`` is called before,
    if there is one, so that each epoch can have an order of its own. An iterator, which
    can be read once, and any data with ``steps_per_epoch``, is read on and on instead.

    Attributes:
      steps_per_epoch: number of batches of an epoch; None for all.
      reads_on: whether an epoch begins where the epoch before has ended.
      first: arrays of the first batch.
    """

    def __init__(self, data: Any, epochs: int, steps_per_epoch: int | None):
        if steps_per_epoch is not None:
            steps_per_epoch = check_count("steps_per_epoch", steps_per_epoch)
        self.steps_per_epoch = steps_per_epoch
        self._data = data
        self._set_epoch(0)
        self._iterator: Iterator = iter(data)
        is_iterator = self._iterator is data
        self.reads_on = is_iterator or steps_per_epoch is not None
        if is_iterator and steps_per_epoch is None and epochs > 1:
            raise ValueError(
                f"an iterator can be read once, and epochs is {epochs}: give epochs=1, "
                "steps_per_epoch=, or an iterable that can be read again."
            )
        first = next(self._iterator, None)
        if first is None:
            raise ValueError("data have no batch: give an iterable of batches.")
        self.first = read_batch(first)
        self._is_used = False

    def read(
        self, epoch: int, n_done: int, state: Any, n_before: int
    ) -> Iterator[Item]:
        """Yield the batches of an epoch.

        Args:
          epoch: number of the epoch, for errors.
          n_done: number of batches of the epoch that were read before.
          state: what :meth:`get_state` returned there; None to skip batches instead.
          n_before: number of batches of all earlier epochs and of this one that an
            earlier process has read; 0 to go on where this process stands.

        Raises:
          ValueError: if the data end too early.
        """
        self._seek(epoch, n_done, state, n_before)
        n = n_done
        while self.steps_per_epoch is None or n < self.steps_per_epoch:
            if not self._is_used:
                self._is_used, arrays = True, self.first
            else:
                batch = next(self._iterator, None)
                if batch is None:
                    break
                arrays = read_batch(batch)
            n += 1
            yield Item(arrays, n == self.steps_per_epoch)
        if self.steps_per_epoch is not None and n < self.steps_per_epoch:
            raise ValueError(
                f"data ended after {n} batches of epoch {epoch + 1}, and "
                f"steps_per_epoch is {self.steps_per_epoch}: repeat the data, or give "
                "fewer steps or epochs."
            )
        if not n:
            raise ValueError(f"data have no batch in epoch {epoch + 1}.")

    def get_state(self) -> Any:
        """Return the place after the last batch for JSON, or None without get_state."""
        return _get_state(self._iterator)

    def _set_epoch(self, epoch: int) -> bool:
        """Tell the data the number of an epoch, if they take it."""
        set_epoch = getattr(self._data, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        return set_epoch is not None

    def _seek(self, epoch: int, n_done: int, state: Any, n_before: int) -> None:
        """Go to the batch after ``n_done`` of the epoch."""
        is_fresh = not self._is_used
        if self.reads_on:
            if n_before and state is not None:
                _set_state(self._iterator, state)
                self._is_used = True
            elif n_before:
                self._skip(n_before)
            return
        if (self._set_epoch(epoch) and epoch) or not is_fresh or state is not None:
            self._iterator = iter(self._data)
            self._is_used = True
        if state is not None:
            _set_state(self._iterator, state)
        elif n_done:
            self._skip(n_done)

    def _skip(self, n: int) -> None:
        n_left = n - (not self._is_used)
        self._is_used = True
        n_read = sum(1 for _ in itertools.islice(self._iterator, n_left))
        if n_read < n_left:
            raise ValueError(
                f"data ended after {n_read + n - n_left} batches, and the checkpoint "
                f"was written after {n}: give the same data as before."
            )


def read_batch(batch: Any) -> Arrays:
    """Return the arrays of a batch.

    Args:
      batch: a pair or a triple, a mapping with the keys "ids" and "labels", or an
        object with these attributes, such as :class:`jaxembed.train.Batch`.

    Raises:
      TypeError: if it is something else.

    Example:
      >>> read_batch({"ids": [[1, 2]], "labels": [1]})[:2]
      (array([[1, 2]]), array([1]))
    """
    if isinstance(batch, Mapping):
        found = {name: batch.get(name) for name in Arrays._fields}
    elif isinstance(batch, tuple | list) and not hasattr(batch, "_fields"):
        found = dict(zip(Arrays._fields, batch, strict=False))
        found = found if len(batch) in (2, 3) else {}
    else:
        found = {name: getattr(batch, name, None) for name in Arrays._fields}
    if found.get("ids") is None or found.get("labels") is None:
        raise TypeError(
            "a batch of data must be (ids, labels), (ids, labels, weights), or have "
            f"the keys 'ids' and 'labels', got {type(batch).__name__}: {batch!r:.60}."
        )
    arrays = {n: None if x is None else np.asarray(x) for n, x in found.items()}
    return Arrays(**arrays)  # type: ignore[arg-type]


def _get_state(iterator: Any) -> Any:
    """Return the state of an iterator for JSON; None if it does not have one."""
    if not hasattr(iterator, "get_state") or not hasattr(iterator, "set_state"):
        return None
    state = iterator.get_state()
    if isinstance(state, bytes):
        return {"base64": base64.b64encode(state).decode("ascii")}
    try:
        return {"json": json.loads(json.dumps(state))}
    except (TypeError, ValueError) as error:
        raise TypeError(
            "get_state of data must return bytes or what JSON can hold, got "
            f"{type(state).__name__}: {error}."
        ) from error


def _set_state(iterator: Any, state: dict[str, Any]) -> None:
    if not hasattr(iterator, "set_state"):
        raise ValueError(
            "the checkpoint has a state of the data, and data have no set_state: give "
            "the same data as before."
        )
    is_bytes = "base64" in state
    iterator.set_state(base64.b64decode(state["base64"]) if is_bytes else state["json"])
