"""Prefetch: read, check and copy the next batches while the device trains."""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

AHEAD = 3  # batches that wait on the device
WAIT_S = 0.1  # between two looks whether the reader is still wanted
In = TypeVar("In")
Out = TypeVar("Out")


def prefetch(items: Iterable[In], prepare: Callable[[In], Out]) -> Iterator[Out]:
    """Yield ``prepare(item)`` of each item, which a thread computes ahead.

    An error of the thread is raised after the items before it. The thread ends when the
    generator is closed.

    Example:
      >>> list(prefetch([1, 2, 3], lambda n: n * n))
      [1, 4, 9]
    """
    ready: queue.Queue = queue.Queue(AHEAD)
    is_over, end = threading.Event(), object()

    def put(item: object) -> bool:
        while not is_over.is_set():
            try:
                ready.put((item, None), timeout=WAIT_S)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        error = None
        try:
            for item in items:
                if not put(prepare(item)):
                    return
        except BaseException as raised:  # raised again in the thread that trains
            error = raised
        while not is_over.is_set():
            try:
                ready.put((end, error), timeout=WAIT_S)
                return
            except queue.Full:
                continue

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if error is not None:
                raise error
            if item is end:
                return
            yield item
    finally:
        is_over.set()
        thread.join()
