"""Signals: let an interrupted training save its last epoch, and end with one line."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Signals that were received while a model is trained.

    Attributes:
      received: number of the first signal; 0 without one.
    """

    def __init__(self) -> None:
        self.received = 0

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Remember the first signal; end the process at once on the second."""
        # No exception here: it could be lost in a callback of JAX.
        if self.received:
            os._exit(128 + number)
        self.received = number
        line = b"interrupted: saving the last epoch; again to end at once\n"
        with contextlib.suppress(OSError):
            os.write(2, line)


@contextlib.contextmanager
def waiting(save: Callable[[], str]) -> Iterator[Callable[[], bool]]:
    """Yield a function that tells whether a signal was received, for ``stop`` of `fit`.

    Args:
      save: returns the line that ends an interrupted process.
    """
    interrupts = Interrupts()
    handlers = {}
    for number in SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            handlers[number] = signal.signal(number, interrupts.handle)
    try:
        yield lambda: bool(interrupts.received)
    except KeyboardInterrupt:
        end(save(), interrupts.received or signal.SIGINT)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def end(message: str, number: int = signal.SIGINT) -> NoReturn:
    """Print one line, and end the process with the exit status of a shell."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    line = f"interrupted: {message}" if message else "interrupted"
    with contextlib.suppress(OSError):
        os.write(2, (line + "\n").encode())
    # Not sys.exit: threads and destructors of JAX can abort an interrupted process.
    os._exit(128 + number)
