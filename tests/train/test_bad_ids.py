"""Bad ids: where NaN shows, the error names the id that the model read."""

import warnings

import flax.linen
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxembed import optim, replicates, train
from tests.train.test_interface import COMPUTED, embed, make

N, L, V = 16, 5, 10
KEY = jax.random.key(0)
IDS = np.random.default_rng(0).integers(0, V, (N, L)).astype(np.int32)
LABELS = np.arange(N) % 2
BAD = IDS.copy()
BAD[7, 2] = 13
SETTINGS = {"tx": optax.sgd(0.1), "epochs": 1, "batch_size": 4, "key": KEY}
DRAWS = replicates.draw_examples(KEY, 2, N, N)
# Forms that warn before training, and read ids unchanged.
FORMS = {name: COMPUTED[name] for name in ("in a scan", "in a vmap", "in jax.jit")}
FORMS["computed"] = lambda ids: embed()(jnp.where(ids % 2 > 0, ids % 20, ids)).mean(1)


def fit(model, data=BAD, **changed):
    return train.fit(model, (data, LABELS), **(SETTINGS | changed))[1]


def calls(model, bad):
    """Return the calls of a model with bad ids, by the name of these ids."""
    variables = model.init(KEY, IDS)
    runs = {"examples": DRAWS} | SETTINGS
    held_out = {"validation": (bad, LABELS)}
    return {
        "fit": lambda: fit(model, bad),
        "predict": lambda: train.predict(model, variables, bad),
        "evaluate": lambda: train.evaluate(model, variables, bad, LABELS),
        "run": lambda: replicates.run(model, (bad, LABELS), **runs),
        "validation": lambda: fit(model, IDS, **held_out),
        "run validation": lambda: replicates.run(
            model, (IDS, LABELS), **runs, **held_out
        ),
    }


@pytest.mark.filterwarnings("ignore:ids were not checked")
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.long
def test_a_bad_id_is_named_where_nan_shows(name):
    for place, call in calls(make(FORMS[name]), BAD).items():
        prefix = "validation " if "validation" in place else ""
        message = rf"^{prefix}ids\[7, 2\] is 13, and the table .* has the rows 0 to 9: "
        with pytest.raises(ValueError, match=message):
            call()


@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_row_sparse_training_names_it_too():
    model = make(FORMS["computed"])
    with pytest.raises(ValueError, match=r"ids\[7, 2\] is 13, and"):
        fit(model, table_tx=optim.sparse_sgd(0.1))


@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_the_number_of_the_example_is_that_in_the_data():
    model = make(FORMS["computed"])
    with pytest.raises(ValueError, match=r"ids\[7, 2\] is 13, and"):
        fit(model, examples=[12, 9, 7, 1])
    good = np.delete(np.arange(N), 7)
    assert np.isfinite(fit(model, examples=good).loss).all()


UNREAD = {
    "rows": lambda ids: embed()(ids[:, :3]).mean(1),
    "a bag": lambda ids: embed().bag(ids[:, :3], combine="max"),
    "flax's": lambda ids: flax.linen.Embed(V, 4)(ids[:, :3]).mean(1),
}


@pytest.mark.parametrize("name", UNREAD)
@pytest.mark.parametrize("bad", [13, -1, 2**32 + 1])
def test_an_id_that_no_table_reads_may_have_any_value(name, bad):
    ids = IDS.astype(np.int64)
    ids[7, 4] = bad
    few = ("predict", "evaluate")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for place, call in calls(make(UNREAD[name]), ids).items():
            if place not in few and (name, bad) != ("rows", -1):
                continue  # compiles for seconds
            found = call()
            arrays = found.metrics() if hasattr(found, "metrics") else found
            for values in jax.tree.leaves(arrays):
                assert np.isfinite(values).all()


def by_weights(ids):
    """Look up the id at the position that the weights prefer."""
    scores = jnp.sum(embed(2000, "f")(ids), -1)
    best = jnp.take_along_axis(ids, jnp.argmax(scores, -1)[:, None], 1)
    return embed()(best).mean(1)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_the_learning_rate_is_blamed_only_if_all_ids_are_in_range():
    rate, unsure = optax.sgd(jnp.inf), r"0 to \d+, could not all be checked: compare"
    with pytest.raises(FloatingPointError, match="of this epoch: lower the learning"):
        fit(make(lambda ids: embed()(ids).mean(1)), IDS, tx=rate)
    with pytest.raises(FloatingPointError, match="of this epoch: lower the learning"):
        fit(make(by_weights), IDS, tx=rate)
    with pytest.raises(FloatingPointError, match=unsure):
        fit(make(by_weights), np.where(IDS == 9, 1999, IDS) * (IDS < 10), tx=rate)


@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_ids_of_a_table_that_is_no_embed_are_not_judged():
    class Own(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, ids, train=False):
            table = self.param("table", flax.linen.initializers.ones, (V, 1))
            return jnp.take(table, ids, axis=0).sum((1, 2))

    with pytest.raises(FloatingPointError, match="its ids, 0 to 13, could not all be"):
        fit(Own())
    variables = Own().init(KEY, IDS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = train.predict(Own(), variables, BAD)
    assert np.flatnonzero(np.isnan(logits)).tolist() == [7]


@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_replicates_with_nan_of_another_cause_are_kept():
    model = make(lambda ids: embed()(ids).mean(1))
    runs = SETTINGS | {"tx": optax.sgd(jnp.inf), "examples": DRAWS}
    histories = replicates.run(model, (IDS, LABELS), **runs)
    assert np.isnan(histories.loss).all()
