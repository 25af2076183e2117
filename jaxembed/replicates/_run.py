"""Replicate: the same training many times, from other draws and initial weights."""

import dataclasses
import hashlib
import time
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.typing import ArrayLike

from jaxembed._checks import check_count
from jaxembed.optim import SparseOptimizer
from jaxembed.replicates._draw import check_draws
from jaxembed.replicates._histories import Histories
from jaxembed.replicates._journal import Journal, open_journal
from jaxembed.replicates._memory import Compiled, compile_replicates, run_all
from jaxembed.replicates._program import Recipe, Shared
from jaxembed.replicates._validation import make_held_out
from jaxembed.train._data import Examples, check_examples, check_ids, make_masks
from jaxembed.train._history import MONITORS
from jaxembed.train._layout import LAYOUTS, check_layout, choose_layout, make_dense
from jaxembed.train._resume import fingerprint
from jaxembed.train._setup import Interface, Plan, make_plan
from jaxembed.train._state import Params, check_params
from jaxembed.train._unfreeze import find_late

MEMORY = 4 * 2**30  # bytes


def run(
    model: nn.Module,
    data: Examples,
    *,
    examples: ArrayLike,
    tx: optax.GradientTransformation,
    table_tx: SparseOptimizer | None = None,
    layout: str = "auto",
    max_norm: float | None = None,
    epochs: int,
    batch_size: int,
    key: jax.Array,
    params: Params | None = None,
    validation: Examples | None = None,
    trainable_rows: ArrayLike | None = None,
    unfreeze_after: int = 0,
    shuffle: bool = True,
    memory: int = MEMORY,
    n_parallel: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> Histories:
    """Trains a classifier K times, from other draws, weights and orders each time.

    One compiled program trains and measures ``n_parallel`` replicates at a time, all
    their epochs. The data and the frozen parameters lie in memory once. Replicate k is
    ``fit(..., key=jax.random.fold_in(key, k), examples=examples[k], params=params)``:
    each can be trained again alone, with its weights, and neither ``n_parallel`` nor
    the number of replicates changes it. The losses agree to 1e-6, and less
    closely only where training itself makes rounding grow: at rates at which it jumps
    about, over many epochs.

    Args:
      model: see :func:`fit`, as for all that is not named here.
      data: ids ``int[N, L]`` and labels ``int[N]``, shared by all.
      examples: ``int[K, n]``, the examples of each replicate; see
        :func:`draw_examples`.
      tx: see :func:`fit`.
      table_tx: likewise.
      layout: likewise.
      max_norm: likewise.
      epochs: how many times each example of a draw is seen.
      batch_size: B.
      key: of all replicates; the number of each is folded in. A threefry key, which is
        JAX's default: others have other bits under ``jax.vmap``.
      params: initial values of some parameters, such as a table of word vectors, which
        are the same in all; each replicate draws the others.
      validation: ids and labels to measure all replicates on after each epoch.
      trainable_rows: see :func:`fit`.
      unfreeze_after: likewise.
      shuffle: likewise.
      memory: in bytes, what the program may take: examples, states and all between.
      n_parallel: how many replicates go side by side; by default as many as fit into
        ``memory`` and make it faster.
      checkpoint: a file of JSON. The metrics of finished chunks are kept there, and the
        run resumes from there, with the same ``n_parallel``, if it was interrupted or
        is asked for more replicates.
      progress: whether to show a bar on stderr; None for where that is a terminal.

    Returns:
      :class:`Histories`. A replicate that diverges has NaN from that epoch on, and the
      others are what they would be without it.

    Raises:
      TypeError: if ids or examples are not integers, or ``tx`` and ``table_tx`` are
        interchanged.
      ValueError: if an id, a label or a row is out of range (the error says which), if
        ``n_parallel`` replicates need more than ``memory`` (it says how many fit), or
        if the checkpoint is of another run.

    Example:
      >>> from jaxembed import nn, optim, replicates, train
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids, key = jnp.arange(24).reshape(12, 2) % 9, jax.random.key(0)
      >>> examples = replicates.draw_examples(key, n_replicates=5, pool=12, n_train=4)
      >>> histories = run(model, (ids, jnp.arange(12) % 2), examples=examples, epochs=3,
      ...                       tx=optim.rmsprop(), batch_size=2, key=key)
      >>> histories.loss.shape
      (5, 3)
    """
    _check_key(key)
    sizes = {"epochs": epochs, "batch_size": batch_size, "memory": memory}
    epochs, batch_size, memory = (check_count(*size) for size in sizes.items())
    path, saved = open_journal(checkpoint)
    first = check_ids(data[0])[:1]
    plan, interface = make_plan(model, tx, first, table_tx=table_tx, max_norm=max_norm)
    late = find_late(interface, unfreeze_after)
    plan = dataclasses.replace(plan, frozen=plan.frozen | late)
    check_params(plan, first, params)
    shared = _share(interface, model, data, validation, params, trainable_rows, memory)
    examples = check_draws(examples, len(shared.ids), batch_size)
    batch = np.asarray(data[0])[examples[0, :batch_size]]
    plan, layout = _apply_layout(plan, layout, saved, batch)
    recipe = Recipe(plan, epochs, batch_size, shuffle, late, unfreeze_after)
    limits = _find_limits(n_parallel, saved) | {"memory": memory}
    program = compile_replicates(recipe, key, examples, shared, **limits)
    journal = _make_journal(path, program, key, shared, examples, epochs, layout)
    return _run(program, key, examples, shared, journal, progress)


def _run(
    program: Compiled,
    key: jax.Array,
    examples: np.ndarray,
    shared: Shared,
    journal: Journal,
    progress: bool | None,
) -> Histories:
    """All replicates, with the seconds that they took."""
    start = time.perf_counter()
    metrics = run_all(program, key, examples, shared, journal, progress)
    seconds = {"compile": program.seconds, "run": time.perf_counter() - start}
    none = np.zeros((len(examples), 0))
    arrays: Any = {name: metrics.get(name, none) for name in MONITORS}
    layout = journal.identity["layout"]
    return Histories(
        **arrays, seconds=seconds, layout=layout, n_parallel=program.n_parallel
    )


def _share(
    interface: Interface,
    model: nn.Module,
    data: Examples,
    validation: Examples | None,
    params: Params | None,
    trainable_rows: ArrayLike | None,
    memory: int,
) -> Shared:
    """What all replicates read, checked, on the device."""
    ids, labels = map(jnp.asarray, check_examples(interface, data))
    held_out = None
    if validation is not None:
        examples = check_examples(interface, validation, "validation ")
        held_out = make_held_out(model, examples, memory)
    given = jax.tree.map(jnp.asarray, params or {})
    masks = make_masks(interface, trainable_rows)
    return jax.device_put(Shared(ids, labels, given, masks, held_out))


def _check_key(key: Any) -> None:
    """Refuses a key whose bits are others in a vmap than alone."""
    if not isinstance(key, jax.Array | np.ndarray):
        raise TypeError(f"key must be a jax.random.key, got {key!r}.")
    typed = jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key)
    wrapped = key if typed else jax.random.wrap_key_data(jnp.asarray(key))
    if wrapped.shape:
        raise ValueError(
            f"key must be a single key, got {list(wrapped.shape)} of them."
        )
    if (kind := str(jax.random.key_impl(wrapped))) != "threefry2x32":
        raise ValueError(
            f"key is of the kind {kind}, whose numbers depend on how many replicates "
            'go side by side: make it by jax.random.key(seed, impl="threefry2x32").'
        )


