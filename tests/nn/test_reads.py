"""check_reads: the first id out of range that a model looks up is named."""

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn
from jaxembed.nn._reads import SIZE, check_reads

N, L, V = 20, 6, 10
IDS = np.random.default_rng(0).integers(1, V, (N, L)).astype(np.int32)


def make(body):
    class Model(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            return body(ids)

    return Model()


def embed(n_rows=V, name="e", **settings):
    return nn.Embed(n_rows, 2, name=name, **settings)


def change(*changes, ids=IDS):
    """Return ids with some values changed, each given as (row, column, id)."""
    ids = ids.copy()
    for row, column, value in changes:
        ids[row, column] = value
    return ids


def check(body, ids, **settings):
    model = make(body)
    variables = model.init(jax.random.key(0), ids[:1])
    for given in (variables, None):
        check_reads(model, given, ids, **settings)


def message(body, ids, **settings):
    """Return the error, which must not depend on the parameters."""
    model, found = make(body), []
    for given in (model.init(jax.random.key(0), ids[:1]), None):
        with pytest.raises(ValueError) as error:
            check_reads(model, given, ids, **settings)
        found.append(str(error.value))
    assert found[0] == found[1]
    return found[0]


@pytest.mark.parametrize("value", [V, -1, 2**31 - 1, -(2**31)])
def test_text_position_id_and_size_are_named(value):
    ids = change((7, 2, value), (7, 4, value), (9, 0, value))
    remedy = "encode the texts with num_words=10, or make the table larger."
    assert message(lambda ids: embed()(ids), ids) == (
        f"ids[7, 2] is {value}, and the table e.embedding has the rows 0 to 9: "
        + (remedy if value > 0 else "give ids from 0.")
    )


def test_good_ids_pass():
    check(lambda ids: embed()(ids), IDS)
    check(
        lambda ids: embed()(
            ids,
        ),
        change((0, 0, 0), (0, 1, V - 1)),
    )


def test_a_position_that_is_not_read_is_not_named():
    ids = change((3, 5, 99), (3, 0, 99), (8, 4, 99), (8, 5, 99))
    check(lambda ids: embed()(ids[:, 1:4]), ids)
    found = message(lambda ids: embed()(ids[:, 1:5]), ids)
    assert found.startswith("ids[8, 4] is 99, and")


def test_the_table_is_named():
    def body(ids):
        return embed(2000, "large")(ids), embed(50, "small")(ids[:, 3:])

    check(body, change((5, 1, 60)))
    found = message(body, change((5, 1, 60), (6, 4, 60)))
    assert found.startswith("ids[6, 4] is 60, and the table small.embedding has the ro")
    assert "0 to 49" in found


@pytest.mark.parametrize("offset", [-5, 3])
def test_computed_ids(offset):
    """Name the position whose id the model shifts out of range."""
    ids = np.full((N, L), 5, np.int32)
    ids[11, 3] = 4 if offset < 0 else 8
    bad = int(ids[11, 3]) + offset
    found = message(lambda ids: embed()(ids + offset), ids)
    assert found.startswith(
        f"ids[11, 3] is {ids[11, 3]}, from which the model computes {bad}, and the tab"
    )


def test_an_id_that_no_text_has():
    def body(ids):
        return embed()(ids), embed(L - 1, "places")(jnp.arange(L))

    assert message(body, IDS) == (
        "the model looks up the id 5, which no position of ids[0] changes, and the "
        "table places.embedding has the rows 0 to 4: make the table larger."
    )


def test_ids_left_out_of_a_bag_are_not_read():
    ids = change((2, 1, -1), (4, 3, 77))

    def body(ids):
        return embed().bag(ids, mask=ids >= 0)

    found = message(body, ids)
    assert found.startswith("ids[4, 3] is 77, and")
    check(body, change((2, 1, -1)))
    bags = make(body).init_with_output(jax.random.key(0), ids)[0]
    assert np.flatnonzero(np.isnan(bags).any(1)).tolist() == [4]


@pytest.mark.parametrize("row", [0, SIZE - 1, SIZE, 2 * SIZE + 5, 2 * SIZE + 6])
def test_any_text_of_several_batches(row):
    ids = np.resize(IDS, (2 * SIZE + 7, L))
    model = make(lambda ids: embed()(ids))
    with pytest.raises(ValueError, match=rf"^held out\[{row + 100}, 3\] is 12, and"):
        numbers = np.arange(len(ids)) + 100
        bad = change((row, 3, 12), ids=ids)
        check_reads(model, None, bad, name="held out", numbers=numbers)


def test_ids_that_are_read_in_training_only():
    class Model(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            flax.linen.Dropout(0.5, deterministic=not train)(ids * 1.0)
            return embed()(ids if train or self.is_initializing() else ids * 0)

    ids = change((6, 2, 10))
    check_reads(Model(), None, ids)
    with pytest.raises(ValueError, match=r"ids\[6, 2\] is 10"):
        check_reads(Model(), None, ids, train=True)


def test_the_layer_of_flax():
    ids = change((1, 1, V))
    for body in (
        lambda ids: flax.linen.Embed(V, 2)(ids),
        lambda ids: flax.linen.Embed(V, 2)(inputs=ids),
    ):
        assert message(body, ids).startswith(
            "ids[1, 1] is 10, and the table Embed_0.em"
        )
