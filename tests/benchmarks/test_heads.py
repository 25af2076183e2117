"""Benchmark of heads: equal losses, and the lines of each head."""

import numpy as np
import pytest

from benchmarks import heads

SMALL = ["--workload", "50x3x6", "--batch-sizes", "2", "--seconds", "0.01"]


@pytest.mark.long
def test_each_head_is_checked_and_timed(read_lines):
    heads.main([*SMALL, "--heads", "attention", "pooled"])
    lines = read_lines()
    names = ["jaxembed", "jaxembed, row-sparse", "keras"]
    assert [line["implementation"] for line in lines] == names * 2
    assert [line["what"] for line in lines[::3]] == [
        "heads: attention",
        "heads: pooled",
    ]
    assert all(line["median_s"] > 0 and line["batch_size"] == 2 for line in lines)


@pytest.mark.long
def test_another_loss_is_not_timed(monkeypatch):
    monkeypatch.setattr(heads, "make_keras", lambda *_: (lambda: None, 0.1))
    with pytest.raises(SystemExit, match="keras, gru is wrong"):
        heads.main([*SMALL, "--heads", "gru"])


@pytest.mark.parametrize(
    "head", [pytest.param("gru", marks=pytest.mark.long), "attention", "pooled"]
)
def test_keras_has_the_same_logits(head):
    import jax

    from benchmarks.peers import keras_heads
    from jaxembed import nn

    model = nn.TextClassifier(nn.Embed(9, 4), nn.DenseHead(), pool=heads.POOLS[head])
    ids = np.array([[1, 5, 8, 0], [2, 2, 3, 7]], np.int32)
    params = model.init(jax.random.key(0), ids)["params"]
    theirs = keras_heads.make_model(head, 9, 4, heads.FEATURES)
    keras_heads.set_weights(theirs, head, params)
    with jax.numpy_rank_promotion("allow"):  # for the biases of Keras
        expected = np.asarray(theirs(ids))[:, 0]
    np.testing.assert_allclose(
        model.apply({"params": params}, ids), expected, atol=1e-5
    )
