"""Streams of batches on a mesh: the results of one device, padded last batches."""

import jax
import numpy as np
import pytest

from jaxembed import dist, nn, optim, text, train
from jaxembed.train.stream._source import Arrays
from jaxembed.train.stream._spread import Spreader, make_spreader

V, N, L, B = 403, 77, 6, 16
RNG = np.random.default_rng(0)
IDS = np.minimum(RNG.zipf(1.3, (N, L)), V - 1).astype(np.int32)
LABELS = (IDS.sum(1) % 2).astype(np.int32)
MODEL = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead(), pool="mean")


def fit(mesh=None, part=None, **settings):
    rows = text.Ragged.from_lists([list(map(int, row)) for row in IDS])
    data = text.Batches(rows, LABELS, batch_size=B, maxlen=L, part=part)
    settings = {"epochs": 2, "key": jax.random.key(1)} | settings
    settings |= {"tx": optim.rmsprop(0.01), "table_tx": optim.sparse_rmsprop(0.01)}
    state, history = train.fit(MODEL, data, mesh=mesh, **settings)
    table = state.variables["params"]["embed"]["embedding"]
    return np.asarray(table) if mesh is None else dist.to_words(table, V), history


@pytest.mark.long
def test_a_stream_on_a_mesh_equals_one_device():
    table, history = fit(epochs=1)
    found, ours = fit(dist.make_mesh(), epochs=1)  # the last batch has 13 texts of 16
    np.testing.assert_allclose(found, table, atol=1e-6)
    np.testing.assert_allclose(ours.loss, history.loss, atol=1e-6)


@pytest.mark.long
def test_a_run_on_a_mesh_resumes_there_and_on_one_device(tmp_path):
    validation = IDS[:30], LABELS[:30]
    table, history = fit(validation=validation)
    settings = {"validation": validation, "checkpoint": tmp_path / "run"}
    mesh = dist.make_mesh()
    fit(mesh, epochs=1, **settings)
    found, ours = fit(mesh, **settings)
    np.testing.assert_allclose(found, table, atol=1e-6)
    np.testing.assert_allclose(ours.loss, history.loss, atol=1e-6)
    np.testing.assert_allclose(ours.val_loss, history.val_loss, atol=1e-6)
    resumed, theirs = fit(None, **settings)  # finished
    np.testing.assert_array_equal(resumed, found)
    assert theirs.loss == ours.loss


def test_a_batch_is_padded_with_its_last_example():
    rules = dist.Rules(dist.make_mesh())
    batch = train.Batch(IDS[:5], LABELS[:5], np.array([True] * 4 + [False]))
    spreader = make_spreader(rules, Arrays(IDS[:5], LABELS[:5]))
    found = spreader.put(batch, "batch 1:")
    assert found.ids.sharding == rules.batch and found.ids.shape == (8, L)
    np.testing.assert_array_equal(found.ids[:5], IDS[:5])
    np.testing.assert_array_equal(found.ids[5:], IDS[[4] * 3])
    assert found.mask.tolist() == [True] * 4 + [False] * 4


def test_a_part_larger_than_the_first_is_refused():
    batch = train.Batch(IDS[:5], LABELS[:5], np.ones(5, bool))
    with pytest.raises(ValueError, match="batch 3: the part .* at most 4 .*, got 5"):
        Spreader(dist.Rules(dist.make_mesh()), 4).put(batch, "batch 3:")
