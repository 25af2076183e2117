"""Saves of two processes: each writes its parts, and process 0 ends the save."""

import json
import shutil
import signal

import numpy as np
import pytest

from jaxembed import train

V, D = 303, 5
TABLE = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)
STATE = """
import contextlib
import os
import signal
import warnings
import jax.numpy as jnp
import numpy as np
from jaxembed import train
from jaxembed.dist._processes import gather
from jaxembed.train._state import TrainState
from jaxembed.train.checkpoint import _joint, _write
from jaxembed.train.checkpoint._lock import lock
from jaxembed.train.sharded._shards import Shards

V, D = {n_words}, {dim}
TABLE = np.random.default_rng(0).normal(size=(V, D)).astype(np.float32)
path = pathlib.Path({path!r})

def make_state(table, data=1, vocab=None):
    rules = dist.Rules(dist.make_mesh(data=data, vocab=vocab))
    stored = {{"embed": {{"embedding": dist.to_shards(table, rules)}}}}
    shards = Shards(rules, ((("embed", "embedding"), len(table)),))
    number = jax.device_put(np.int32(0), rules.whole)
    return TrainState(number, stored, (), shards=shards)

def save(value, **mesh):
    train.save(path, make_state(TABLE + np.float32(value), **mesh), {{"n": value}},
               overwrite=True)

def check(**mesh):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        state, extra = train.restore(path, like=make_state(TABLE * 0, **mesh))
    n = state.shards.rules.n_shards
    for shard in state.params["embed"]["embedding"].addressable_shards:
        number = (shard.index[0].start or 0) // len(shard.data)
        expected = (TABLE + np.float32(extra["n"]))[number::n]
        rows = np.asarray(shard.data)[: len(expected)]
        np.testing.assert_array_equal(rows, expected)
    return [extra["n"], *(str(warning.message) for warning in caught)]

def attempt(action):
    try:
        return action()
    except Exception as error:
        return f"{{type(error).__name__}}: {{error}}"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run"


@pytest.fixture
def run(run_processes, path):
    """Return a function that runs code in processes, and returns their reports."""

    def call(code, n=2, n_devices=2):
        text = STATE.format(n_words=V, dim=D, path=str(path)) + code
        return run_processes(text, n, n_devices)

    return call


def restored(path):
    """Restore in this process, on one device."""
    state, extra = train.restore(path)
    table = state.params["embed"]["embedding"]
    np.testing.assert_array_equal(table, TABLE + np.float32(extra["n"]))
    return extra["n"]


SAVE = """
written = []
write = _write.write_parts
def record(folder, arrays):
    written.append(sorted(number for x in arrays.values() for number in x.sources))
    return write(folder, arrays)
_write.write_parts = record
save(1, data={data})
report(written)
"""
CHECK = "report([check(vocab=n) for n in {numbers}])"


@pytest.mark.long
@pytest.mark.parametrize("data", [1, 2])
def test_a_save_of_two_processes_is_restored_on_any_number(run, path, data):
    found = run(SAVE.format(data=data))
    # With two copies, process 0 has the first of both shards.
    assert found == ([[[[0, 1]]], [[[2, 3]]]] if data == 1 else [[[[0, 1]]], [[[]]]])
    assert len(list((path / "0" / "parts").iterdir())) == 4 // data
    assert restored(path) == 1
    for n, n_devices, numbers in ((1, 8, (1, 2, 4, 8)), (2, 1, (2,)), (2, 2, (4,))):
        found = run(CHECK.format(numbers=numbers), n, n_devices)
        assert found == [[[[1]] * len(numbers)]] * n


DAMAGED = """
for value in (0, 1):
    save(value)
if pid == 0:
    file = path / "1" / "parts" / "0-3"
    content = file.read_bytes()
    {damage}
report(check(), check(data=2))
"""


@pytest.mark.long
@pytest.mark.parametrize(
    "damage",
    ["file.write_bytes(bytes([content[0] ^ 1]) + content[1:])", "file.unlink()"],
    ids=["flip", "missing"],
)
def test_a_damaged_part_of_one_process_is_found_by_all(run, damage):
    """Damage a part that only process 1 reads, if the shards are as before."""
    both = run(DAMAGED.format(damage=damage))
    for found in both:
        for n, message in found:
            assert n == 0 and "Step 0 is restored instead" in message
            assert "parts/0-3" in message


FAILED = """
save(0)
def fail(*_):
    raise OSError(28, "No space left on device")
write_parts = _write.write_parts
if pid == {dead}:
    _write.write_parts = fail
