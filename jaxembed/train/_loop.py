"""Loop: train a run epoch by epoch, with early stopping, saves and a progress bar."""

from collections.abc import Callable

from jaxembed._io import progress_bar
from jaxembed.train._history import History, Stopping
from jaxembed.train._run import Run, copy_state
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint._resume import Progress, Saver


def train_epochs(
    run: Run,
    done: Progress,
    epochs: int,
    stopping: Stopping,
    saver: Saver,
    progress: bool | None,
    on_epoch: Callable[[History], None] | None,
    stop: Callable[[], bool] | None,
) -> tuple[TrainState, History]:
    """Train until all epochs are done, or until ``stopping`` ends the run.

    Args:
      run: the run.
      done: its state and history; changed in place.
      epochs: number of epochs.
      stopping: when to end early, and which state to return.
      saver: folder in which the run is saved.
      progress: whether to show a progress bar.
      on_epoch: called after each epoch with the history.
      stop: called before each part of an epoch; if it returns True, the run is saved
        and KeyboardInterrupt is raised.

    Returns:
      The state and the history, as :func:`jaxembed.train.fit` does.
    """
    history, n_done = done.history, len(done.history)
    if len(history) >= epochs or stopping.is_over(history):
        saver = Saver()  # nothing to save, and no memory to reserve for it
    bar = progress_bar(epochs, progress=progress, initial=n_done, unit="epoch")
    with bar, saver.saving(done) as save:
        while len(history) < epochs and not stopping.is_over(history):
            run.prepare(done)
            if stop is not None and stop():
                raise KeyboardInterrupt(f"stopped after epoch {len(history)}")
            is_end = run.advance(done)
            if is_end and stopping.is_best(history):
                done.best = copy_state(done.state)
            if is_end or run.programs.save_every is not None:
                save(done)
            if not is_end:
                continue
            bar.update()
            bar.set_postfix({name: x[-1] for name, x in history.metrics().items()})
            if on_epoch is not None:
                on_epoch(history)
    end = done.state if done.best is None else done.best
    return end.replace(frozen=done.state.frozen), history
