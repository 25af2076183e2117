"""summary, record_calls and find_tables: layers, shapes, parameters."""

import chex
import flax.linen
import jax
import jax.numpy as jnp
import numpy as np

from jaxembed import nn
from jaxembed.nn._inspect import find_tables, record_calls

IDS = np.zeros((1, 20), np.int32)


def summary_of(model, ids=IDS):
    variables = jax.eval_shape(model.init, jax.random.key(0), ids)
    return nn.summary(model, variables, ids)


def test_the_notebooks_first_model():
    summary = summary_of(nn.TextClassifier(nn.Embed(10_000, 8), nn.DenseHead()))
    assert [layer.n_params for layer in summary.layers] == [80_000, 0, 161]
    assert (summary.total, summary.trainable, summary.frozen) == (80_161, 80_161, 0)
    outputs = [layer.output for layer in summary.layers]
    assert outputs == [(None, 20, 8), (None, 160), (None, 1)]


def test_the_notebooks_second_model_has_frozen_parameters():
    embed = nn.Embed(10_000, 100, frozen=True)
    model = nn.TextClassifier(embed, nn.DenseHead(hidden=(32,)))
    summary = summary_of(model, np.zeros((1, 100), np.int32))
    assert summary.total == 1_320_065
    assert (summary.trainable, summary.frozen) == (320_065, 1_000_000)
    rows = [line.split() for line in str(summary).splitlines()]
    embed_row = ["embed", "(Embed)", "[batch,", "100,", "100]", "1,000,000", "frozen"]
    assert rows[2] == embed_row
    assert rows[-2:] == [["trainable", "320,065"], ["frozen", "1,000,000"]]


def test_a_model_of_ones_own():
    class Own(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            scale = self.param("scale", flax.linen.initializers.ones, (3,))
            rows = nn.Embed(9, 3, frozen=True, name="words")(ids) * scale[None, None]
            more = flax.linen.Embed(4, 3, name="kinds")(ids)
            return jnp.sum(rows + more, axis=(1, 2))

    summary = summary_of(Own())
    counts = {layer.name: (layer.n_params, layer.frozen) for layer in summary.layers}
    assert counts == {
        "words": (27, True),
        "kinds": (12, False),
        "model": (3, False),
    }
    variables = Own().init(jax.random.key(0), IDS)
    _, tables = find_tables(Own(), variables, IDS)
    sizes = {path: table.module.num_embeddings for path, table in tables.items()}
    assert sizes == {("words", "embedding"): 9, ("kinds", "embedding"): 4}


def test_a_call_has_the_shape_and_dtype_of_its_output():
    model = nn.TextClassifier(nn.Embed(9, 5, dtype=jnp.bfloat16), nn.DenseHead())
    variables = model.init(jax.random.key(0), IDS)
    calls = record_calls(model, variables, IDS)
    assert [call.path for call in calls] == [
        ("embed",),
        ("head", "flatten"),
        ("head", "logits"),
        ("head",),
        (),
    ]
    chex.assert_shape(calls[0].output, (1, 20, 5))
    chex.assert_type(calls[0].output, jnp.bfloat16)
    chex.assert_shape(calls[-1].output, (1,))


def test_nothing_is_computed():
    shapes = jax.ShapeDtypeStruct((1, 20), jnp.int32)
    model = nn.TextClassifier(nn.Embed(10**9, 300), nn.DenseHead())  # 1.2 TB
    assert summary_of(model, shapes).layers[0].n_params == 300 * 10**9


class Odd(flax.linen.Module):
    """Module that returns two arrays, owns a parameter, and has a field ``frozen``."""

    frozen: bool = True

    def setup(self):
        self.first = flax.linen.Dense(3)
        self.scale = self.param("scale", flax.linen.initializers.ones, (2, 1))

    def __call__(self, ids):
        rows = self.first(ids.astype(jnp.float32))
        return rows, rows * self.scale[:1]


def test_no_parameter_is_left_out():
    class Outer(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids):
            rows, more = Odd(name="odd")(ids)
            return jnp.sum(rows + more, axis=1)

    with jax.numpy_rank_promotion("allow"):  # flax.linen.Dense broadcasts its bias
        ids = np.zeros((1, 4), np.int32)
        variables = Outer().init(jax.random.key(0), ids)
        # Parameters of a layer that __call__ does not use.
        variables["params"]["unseen"] = {"kernel": jnp.zeros((2, 5))}
        summary = nn.summary(Outer(), variables, ids)
    assert summary.total == 15 + 2 + 10
    assert summary.frozen == 0  # only the field of an Embed freezes a table
    kinds = {layer.name: (layer.kind, layer.n_params) for layer in summary.layers}
    assert kinds == {"odd.first": ("Dense", 15), "odd": ("Odd", 2), "unseen": ("?", 10)}
