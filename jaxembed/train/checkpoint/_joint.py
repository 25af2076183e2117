"""Joint: the checkpoint of a run that several processes train together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax

from jaxembed.dist._processes import check_equal, gather, share_error
from jaxembed.train.checkpoint._arrays import hash_text
from jaxembed.train.checkpoint._lock import lock
from jaxembed.train.checkpoint._steps import check_free

Place = dict[str, Any] | None


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
    with ExitStack() as held:
        error = None
        if not is_joint or jax.process_index() == 0:
            try:
                held.enter_context(_hold(Path(checkpoint)))
            except OSError as raised:
                error = raised
        if is_joint:
            share_error(error, "cannot write the checkpoint")
        elif error is not None:
            raise error
        yield


@contextmanager
def _hold(path: Path) -> Iterator[None]:
    """Hold the lock of a folder that can be written."""
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"checkpoint={path} is a file: give a folder.")
    check_free(path, overwrite=True)
    with lock(path):
        yield


def agree(stop: Callable[[], bool]) -> Callable[[], bool]:
    """Return a function that is True in all processes if ``stop`` is in one of them.

    Example:
      >>> agree(lambda: True)()
      True
    """
    return lambda: any(gather(bool(stop())))


def check_same_run(identity: Mapping[str, Any], path: Path, arrays: object) -> None:
    """Raise in all processes if they train differently or find another checkpoint.

    Args:
      identity: identity of the run, see :func:`fingerprint`.
      path: the folder of the checkpoint.
      arrays: digests of the arrays of the checkpoint that this process has found.

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
    remedy = "give a folder on a file system that all hosts share."
    check_equal(f"the checkpoint in {path}", hash_text(str(arrays)), remedy)


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
