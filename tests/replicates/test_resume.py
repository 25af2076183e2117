"""Resume: interrupted replicates continue; other or damaged files are refused."""

import signal
import subprocess
import sys
import textwrap
import time

import jax
import numpy as np
import pytest

from jaxembed import nn, optim, replicates
from jaxembed.replicates._journal import Journal, read

V, L, N = 30, 6, 70
KEY = jax.random.key(5)
IDS = np.random.default_rng(0).integers(0, V, (N, L)).astype(np.int32)
LABELS = ((IDS < V // 2).sum(1) > L // 2).astype(np.int32)
MODEL = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead())
TX = optim.rmsprop(0.01)  # one object, so that calls share a compiled program


def replicate(data=(IDS, LABELS), **changed):
    settings = {
        "examples": replicates.draw_examples(KEY, 5, N, 20),
        "tx": TX,
        "epochs": 2,
        "batch_size": 8,
        "key": KEY,
        "n_parallel": 2,
        "progress": False,
    }
    return replicates.run(MODEL, data, **(settings | changed))


@pytest.fixture(scope="module")
def whole():
    return replicate()


class Interrupted(Exception):
    pass


def interrupt_after(n_saves, monkeypatch):
    save, saves = Journal.save, []

    def save_or_stop(journal, rows):
        save(journal, rows)
        saves.append(1)
        if len(saves) == n_saves:
            raise Interrupted

    monkeypatch.setattr(Journal, "save", save_or_stop)


def assert_same(first, second):
    for name, values in first.metrics().items():
        np.testing.assert_array_equal(getattr(second, name), values)


def test_goes_on_bit_by_bit(whole, tmp_path, monkeypatch):
    path = tmp_path / "folder" / "run.json"
    with monkeypatch.context() as context:
        interrupt_after(2, context)
        with pytest.raises(Interrupted):
            replicate(checkpoint=path)
    assert sorted(read(path)[1]) == [0, 1, 2, 3]
    assert_same(whole, replicate(checkpoint=path, n_parallel=None))
    before = path.read_bytes()
    assert_same(whole, replicate(checkpoint=path))  # all replicates are finished
    # More replicates keep the finished ones; fewer are the first finished ones.
    more = replicate(checkpoint=path, examples=replicates.draw_examples(KEY, 7, N, 20))
    np.testing.assert_array_equal(more.loss[:5], whole.loss)
    assert path.read_bytes() != before
    fewer = replicate(checkpoint=path, examples=replicates.draw_examples(KEY, 3, N, 20))
    np.testing.assert_array_equal(fewer.loss, whole.loss[:3])
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"key": jax.random.key(6)}, "key"),
        ({"data": (IDS, 1 - LABELS)}, "examples"),
        ({"tx": optim.rmsprop(0.02)}, "program"),
        ({"epochs": 3}, "epochs"),
        ({"n_parallel": 3}, "n_parallel"),
        ({"examples": replicates.draw_examples(jax.random.key(1), 5, N, 20)}, "draws"),
    ],
)
def test_another_run_is_refused(changed, name, saved):
    before = saved.read_bytes()
    with pytest.raises(
        ValueError, match=rf"belongs to replicates that differ in .*{name}"
    ):
        replicate(checkpoint=saved, **changed)
    assert saved.read_bytes() == before


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run.json"
    replicate(checkpoint=path)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[:20],
        lambda text: "[]",
        lambda text: "\xff\xfe",
        lambda text: text.replace('"n_parallel": 2', '"n_parallel": 3'),
        lambda text: text.replace('"sha256"', '"sha257"', 1),
        lambda text: "[" * 100_000,
        lambda text: text.partition("\n")[2],
        lambda text: '{"run": {"n_parallel": 2}, "draws": [], "metrics": {}}',  # old
    ],
)
def test_a_damaged_first_line_is_refused_and_stays(change, saved, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(change(saved.read_text()), encoding="latin-1")
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"run.json .*(remove it)"):
        replicate(checkpoint=path)
    assert path.read_bytes() == before


def test_a_large_file_is_not_read(saved, tmp_path, monkeypatch):
    monkeypatch.setattr("jaxembed.replicates._journal.LARGEST", 10)
    with pytest.raises(ValueError, match="it has .* bytes"):
        replicate(checkpoint=saved)


def test_numbers_of_numpy_can_be_saved(whole, tmp_path):
    numbers = {
        "epochs": np.int64(2),
        "n_parallel": np.int64(2),
        "batch_size": np.int32(8),
    }
    assert_same(whole, replicate(checkpoint=tmp_path / "run.json", **numbers))


def test_a_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(IsADirectoryError, match="name a file in it"):
        replicate(checkpoint=tmp_path)


@pytest.mark.long
def test_after_kill_9(whole, tmp_path):
    """Kill the process after its first batches, and resume."""
    path = tmp_path / "run.json"
    code = f"""
        import time
        from tests.replicates import test_resume as these
        from jaxembed.replicates._journal import Journal
        save = Journal.save
        def slow(journal, rows):
            save(journal, rows)
            time.sleep(0.2)
        Journal.save = slow
        these.replicate(checkpoint={str(path)!r})
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.Popen(command)
    limit = time.monotonic() + 120
    while not path.exists() and time.monotonic() < limit:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    done = len(read(path)[1])
    assert 2 <= done < 5
    assert_same(whole, replicate(checkpoint=path))
    # The lock of the killed process is gone too.
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_stop_is_asked_before_each_batch_and_raises_as_ctrl_c_does(whole, tmp_path):
    asked = []

    def stop():
        asked.append(True)
        return len(asked) == 2

    path = tmp_path / "finished.json"
    with pytest.raises(KeyboardInterrupt, match="stopped after 2 replicates"):
        replicate(checkpoint=path, stop=stop)
    assert path.read_text().count('"replicate"') == 2
    assert_same(replicate(checkpoint=path, stop=lambda: False), whole)
