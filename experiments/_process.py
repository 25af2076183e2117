"""Process of an experiment: signals and missing packages end it with one line.

The module is imported before all others, and imports the standard library only.
"""

import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def ignore(number: int, frame: object) -> None:
    """Do nothing, as the Python handler of a signal that the thread receives."""


class Watcher:
    """Thread that ends the process on the signals of Ctrl-C and ``kill``.

    A Python handler would run only at the end of the compiled program that is running,
    and its exception could be lost in a callback of JAX, or abort the process. The
    interpreter instead writes the number of each signal to a pipe, which the thread
    reads at once.

    The first signal during training lets the epoch end and the run be saved; see
    :func:`training`. A second signal, and any signal at another time, ends the process
    at once: all files are replaced atomically, so nothing is left half-written.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.saves: list[Path] = []
        self._is_training = False
        self._lock = threading.Lock()
        self._end = threading.Lock()

    def start(self) -> None:
        """Receive the signals, except those that the parent process ignores."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, ignore)
        threading.Thread(target=self._watch, args=(reader,), daemon=True).start()

    def _watch(self, reader: int) -> None:
        while True:
            for number in os.read(reader, 64):
                if number in SIGNALS:
                    self._receive(number)

    def _receive(self, number: int) -> None:
        with self._lock:
            is_first, self.received = self.received is None, number
            waits = self._is_training and is_first
        if not waits:
            self.end(number)

    def set_training(self, is_training: bool) -> int | None:
        """Set whether a signal waits for the epoch, and return a signal that waited."""
        with self._lock:
            self._is_training = is_training
            return self.received

    def end(self, number: int) -> NoReturn:
        """Print one line and end the process with the exit status of a shell."""
        self._end.acquire()  # never released: two threads would print two lines
        saves = [path for path in self.saves if holds_save(path)]
        line = "interrupted: nothing is saved, and the same command starts again"
        if saves:
            line = f"interrupted: the same command resumes from {saves[-1]}"
        is_terminal = os.isatty(2)  # which shows ^C, or a progress bar
        with contextlib.suppress(OSError):
            os.write(2, ("\n" * is_terminal + line + "\n").encode())
        # Not sys.exit: threads and destructors of JAX can abort an interrupted process.
        os._exit(128 + number)


_watcher = Watcher()  # one for a process, as signal handlers are


def start() -> None:
    """Receive signals, and report a missing package in one line."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # no line is lost at the end
    _watcher.start()
    sys.excepthook = report_missing


def ignore_signals() -> None:
    """Ignore signals from now on: the results are written, and Python ends.

    Python would restore the default handlers, which end a process without a message.
    """
    if signal.getsignal(signal.SIGTERM) is ignore:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def is_interrupted() -> bool:
    """Return whether a signal was received; for ``stop`` of ``fit``."""
    return _watcher.received is not None


@contextlib.contextmanager
def training(save: Path) -> Iterator[None]:
    """Let the first signal wait until the ``with`` block ends, then end the process.

    Args:
      save: Path at which the block saves its progress.
    """
    _watcher.saves.append(save)
    _watcher.set_training(True)
    try:
        yield
    finally:
        number = _watcher.set_training(False)
        if number is not None:
            _watcher.end(number)


def holds_save(path: Path) -> bool:
    """Return whether a path is a journal, or a folder with a finished checkpoint."""
    return path.is_file() or any(entry.name.isdigit() for entry in path.glob("*"))


def report_missing(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    """Print one line for a missing package, and a traceback for any other error."""
    name = (getattr(error, "name", None) or "").partition(".")[0]
    is_missing = isinstance(error, ModuleNotFoundError) and name != "experiments"
    if not is_missing or os.environ.get("JAXEMBED_TRACEBACK"):
        sys.__excepthook__(kind, error, traceback)
        return
    print(
        f"error: {name} is not installed: pip install '.[cli,plot]'",
        file=sys.stderr,
    )
