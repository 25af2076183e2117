"""Joint: the checkpoint of a run that several processes train together."""

import dataclasses
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax

from jaxembed.dist._processes import check_equal, gather, receive, send, share_error
from jaxembed.train.checkpoint._arrays import hash_text
from jaxembed.train.checkpoint._lock import lock
from jaxembed.train.checkpoint._steps import check_free

Place = dict[str, Any] | None
MOST_S = 30.0  # until another process must begin to write, after process 0 has written


@dataclasses.dataclass(frozen=True)
class CommonSave:
    """Save of several processes: each writes its parts, and process 0 ends it.

    Attributes:
      run: name of the saves of a run, equal in all processes and in no other run.
      number: number of the save.
    """

    run: str
    number: int

    @property
    def name(self) -> str:
        """Name of the save."""
        return f"{self.run}-{self.number}"

    @contextmanager
    def contributing(self) -> Iterator[dict[str, str]]:
        """Yield a dict for the SHA-256 of each file, and send it to process 0.

        An error within the ``with`` block is sent too.
        """
        place = f"{self.name}/{jax.process_index()}"
        send(f"{place}/begin", None)
        digests: dict[str, str] = {}
        try:
            yield digests
        except BaseException as error:
            send(f"{place}/end", [f"{type(error).__name__}: {error}", {}])
            raise
        send(f"{place}/end", [None, digests])

    def collect(self) -> dict[str, str]:
        """Return the SHA-256 of the files of all other processes, in process 0.

        Raises:
          OSError: if a process cannot write its parts, or has not begun to.
        """
        digests: dict[str, str] = {}
        for number in range(1, jax.process_count()):
            place = f"{self.name}/{number}"
            try:
                receive(f"{place}/begin", most_s=MOST_S)
            except TimeoutError:
                raise OSError(
                    f"process {number} has not begun to write its parts of the "
                    f"checkpoint in {MOST_S:.0f} s. The earlier saves are unchanged."
                ) from None
            # If the process dies, XLA ends this process too.
            error, found = receive(f"{place}/end")
            if error is not None:
                doing = "cannot write its parts of the checkpoint"
                raise OSError(f"process {number} {doing}: {error}")
            digests |= found
        return digests


def name_run() -> str:
    """Return a new name of a run, equal in all processes. All must call it."""
    return gather(f"run-{uuid.uuid4().hex[:12]}")[0]


@contextmanager
def hold(checkpoint: str | Path | None, *, is_joint: bool = False) -> Iterator[None]:
    """Hold the lock of the folder of a run, so that no other run writes into it.

    Args:
      checkpoint: the folder; None to hold nothing.
      is_joint: whether several processes train together. Process 0 then holds the lock.

    Raises:
      BlockingIOError: if another process writes this checkpoint; names the process.
      FileExistsError: if ``checkpoint`` is a file, or a folder with other files.
      OSError: in the other processes of a joint run, if process 0 raises an error.
    """
    if checkpoint is None:
        yield
        return
    path = Path(checkpoint)

    def check() -> None:
        if path.exists() and not path.is_dir():
            raise FileExistsError(f"checkpoint={path} is a file: give a folder.")
        check_free(path, overwrite=True)

    with claim(path, check, is_joint=is_joint):
        yield


@contextmanager
def claim(
    path: Path, check: Callable[[], None], *, is_joint: bool = False
) -> Iterator[None]:
    """Hold the lock of a folder.

    Args:
      path: the folder.
      check: raises OSError if the folder must not be written. It is called before and
        within the lock, since another process may save in between.
      is_joint: whether all processes call this function. Process 0 then holds the lock.

    Raises:
      BlockingIOError: if another process writes this checkpoint; names the process.
      OSError: of ``check``; in the other processes of a joint run, if process 0 raises
        an error.
    """
    with ExitStack() as held:
        error = None
        if not is_joint or jax.process_index() == 0:
            try:
                check()
                held.enter_context(lock(path))
                check()
            except OSError as raised:
                error = raised
        if is_joint:
            share_error(error, "cannot write the checkpoint")
        elif error is not None:
            raise error
        yield


def agree(stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that is True in all processes if ``stop`` is in one of them.

    Example:
      >>> agree(lambda: True)()
      True
    """
    return lambda: any(gather(bool(stop())))


def agree_on_save(is_ready: bool, error: BaseException | None) -> bool:
    """Return whether all processes are ready to write a save.

    Args:
      is_ready: whether this process is.
      error: error of the last save in this process, which is raised.

    Raises:
      OSError: if another process has an error.

    Example:
      >>> agree_on_save(True, None)
      True
    """
    text = None if error is None else f"{type(error).__name__}: {error}"
    found = gather([is_ready, text])
    if error is not None:
        raise error
    for number, (_, other) in enumerate(found):
        if other is not None:
            raise OSError(f"process {number} cannot write the checkpoint: {other}")
    return all(ready for ready, _ in found)


def check_same_run(identity: Mapping[str, Any], path: Path, newest: object) -> None:
    """Raise in all processes if they train differently or find another checkpoint.

    Args:
      identity: identity of the run, see :func:`fingerprint`.
      path: the folder of the checkpoint.
      newest: number of the newest step that this process has found.

    Raises:
      ValueError: names the first process that differs, and the settings.
    """
    for number, other in enumerate(found := gather(dict(identity))):
        names = [name for name in identity if other.get(name) != found[0].get(name)]
        if names:
            raise ValueError(
                f"process {number} trains another run than process 0: they differ in "
                f"{', '.join(names)}. Give all processes the same arguments and data."
            )
    check_same_files(path, newest)


def check_same_files(path: Path, found: object) -> None:
    """Raise in all processes if they find other files in the folder of a run."""
    remedy = "give a folder on a file system that all hosts share."
    check_equal(f"the checkpoint in {path}", hash_text(str(found)), remedy)


def gather_places(place: Place) -> list[Place]:
    """Return the places of the streams of all processes; one if all are equal.

    Example:
      >>> gather_places({"n_batches": 3, "state": None})
      [{'n_batches': 3, 'state': None}]
    """
    places = gather(place)
    return places if any(other != places[0] for other in places) else places[:1]


def find_place(extra: Mapping[str, Any], path: Path) -> Place:
    """Return the place of the stream of this process in the JSON of a checkpoint.

    Raises:
      ValueError: if the streams stood at different places, and there are more or fewer
        processes now.

    Example:
      >>> find_place({"place": {"n_batches": 3, "state": None}}, Path("run"))
      {'n_batches': 3, 'state': None}
    """
    places = extra.get("places")
    if places is None:
        return extra.get("place")
    if len(places) != jax.process_count():
        raise ValueError(
            f"the checkpoint {path} has the places of the iterators of {len(places)} "
            f"processes, got {jax.process_count()}: start as many processes as before. "
            "Batches of text.Batches(part=) resume on any number."
        )
    return places[jax.process_index()]
