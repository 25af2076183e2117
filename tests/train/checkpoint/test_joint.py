"""Checkpoints of two processes: one lock and writer, two readers, equal errors."""

import pytest

from jaxembed.train.checkpoint import _joint
from jaxembed.train.checkpoint._lock import lock

CODE = """
import jax.numpy as jnp
import numpy as np
from jaxembed import train
from jaxembed.train._history import History
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint import _resume
from jaxembed.train.checkpoint._joint import hold

folder = pathlib.Path({folder!r})
written = []
write = _resume.write
_resume.write = lambda *a, **k: written.append(1) or write(*a, **k)

def start(n_done):
    state = TrainState(jnp.zeros((), jnp.int32), {{"w": jnp.zeros(3)}}, ())
    return _resume.Progress(state, None, History())

def attempt(identity):
    saver = _resume.Saver(folder / "run", identity, is_joint=True)
    with hold(folder / "run", is_joint=True):
        done = saver.load(start, 5)
        found = done.state.params["w"].tolist(), done.place, len(done.history)
        with saver.saving(done) as save:
            done.history.append(loss=1.0, accuracy=0.5)
            done.state = done.state.replace(params={{"w": done.state.params["w"] + 1}})
            done.place = {{"n_batches": 7, "state": {{"json": pid}}}}
            save(done)
        is_saved = (folder / "run" / str(len(done.history) - 1) / "meta").is_dir()
    return [*found, is_saved]

found = [attempt({{"size": 3}}), attempt({{"size": 3}})]
errors = []
for identity, at in (({{"size": pid, "seed": 1}}, "run"), ({{"size": 3}}, "taken")):
    try:
        folder = pathlib.Path({folder!r}, "." if at == "run" else at)
        attempt(identity)
    except (ValueError, OSError) as error:
        errors.append(f"{{type(error).__name__}}: {{error}}")
folder = pathlib.Path({folder!r}, f"own{{pid}}")  # a state of each process alone
try:
    train.save(folder, {{"w": np.full(2, pid)}})
    own = train.restore(folder)[0]["w"].tolist()
except OSError as error:
    own = str(error)
report(found, len(written), errors, own)
"""


def test_two_processes_save_once_and_both_resume(run_processes, tmp_path):
    with lock(tmp_path / "taken" / "run"):
        both = run_processes(CODE.format(folder=str(tmp_path)))
    for pid, (found, n_written, errors, own) in enumerate(both):
        assert own == [0, 0] if pid == 0 else "process 1 of 2 cannot write" in own
        assert found[0] == [[0.0] * 3, None, 0, True]
        place = {"n_batches": 7, "state": {"json": pid}}
        assert found[1] == [[1.0] * 3, place, 1, True]
        assert n_written == (2 if pid == 0 else 0)
        assert "process 1 trains another run than process 0" in errors[0]
        assert "differ in size. Give" in errors[0]
        assert "another process writes the checkpoint" in errors[1]
    assert both[0][2][1].startswith("BlockingIOError: another")
    assert both[1][2][1].startswith("OSError: process 0 cannot write the checkpoint: B")


def test_places_of_more_processes_are_refused(tmp_path):
    places = [{"n_batches": 1, "state": {"json": i}} for i in range(2)]
    with pytest.raises(ValueError, match="iterators of 2 processes, got 1: start as"):
        _joint.find_place({"place": places[0], "places": places}, tmp_path)
