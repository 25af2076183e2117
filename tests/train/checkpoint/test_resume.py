"""Resume: an interrupted run ends with the same bits as an uninterrupted one."""

import subprocess
import sys
import textwrap

import chex
import jax
import numpy as np
import optax
import pytest

from jaxembed import nn, optim, train
from jaxembed.train.checkpoint._steps import list_steps
from tests.train.conftest import V


class Interrupted(Exception):
    pass


def interrupt_after(epoch):
    def on_epoch(history):
        if len(history) == epoch:
            raise Interrupted

    return on_epoch


@pytest.mark.parametrize(
    ("keep_best", "dropout"),
    [pytest.param(False, 0.0, marks=pytest.mark.long), (True, 0.3)],
)
def test_bit_by_bit(fit, examples, tmp_path, keep_best, dropout):
    settings = {
        "model": nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead((5,), 1, dropout)),
        "epochs": 5,
        "validation": (examples[0][:20], 1 - examples[1][:20]),
        "stopping": train.Stopping(keep_best=keep_best),
    }
    whole, history = fit(**settings)
    path = tmp_path / "run"
    for epoch in (2, 3):
        with pytest.raises(Interrupted):
            fit(**settings, checkpoint=path, on_epoch=interrupt_after(epoch))
    seen = []
    resumed, again = fit(
        **settings, checkpoint=path, on_epoch=lambda history: seen.append(len(history))
    )
    assert seen == [4, 5]
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()
    # A finished run does not train again, and can be continued for more epochs.
    assert fit(**settings, checkpoint=path)[1].metrics() == history.metrics()
    longer = settings | {"epochs": 6}
    chex.assert_trees_all_equal(fit(**longer, checkpoint=path)[0], fit(**longer)[0])


