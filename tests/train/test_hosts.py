"""Fit on two processes with two devices each: equal to one device, exact resume."""

import functools
import json
import random
import time

import jax
import numpy as np
import pytest

from jaxembed import train

# Shared by the processes of a run and this one: arrays, model and settings.
SETUP = """
import jax
import numpy as np
from jaxembed import nn, optim, text, train

V, N, L, B = 403, 157, 6, 16
EPOCHS = {{"epochs": {epochs}}}
rng = np.random.default_rng(0)
ids = np.minimum(rng.zipf(1.3, (N, L)), V - 1).astype(np.int32)
labels = (ids.sum(1) % 2).astype(np.int32)

def make_settings(kind):
    frozen, is_sparse = kind == "frozen", kind == "row-sparse"
    embed = nn.Embed(V, 4, frozen=frozen)
    model = nn.TextClassifier(embed, nn.DenseHead((3,)), pool="mean")
    table_tx = optim.sparse_rmsprop(0.01) if is_sparse else None
    return model, {{"tx": optim.rmsprop(0.01), "table_tx": table_tx, **EPOCHS}}

def make_data(form, part=None):
    if form == "arrays":
        return (ids, labels), {{"batch_size": B}}
    rows = text.Ragged.from_lists([list(map(int, row)) for row in ids])
    return text.Batches(rows, labels, batch_size=B, maxlen=L, seed=2, part=part), {{}}
"""
JOINT = """
mesh = dist.make_mesh(data={data})
model, settings = make_settings({kind!r})
data, more = make_data({form!r}, (pid, n))
def on_epoch(history):
    pathlib.Path({folder!r}, f"epoch{{pid}}").write_text(str(len(history)))
    time.sleep({pause})
import time
state, history = train.fit(
    model, data, key=jax.random.key(1), mesh=mesh, checkpoint={checkpoint!r},
    save_every={save_every}, on_epoch=on_epoch, **settings, **more
)
table = state.variables["params"]["embed"]["embedding"]
words = dist.to_words(table, V)
report(history.loss, words.tolist(), [x.data.shape for x in table.addressable_shards])
"""


def make_code(tmp_path, kind, form, **changed):
    values = {"kind": kind, "form": form, "data": 1, "folder": str(tmp_path)}
    values |= {"pause": 0, "checkpoint": None, "save_every": None, "epochs": 5}
    values |= changed
    return SETUP.format(**values) + JOINT.format(**values)


@functools.cache
def train_alone(kind, form):
    """Train on one device of this process."""
    names: dict = {}
    exec(SETUP.format(epochs=5), names)
    model, settings = names["make_settings"](kind)
    data, more = names["make_data"](form)
    key = jax.random.key(1)
    state, history = train.fit(model, data, key=key, **settings, **more)
    return state.variables["params"]["embed"]["embedding"], history.loss


