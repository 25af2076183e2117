"""run(mesh=): replicates spread over devices equal those of one device."""

import jax
import numpy as np
import pytest

from jaxembed import nn, optim, replicates
from jaxembed.replicates._journal import Journal, read
from tests.train.conftest import V

KEY, K = jax.random.key(5), 5  # five replicates do not divide among four devices
TX = optim.rmsprop(0.01)
ARMS = {
    "learned": (
        nn.TextClassifier(nn.Embed(V, 4, padding_idx=0), nn.DenseHead((5,), 2, 0.2)),
        {"trainable_rows": np.arange(V) % 3 > 0},
    ),
    "unfrozen": (
        nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead((5,))),
        {"unfreeze_after": 1},
    ),
    "frozen": (
        nn.TextClassifier(nn.Embed(V, 4, frozen=True), nn.DenseHead((5,))),
        {"params": {"embed": {"embedding": np.ones((V, 4), np.float32)}}},
    ),
    "row-sparse": (
        nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(), pool="mean"),
        {"table_tx": optim.sparse_rmsprop(0.01), "batch_size": 1, "max_norm": 0.1},
    ),
}


@pytest.fixture
def replicate(model, examples):
    """Return ``replicates.run`` of the small problem; any argument can be changed."""

    def call(model=model, data=examples, **changed):
        settings = {
            "examples": replicates.draw_examples(KEY, K, 70, 16),
            "tx": TX,
            "epochs": 2,
            "batch_size": 8,
            "key": KEY,
            "progress": False,
        }
        return replicates.run(model, data, **(settings | changed))

    return call


def make_mesh(*shape):
    names = ("data", "vocab")[-len(shape) :]
    n_devices = int(np.prod(shape))
    return jax.make_mesh(shape, names, devices=jax.devices()[:n_devices])


@pytest.mark.long
@pytest.mark.parametrize("name", ARMS)
def test_spread_replicates_equal_those_of_one_device(name, replicate, examples):
    model, changed = ARMS[name]
    changed = changed | {"validation": examples}
    one = replicate(model, **changed)
    spread = replicate(model, mesh=make_mesh(2, 2), **changed)
    assert one.n_parallel == 4 and spread.n_parallel == 8
    assert len({tuple(losses) for losses in spread.loss}) == K
    for metric, values in one.metrics().items():
        np.testing.assert_allclose(getattr(spread, metric), values, atol=1e-6)


class Interrupted(Exception):
    pass


@pytest.mark.long
def test_a_run_resumes_on_another_mesh(replicate, tmp_path, monkeypatch):
    path, save = tmp_path / "run.json", Journal.save

    def save_and_stop(journal, rows):
        save(journal, rows)
        raise Interrupted

    with monkeypatch.context() as context:
        context.setattr(Journal, "save", save_and_stop)
        with pytest.raises(Interrupted):
            replicate(checkpoint=path, mesh=make_mesh(4), n_parallel=4)
    assert sorted(read(path)[1]) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match=r"got 4: give another mesh. The checkp"):
        replicate(checkpoint=path, mesh=make_mesh(3))
    resumed = replicate(checkpoint=path, mesh=make_mesh(1, 2))
    assert resumed.n_parallel == 4
    np.testing.assert_allclose(resumed.loss, replicate(n_parallel=4).loss, atol=1e-6)


def test_a_wrong_mesh_is_refused(replicate):
    with pytest.raises(ValueError, match=r"multiple of the 4 devices .* got 6: give 8"):
        replicate(mesh=make_mesh(4), n_parallel=6)
    with pytest.raises(TypeError, match=r"must be a jax.sharding.Mesh, .* got int"):
        replicate(mesh=4)
    with pytest.raises(ValueError, match=r"^8 replicates .*MiB on a device.* not even"):
        replicate(mesh=make_mesh(4), memory=1)