@pytest.mark.long
@pytest.mark.parametrize("save_every", [None, 3])
def test_after_kill_9(tmp_path, save_every):
    """Kill the process twice at an arbitrary point after a save, and resume."""
    code = f"""
        import hashlib, sys, time
        import jax, numpy as np
        from jaxembed import nn, optim, train
        rng = np.random.default_rng(0)
        ids, labels = rng.integers(0, 500, (64, 6)), rng.integers(0, 2, 64)
        model = nn.TextClassifier(nn.Embed(500, 8), nn.DenseHead())
        def on_epoch(history):
            print(len(history), flush=True)
            time.sleep(0.1 * (len(sys.argv) > 2))
        state, _ = train.fit(model, (ids, labels), tx=optim.rmsprop(), epochs=90,
                             batch_size=16, key=jax.random.key(0), progress=False,
                             checkpoint=sys.argv[1] if len(sys.argv) > 1 else None,
                             on_epoch=on_epoch, save_every={save_every})
        leaves = [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(state)]
        print(hashlib.sha256(b"".join(leaves)).hexdigest())
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    whole = subprocess.run(command, capture_output=True, text=True, check=True)
    run = tmp_path / "run"
    command.append(str(run))
    first_epochs = []
    for _ in range(2):
        before = list_steps(run)
        process = subprocess.Popen([*command, "slowly"], stdout=subprocess.PIPE)
        first_epochs.append(int(process.stdout.readline()))
        while list_steps(run) == before:
            assert process.poll() is None
        process.kill()
        process.wait()
        process.stdout.close()
    last = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = last.stdout.split()
    assert 90 > int(lines[0]) >= first_epochs[1] >= 1
    assert lines[-1] == whole.stdout.split()[-1]


DROPOUT = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(dropout=0.5))


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"key": jax.random.key(9)}, "key"),
        ({"batch_size": 7}, "program"),
        ({"max_norm": 0.5}, "program"),
        ({"examples": np.arange(30)}, "examples"),
        ({"params": "other"}, "initial weights"),
        ({"stopping": train.Stopping(patience=3, monitor="loss")}, "monitor, patience"),
        (
            {"stopping": train.Stopping(monitor="loss", keep_best=True)},
            "monitor, keep_best",
        ),
        ({"tx": optim.rmsprop(0.5)}, "program"),
        ({"model": DROPOUT}, "program"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_run_is_refused(fit, model, examples, tmp_path, changed, what):
    fit(epochs=1, checkpoint=tmp_path / "run")
    if "params" in changed:
        params = model.init(jax.random.key(8), examples[0])["params"]
        changed = {"params": params}
    with pytest.raises(ValueError, match=f"belongs to a run that differs in {what}"):
        fit(epochs=1, checkpoint=tmp_path / "run", **changed)


def test_another_initial_optimizer_state_is_another_run(fit, tmp_path):
    fit(tx=optax.adagrad(0.1, 0.1), epochs=1, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="differs in initial optimizer state:"):
        fit(tx=optax.adagrad(0.1, 5.0), epochs=2, checkpoint=tmp_path / "run")


def test_a_damaged_checkpoint_is_refused(fit, tmp_path):
    fit(epochs=1, checkpoint=tmp_path / "run")
    data = max((tmp_path / "run").rglob("d/*"), key=lambda path: path.stat().st_size)
    content = bytearray(data.read_bytes())
    content[len(content) // 2] ^= 1
    data.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        fit(epochs=2, checkpoint=tmp_path / "run")


def test_a_run_that_was_killed_in_its_first_save_starts_anew(fit, tmp_path):
    whole, _ = fit()
    (tmp_path / "run" / "0.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
    chex.assert_trees_all_equal(fit(checkpoint=tmp_path / "run")[0], whole)
    names = [path.name for path in (tmp_path / "run").iterdir()]
    assert names and all(name.isdigit() for name in names)


def test_fewer_epochs_than_were_saved_are_refused(fit, tmp_path):
    fit(epochs=3, checkpoint=tmp_path / "run")
    with pytest.raises(ValueError, match="must be at least 3, .*, got 1: give another"):
        fit(epochs=1, checkpoint=tmp_path / "run")


def test_a_file_in_place_of_the_folder_is_refused_at_once(fit, tmp_path):
    (tmp_path / "run").write_text("mine")
    seen = []
    with pytest.raises(FileExistsError, match="run is a file: give a folder"):
        fit(checkpoint=tmp_path / "run", on_epoch=seen.append)
    assert seen == []


def test_a_frozen_table_is_saved_once_and_comes_back(fit, examples, tmp_path):
    settings = {
        "model": nn.TextClassifier(nn.Embed(V, 4, frozen=True), nn.DenseHead()),
        "validation": examples,
        "stopping": train.Stopping(keep_best=True),
    }
    whole, _ = fit(**settings)
    with pytest.raises(Interrupted):
        fit(**settings, checkpoint=tmp_path / "run", on_epoch=interrupt_after(2))
    tree, _ = train.restore(tmp_path / "run")
    assert tree["state"].frozen and not tree["best"].frozen
    resumed, _ = fit(**settings, checkpoint=tmp_path / "run")
    chex.assert_trees_all_equal(resumed, whole)
    assert set(resumed.variables["params"]) == {"embed", "head"}


def test_stop_is_asked_before_each_epoch_and_raises_as_ctrl_c_does(fit, tmp_path):
    whole, history = fit(epochs=4)
    asked = []

    def stop():
        asked.append(True)
        return len(asked) == 3

    seen = []
    settings = {"epochs": 4, "checkpoint": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt, match="stopped after epoch 2"):
        fit(**settings, stop=stop, on_epoch=lambda history: seen.append(len(history)))
    assert seen == [1, 2]
    resumed, again = fit(**settings, stop=lambda: False)
    chex.assert_trees_all_equal(resumed, whole)
    assert again.metrics() == history.metrics()


def test_a_relative_path(fit, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, _ = fit(epochs=2)
    fit(epochs=1, checkpoint="run")
    chex.assert_trees_all_equal(fit(epochs=2, checkpoint="run")[0], whole)