@pytest.mark.long
@pytest.mark.parametrize("form", ["arrays", "stream"])
@pytest.mark.parametrize("kind", ["learned", "frozen", "row-sparse"])
def test_two_processes_equal_one_device(run_processes, tmp_path, kind, form):
    table, loss = train_alone(kind, form)
    code = make_code(tmp_path, kind, form, data=2 if kind == "learned" else 1)
    for losses, words, shards in run_processes(code, n_devices=2):
        np.testing.assert_allclose(words, table, atol=1e-6)
        np.testing.assert_allclose(losses, loss, atol=1e-6)
        n = 2 if kind == "learned" else 4
        assert shards == [[403 // n + 1, 4]] * 2


MEASURE = """
mesh = dist.make_mesh()
model, settings = make_settings("row-sparse")
settings |= {{"key": jax.random.key(1), "mesh": mesh}}
data, more = make_data("arrays")
held_out = ids[:41], labels[:41]
more |= {{"validation": held_out}}
errors = []
try:
    train.fit(model, (np.roll(ids, pid), labels), **settings, **more)
except ValueError as error:
    errors.append(str(error))
pieces = []
def stop():
    pieces.append(1)
    return pid == 1 and len(pieces) > 3
try:
    folder = pathlib.Path({folder!r}, "stopped")
    train.fit(model, data, checkpoint=folder, stop=stop, **settings, **more)
except KeyboardInterrupt:
    errors.append(len(pieces))
state, history = train.fit(model, data, checkpoint=folder, **settings, **more)
found = train.evaluate(model, state.variables, *held_out, mesh=mesh)
logits = train.predict(model, state.variables, ids[:41], mesh=mesh)
train.save(pathlib.Path({folder!r}, "saved"), state)  # in both; process 0 writes
report(errors, history.val_loss, found["loss"], np.asarray(logits).tolist())
"""


@pytest.mark.long
def test_two_processes_measure_stop_and_refuse_as_one(run_processes, tmp_path):
    values = {"epochs": 5, "folder": str(tmp_path)}
    both = run_processes(SETUP.format(**values) + MEASURE.format(**values), n_devices=2)
    names: dict = {}
    exec(SETUP.format(epochs=5), names)
    model, settings = names["make_settings"]("row-sparse")
    data, more = names["make_data"]("arrays")
    held_out = data[0][:41], data[1][:41]
    key = jax.random.key(1)
    state, history = train.fit(
        model, data, validation=held_out, key=key, **settings, **more
    )
    logits = train.predict(model, state.variables, held_out[0])
    for errors, losses, loss, found in both:
        assert "data and examples must be equal in all processes, and p" in errors[0]
        assert errors[1:] == [4]
        np.testing.assert_allclose(losses, history.val_loss, atol=1e-6)
        np.testing.assert_allclose(loss, history.val_loss[-1], atol=1e-6)
        np.testing.assert_allclose(found, logits, atol=2e-6)
        saved, _ = train.restore(tmp_path / "saved")
        table = state.tables["embed"]["embedding"]
        np.testing.assert_allclose(saved.tables["embed"]["embedding"], table, atol=1e-6)


def kill_and_resume(start, code, tmp_path, *, n_kills, rng, most_s):
    """Kill one of two processes at random moments, and start both again.

    The moment is up to ``most_s`` seconds after the first epoch of an attempt.

    Returns:
      The reports of the run that ends, and for each kill its second, the process, the
      number of finished epochs, and the seconds until the other process has ended.
    """
    seconds = {"heartbeat_s": 2, "shutdown_s": 5, "timeout_s": 60}
    marks, kills = [tmp_path / f"epoch{i}" for i in range(2)], []
    for _ in range(n_kills):
        for mark in marks:
            mark.unlink(missing_ok=True)
        processes = start(code, n_devices=2, **seconds)
        while not all(mark.exists() and mark.read_text() for mark in marks):
            assert all(process.poll() is None for process in processes)
            time.sleep(0.05)
        moment, dead = rng.uniform(0, most_s), rng.randrange(2)
        time.sleep(moment)
        assert all(process.poll() is None for process in processes), "it has ended"
        processes[dead].kill()
        n_epochs, begin = int(marks[dead].read_text()), time.monotonic()
        processes[1 - dead].communicate(timeout=60)
        assert processes[1 - dead].returncode != 0
        kills.append((moment, dead, n_epochs, time.monotonic() - begin))
    for process in start(code, n_devices=2, **seconds):
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    reports = [json.loads((tmp_path / f"{i}.json").read_text()) for i in range(2)]
    return reports, kills


@pytest.mark.long
@pytest.mark.parametrize("form", ["arrays", "stream"])
def test_a_killed_run_resumes_with_the_same_bits(
    run_processes, start_processes, tmp_path, form
):
    changed = {"epochs": 40, "pause": 0.2, "save_every": 3}
    path = str(tmp_path / "whole")
    code = make_code(tmp_path, "row-sparse", form, checkpoint=path, **changed)
    expected = run_processes(code, n_devices=2)
    path = str(tmp_path / "killed")
    code = make_code(tmp_path, "row-sparse", form, checkpoint=path, **changed)
    reports, kills = kill_and_resume(
        start_processes,
        code,
        tmp_path,
        n_kills=2,
        rng=random.Random(5),
        most_s=2,
    )
    assert reports == expected
    # The second attempt has resumed the first, whose epochs are saved.
    assert 1 <= kills[0][2] < 40 and 1 <= kills[1][2] < 40
    # The folder is that of one device: fit on one device reports the finished run.
    names: dict = {}
    exec(SETUP.format(epochs=40), names)
    model, settings = names["make_settings"]("row-sparse")
    data, more = names["make_data"](form, (0, 1))
    state, _ = train.fit(
        model,
        data,
        key=jax.random.key(1),
        checkpoint=path,
        save_every=3,
        **settings,
        **more,
    )
    words = state.variables["params"]["embed"]["embedding"]
    np.testing.assert_array_equal(words, np.array(expected[0][1], np.float32))