def _apply_layout(
    plan: Plan, layout: str, saved: dict[str, Any], batch: np.ndarray
) -> tuple[Plan, str]:
    """The plan of a layout, and which one it is: that of a run that goes on."""
    check_layout(layout, plan.table_tx)
    if not plan.sparse:
        return plan, "dense"
    if layout == "auto" and saved.get("layout") in LAYOUTS:
        layout = saved["layout"]
    if layout == "auto":
        layout = choose_layout(plan, batch)
    return make_dense(plan) if layout == "dense" else plan, layout


def _find_limits(n_parallel: int | None, saved: dict[str, Any]) -> dict[str, Any]:
    """How many replicates must go side by side: as many as before in a run that was."""
    if n_parallel is not None:
        n_parallel = check_count("n_parallel", n_parallel)
    n_parallel = saved.get("n_parallel") if n_parallel is None else n_parallel
    return {"n_parallel": n_parallel, "is_begun": bool(saved)}


def _make_journal(
    path: Path | None,
    program: Compiled,
    key: jax.Array,
    shared: Shared,
    examples: np.ndarray,
    epochs: int,
    layout: str,
) -> Journal:
    """The journal, which knows what makes two runs the same."""
    settings = {
        "program": hashlib.sha256(program.text.encode()).hexdigest(),
        "metrics": sorted(MONITORS if shared.held_out else MONITORS[:2]),
        **{"n_parallel": program.n_parallel, "epochs": epochs, "layout": layout},
    }
    identity = fingerprint(key, {"examples": shared}, settings)
    return Journal(path, examples, identity)
