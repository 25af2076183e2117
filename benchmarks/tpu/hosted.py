"""Hosted: programs behind functions that check their arguments on the host.

`train.evaluate`, `train.predict`, `replicates.run` and `geometry.nearest` take arrays,
not shapes, so the programs that they compile are taken from private modules. Only this
module of the benchmarks does so.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.tpu.case import KEY, Case, Maker, Size, shape_of
from benchmarks.tpu.runs import FIRST, SECOND, make_first, make_second
from benchmarks.tpu.steps import RATE
from jaxembed import optim, train
from jaxembed.geometry import _search
from jaxembed.replicates import _program, _validation
from jaxembed.train import _evaluate, _predict

SEARCHED = Size(400_000, 300, 256, 1)  # a batch of queries, the largest of a search
N_BEST = 10
WIDTH, TEXTS, EPOCHS = 64, 20_000, 10  # replicates at a time, all texts, epochs
TRAINED = 200  # examples of a replicate


def _make_variables(size: Size, model: Any) -> Any:
    return jax.eval_shape(model.init, KEY, size.ids)["params"]


def make_evaluation(size: Size) -> Case:
    """Return the evaluation of a batch of the first model."""
    model = make_first(size)
    mask = shape_of((size.batch_size,), jnp.bool_)
    batch = train.Batch(size.ids, size.labels, mask)
    measure = functools.partial(_evaluate._measure, model)
    return Case(size, measure, (_make_variables(size, model), batch))


def make_prediction(size: Size) -> Case:
    """Return the prediction of a batch of the first model."""
    model = make_first(size)
    predict = functools.partial(_predict._logits, model)
    return Case(size, predict, (_make_variables(size, model), size.ids))


def make_few_predictions(size: Size) -> Case:
    """Return the prediction of a few texts, one after another."""
    model, n = make_first(size), shape_of((), jnp.int32)
    predict = functools.partial(_predict._few_logits, model)
    return Case(size, predict, (_make_variables(size, model), size.ids, n))


def make_replicates(size: Size, *, frozen: bool) -> Case:
    """Return a batch of replicates of the second model, with validation."""
    model = make_second(size, frozen=frozen)
    plan, _ = train.make_plan(model, optim.rmsprop(RATE), size.ids)
    recipe = _program.Recipe(plan, frozenset(), EPOCHS, size.batch_size)
    ids = shape_of((TEXTS, size.length), jnp.int32)
    labels = shape_of((TEXTS,), jnp.int32)
    given = {"embed": size.table}
    rng = np.random.default_rng(0)
    texts = rng.integers(size.rows // 10, size=ids.shape), np.zeros(TEXTS, np.int32)
    memory = 4 * 2**30
    held_out = _validation.make_validation(model, texts, memory)
    held_out = jax.tree.map(lambda x: shape_of(x.shape, x.dtype), held_out)
    shared = _program.Shared(ids, labels, given, {}, held_out)
    numbers = shape_of((WIDTH,), jnp.int32)
    examples = shape_of((WIDTH, TRAINED), jnp.int32)
    run = functools.partial(_program.run_replicates, recipe)
    return Case(size, run, (KEY, numbers, examples, shared), dense=not frozen)


def make_search(size: Size) -> Case:
    """Return the nearest words of a batch of queries."""
    n_rows = size.rows  # already a multiple of the block of a search
    queries = shape_of((size.batch_size, size.dim))
    zero_rows = shape_of((0,), jnp.int32)
    exclude = shape_of((size.batch_size, 1), jnp.int32)
    search = functools.partial(_search._best, _search.cosines, n_rows, N_BEST)
    batch = 4 * size.batch_size * (size.dim + size.rows)
    rows = size.table["embedding"]  # of a UnitTable, in the default format
    arguments = rows, queries, zero_rows, exclude
    return Case(size, search, arguments, size.table_bytes + batch)


BATCH = 1024  # texts that evaluate and predict compute at once
HOSTED: dict[str, tuple[Size, Maker]] = {
    "evaluate": (FIRST._replace(batch_size=BATCH), make_evaluation),
    "predict": (FIRST._replace(batch_size=BATCH), make_prediction),
    "predict, few texts": (FIRST._replace(batch_size=16), make_few_predictions),
    "replicates, frozen table": (
        SECOND,
        functools.partial(make_replicates, frozen=True),
    ),
    "replicates, learned table": (
        SECOND,
        functools.partial(make_replicates, frozen=False),
    ),
    "neighbours": (SEARCHED, make_search),
}
