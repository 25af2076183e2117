"""Writer: save a run in the background while it trains."""

import contextlib
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxembed.train.sharded._parts import Parts
from jaxembed.train.sharded._words import find_source, to_parts

# Time between two saves, as a multiple of the seconds that the last save took. While a
# save is written, training can be slower: both need the processor.
PAUSE = 10.0


Extra = dict[str, Any]  # JSON
Agree = Callable[[bool, BaseException | None], bool]
Copied = np.ndarray | Parts  # a table on a mesh is copied in its parts


class HostCopy(NamedTuple):
    """Copies of arrays on the host.

    Attributes:
      tree: the copies in the structure of the arrays.
      arrays: the copies as a list.
      sources: references to the arrays, which do not keep them in memory.
    """

    tree: Any
    arrays: list[Copied]
    sources: list[Callable[[], Any]]


class Writer:
    """Thread that writes copies of a run, one at a time.

    A copy is skipped while an earlier one is written, and for some time afterwards, so
    that training is not slowed down by saves that take longer than an epoch. The last
    copy is always written, by :meth:`close`.

    Example:
      >>> written = []
      >>> writer = Writer(lambda tree, extra: written.append(extra["epoch"]))
      >>> for epoch in (1, 2, 3):
      ...     writer.offer({"weights": np.ones(2)}, {"epoch": epoch})
      >>> writer.close()
      >>> written[0], written[-1]
      (1, 3)
    """

    def __init__(
        self, write: Callable[[Any, Extra], object], agree: Agree | None = None
    ) -> None:
        """Make a writer that calls ``write`` in a thread.

        Args:
          write: writes a copy of a run.
          agree: for several processes that write together, called by :meth:`offer` with
            whether this process is ready to write, and the error of its last save. It
            returns whether all are ready, or raises in all if one has an error.
        """
        self._write = write
        self._agree = agree or _raise_or_write
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._next_start = 0.0
        self._offered: tuple[Any, Extra] | None = None  # not copied yet
        self._waiting: tuple[HostCopy, Extra] | None = None
        self._spares: list[HostCopy] = []  # memory to use again
        self._reserving: threading.Thread | None = None

    def reserve(self, tree: Any) -> None:
        """Reserve memory in the background for two copies of a tree of this form.

        New memory takes ten times as long to write as used memory, which would slow
        down the first epochs.
        """

        def fill() -> None:
            with contextlib.suppress(MemoryError):  # which the first copy raises
                for _ in range(2):
                    new = [_allocate(*form) for form in forms]
                    for array in new:
                        _clear(array)
                    copy = jax.tree.unflatten(structure, new)
                    self._spares.append(HostCopy(copy, new, [_no_source] * len(new)))

        leaves, structure = jax.tree.flatten(tree)
        forms = [_find_form(leaf) for leaf in leaves]
        del leaves, tree  # the thread keeps no array in memory
        self._reserving = threading.Thread(target=fill)
        self._reserving.start()

    def offer(self, tree: Any, extra: Extra) -> None:
        """Copy a run, and write it in the background, or keep it until the next one.

        Raises:
          Exception: the error of an earlier save.
        """
        self._offered = tree, extra
        self._copy(tree, extra)
        is_idle = self._thread is None or not self._thread.is_alive()
        error = self._end_thread() if is_idle else None
        if self._agree(is_idle and time.perf_counter() >= self._next_start, error):
            self._start()

    def close(self) -> None:
        """Wait for the thread, and write the last copy if it was skipped.

        Raises:
          Exception: the error of a save.
        """
        self._end_reserving()
        if self._offered is not None:  # Ctrl-C while it was copied
            self._copy(*self._offered)
        self._join()
        if self._waiting is not None:
            self._start()
            self._join()

    def _end_reserving(self) -> None:
        if self._reserving is not None:
            self._reserving.join()
            self._reserving = None

    def _copy(self, tree: Any, extra: Extra) -> None:
        """Copy a run over the waiting one."""
        self._end_reserving()
        if self._waiting is not None:
            (spare, _), self._waiting = self._waiting, None
            self._spares.append(spare)
        spare_copy = self._spares.pop() if self._spares else None
        self._waiting = copy_to_host(tree, spare_copy), extra
        self._offered = None

    def _start(self) -> None:
        waiting, self._waiting = self._waiting, None
        self._thread = threading.Thread(target=self._run, args=waiting or ())
        self._thread.start()

    def _run(self, copy: HostCopy, extra: Extra) -> None:
        start = time.perf_counter()
        try:
            self._write(copy.tree, extra)
        except BaseException as error:  # raised again in the thread that trains
            self._error = error
        self._spares.append(copy)
        end = time.perf_counter()
        self._next_start = end + PAUSE * (end - start)

    def _join(self) -> None:
        error = self._end_thread()
        if error is not None:
            raise error

    def _end_thread(self) -> BaseException | None:
        """Wait for the thread, and return the error of its save."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        error, self._error = self._error, None
        return error


def _raise_or_write(is_ready: bool, error: BaseException | None) -> bool:
    """Return whether to write in a process that writes alone."""
    if error is not None:
        raise error
    return is_ready


def _no_source() -> None:
    """Return None, as the reference to an array that has been deleted."""


def copy_to_host(tree: Any, spare: HostCopy | None = None) -> HostCopy:
    """Return NumPy copies of arrays, which a donation of the arrays does not change.

    Args:
      tree: a tree of arrays.
      spare: an earlier copy to write into. Memory of equal shapes is used again, since
        new memory takes several times as long. An array that is the same object as
        before, such as a frozen table, is not copied again.

    Example:
      >>> copy = copy_to_host({"a": np.ones(2)})
      >>> again = copy_to_host({"a": np.zeros(2)}, copy)
      >>> again.tree["a"], again.tree["a"] is copy.tree["a"]
      (array([0., 0.]), True)
    """
    leaves, structure = jax.tree.flatten(tree)
    old = (
        {}
        if spare is None
        else dict(enumerate(zip(spare.sources, spare.arrays, strict=True)))
    )
    arrays: list[Any] = []
    array: Any
    for i, leaf in enumerate(leaves):
        source, array = old.get(i, (_no_source, None))
        form = _find_form(leaf)
        if array is None or _find_form(array) != form:
            array = _allocate(*form)
        elif source() is find_source(leaf):
            arrays.append(array)
            continue
        if (parts := to_parts(leaf)) is not None:
            parts.copy_into(array)
        else:
            np.copyto(array, np.asarray(leaf))
        arrays.append(array)
    sources = map(weakref.ref, map(find_source, leaves))
    return HostCopy(jax.tree.unflatten(structure, arrays), arrays, list(sources))


def _find_form(leaf: Any) -> tuple:
    """Return the arguments of :func:`_allocate` for a copy of an array."""
    parts = to_parts(leaf)
    return (leaf.shape, leaf.dtype) if parts is None else parts.form


def _allocate(*form: Any) -> Copied:
    """Return new memory for a copy."""
    return np.empty(*form) if len(form) == 2 else Parts.empty(*form)


def _clear(array: Copied) -> None:
    """Write zeros into the memory of a copy."""
    for part in array.sources.values() if isinstance(array, Parts) else [array]:
        part.fill(0)
