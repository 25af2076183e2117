"""evaluate(mesh=) and predict(mesh=): the answers of one device."""

import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

from jaxembed import dist, nn, optim, train
from tests.train.sharded.conftest import (
    HELD_OUT,
    IDS,
    LABELS,
    MODEL,
    TABLE,
    V,
    make_mesh,
)

FLAT = nn.TextClassifier(nn.Embed(V, 4), nn.DenseHead((5,), 3))


def variables_of(model):
    params = model.init(jax.random.key(1), IDS[:1])["params"]
    return {"params": params | {"embed": {"embedding": TABLE}}}


@pytest.mark.parametrize(
    ("model", "shape", "size"),
    [
        (MODEL, (2, 2), 32),
        pytest.param(MODEL, (1, 4), 30, marks=pytest.mark.long),  # does not divide
        pytest.param(FLAT, (4, 1), 1024, marks=pytest.mark.long),
        pytest.param(FLAT, (1, 4), 7, marks=pytest.mark.long),
    ],
)
def test_answers_are_those_of_one_device(model, shape, size):
    variables, mesh = variables_of(model), make_mesh(*shape)
    rules = dist.Rules(mesh)
    stored = {"embed": {"embedding": dist.to_shards(TABLE, rules)}}
    spread = {"params": variables["params"] | stored}
    for ids in (IDS, IDS[:3]):
        one = train.predict(model, variables, ids)
        for given in (variables, spread):
            found = train.predict(model, given, ids, batch_size=size, mesh=mesh)
            np.testing.assert_allclose(found, one, atol=1e-6)
    one = train.evaluate(model, variables, IDS, LABELS)
    found = train.evaluate(model, spread, IDS, LABELS, batch_size=size, mesh=rules)
    assert found == pytest.approx(one, abs=1e-6)


MANY = """
    import jax
    jax.config.update("jax_num_cpu_devices", 4)
    import numpy as np
    from tests.train.sharded.test_predict import *
    ids = np.resize(IDS, (20_000, IDS.shape[1]))
    given = MODEL, variables_of(MODEL), ids, ids[:, 0] % 2
    train.evaluate(*given, batch_size=16, mesh=make_mesh(1, 4))
    print("evaluated")
"""


@pytest.mark.long
def test_many_batches_do_not_block_each_other():
    # XLA aborts the process if programs on simulated devices wait for each other.
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(MANY)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "evaluated\n", done.stderr[-2_000:]


@pytest.mark.long
def test_texts_of_several_lengths():
    texts, mesh = HELD_OUT[0].copy(), make_mesh(1, 4)
    texts[::2, 3:] = 0
    given = MODEL, variables_of(MODEL), texts
    one, cut = train.predict(*given), train.predict(*given, lengths=(3,), mesh=mesh)
    np.testing.assert_allclose(cut, one, atol=1e-6)
    found = train.evaluate(*given, HELD_OUT[1], lengths=(3,), mesh=mesh)
    assert found == pytest.approx(train.evaluate(*given, HELD_OUT[1]), abs=1e-6)


def test_bad_ids_and_parameters_are_refused():
    mesh, variables = make_mesh(1, 4), variables_of(MODEL)
    texts = IDS.copy()
    texts[5, 2] = V  # a row that is stored, but of no word
    for call in (
        lambda: train.predict(MODEL, variables, texts, mesh=mesh),
        lambda: train.evaluate(MODEL, variables, texts, LABELS, mesh=mesh),
    ):
        with pytest.raises(ValueError, match=rf"ids\[5, 2\] is {V}, and the table has"):
            call()
    stored = dist.to_shards(TABLE, dist.Rules(mesh))
    spread = {"params": variables["params"] | {"embed": {"embedding": stored}}}
    for call in (
        lambda: train.predict(MODEL, spread, IDS),
        lambda: train.evaluate(MODEL, spread, IDS, LABELS),
    ):
        with pytest.raises(
            ValueError, match=r"embed.embedding is spread .* give mesh="
        ):
            call()
    other = {"params": variables["params"] | {"embed": {"embedding": TABLE[:-1]}}}
    with pytest.raises(ValueError, match=r"must have the shape \(301, 4\)"):
        train.predict(MODEL, other, IDS, mesh=mesh)
    # The model itself takes no table in shard order: it would read other words.
    remedy = rf"got \[304, 4\]: .* dist.shard_model\(.* dist.to_words\(table, {V}\)"
    with pytest.raises(ValueError, match=remedy):
        MODEL.apply(spread, IDS)


def test_a_table_of_another_mesh_is_refused_with_the_remedy():
    variables = variables_of(MODEL)
    axes = jax.make_mesh((1, 4), ("copies", "words"))
    rules = dist.Rules(axes, data="copies", vocab="words")
    stored = {"embed": {"embedding": dist.to_shards(TABLE, rules)}}
    spread = {"params": variables["params"] | stored}
    # The names of the axes do not show that the table is in shard order.
    for call in (
        lambda: train.predict(MODEL, spread, IDS),
        lambda: train.evaluate(MODEL, spread, IDS, LABELS),
    ):
        with pytest.raises(ValueError, match="give mesh= to evaluate and predict"):
            call()
    other = dist.shard_model(MODEL, dist.Rules(make_mesh(2, 2)))
    remedy = r"301 words in 2 shards must have 302 rows, got \[304, 4\]: .*to_shards\("
    with pytest.raises(ValueError, match=remedy):
        other.apply(spread, IDS)


def test_a_plan_makes_its_sharded_model_once():
    plan, _ = train.make_plan(MODEL, optim.rmsprop(), IDS, mesh=make_mesh(1, 4))
    assert plan.network is plan.network
    alone, _ = train.make_plan(MODEL, optim.rmsprop(), IDS)
    assert alone.network is MODEL