texts = [attempt(lambda: save(1))]
_write.write_parts = write_parts
_joint.MOST_S = 0.5
if pid == 1:  # a process that does not write, such as after an error
    common, _joint.CommonSave.contributing = _joint.CommonSave.contributing, None
texts.append(attempt(lambda: save(1)))
if pid == 1:
    _joint.CommonSave.contributing = common
_joint.MOST_S = 30.0
gather(0)  # process 0 has freed the lock
with lock(path) if pid == 1 else contextlib.nullcontext():
    gather(0)
    texts.append(attempt(lambda: save(1)))
gather(0)  # process 1 has freed the lock
left = sorted(entry.name for entry in path.iterdir())
before = check()
save(2)
report(texts, left, before, check())
"""


@pytest.mark.long
@pytest.mark.parametrize("dead", [0, 1])
def test_an_error_of_one_process_leaves_the_save_before(run, path, dead):
    both = run(FAILED.format(dead=dead))
    for pid, (texts, left, before, after) in enumerate(both):
        assert "the disk is full: " in texts[0] and "The earlier saves are" in texts[0]
        assert "has not begun to write" in texts[1] or pid == 1
        assert "another process writes the checkpoint" in texts[2]
        assert left == ["0"] and before == [0] and after == [2]
    assert restored(path) == 2


KILLED = """
save(0)
write = _write._write_files
def die(*arguments):  # after the parts of both are written, before the save has a name
    os.kill(os.getpid(), signal.SIGKILL)
_write._write_files = die
report("saved")
save(1)
"""


@pytest.mark.long
def test_a_process_killed_before_the_end_leaves_the_save_before(
    run, start_processes, path, tmp_path
):
    text = STATE.format(n_words=V, dim=D, path=str(path)) + KILLED
    seconds = {"heartbeat_s": 2, "shutdown_s": 5, "timeout_s": 60}
    processes = start_processes(text, n_devices=2, **seconds)
    for process in processes:
        process.communicate(timeout=120)
        assert process.returncode != 0
    assert processes[0].returncode == -signal.SIGKILL
    assert json.loads((tmp_path / "1.json").read_text()) == ["saved"]
    (unfinished,) = path.glob("run-*")
    assert len(list((unfinished / "parts").iterdir())) == 4
    assert restored(path) == 0
    (found, _) = run("before = check()\nsave(2)\nreport(before, check())")
    assert found == [[0], [2]]
    assert sorted(entry.name for entry in path.iterdir()) == ["0", "1"]


FIT = """
from jaxembed import nn, optim
ids = np.random.default_rng(1).integers(0, V, (64, 6)).astype(np.int32)
model = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(), pool="mean")
writes = []
write_parts = _write.write_parts

def write(*arguments):
    writes.append(len(writes))
    if pid == 1 and len(writes) == {bad}:
        raise OSError(5, "Input/output error")
    return write_parts(*arguments)

_write.write_parts = write

def fit(**settings):
    state, history = train.fit(
        model, (ids, ids[:, 0] % 2), tx=optim.rmsprop(0.01), key=jax.random.key(0),
        table_tx=optim.sparse_rmsprop(0.01), batch_size=16, epochs=6, progress=False,
        mesh=dist.make_mesh(), checkpoint=path, **settings)
    table = state.variables["params"]["embed"]["embedding"]
    return dist.to_words(table, V).tolist(), history.loss

def stop_after(n):
    calls = []
    return lambda: calls.append(1) or pid == 1 and len(calls) > n
"""
ERROR = "text = attempt(fit)\n_write.write_parts = write_parts\nreport(text, fit())"
STOPPED = """
try:
    fit(stop=stop_after(4))
except KeyboardInterrupt:
    pass
gather(0)  # process 0 has ended the save
n_saved = len(train.restore(path)[1]["history"]["loss"])
gather(0)
report(n_saved, fit())
"""


@pytest.mark.long
def test_an_error_of_a_thread_is_raised_in_all_and_the_run_resumes(run, path):
    """Fail in the last save, which is the second: the first is in the background."""
    expected = run(FIT.format(bad=0) + "report(fit())")
    shutil.rmtree(path)
    both = run(FIT.format(bad=2) + ERROR)
    for pid, (text, found) in enumerate(both):
        assert "Input/output error" in text and text.startswith("OSError")
        assert found == expected[pid][0]


@pytest.mark.long
def test_the_last_epoch_before_a_stop_is_saved_by_all(run, path):
    expected = run(FIT.format(bad=0) + "report(fit())")
    shutil.rmtree(path)
    both = run(FIT.format(bad=0) + STOPPED)
    for pid, (n_saved, found) in enumerate(both):
        assert n_saved == 4 and found == expected[pid][0]
