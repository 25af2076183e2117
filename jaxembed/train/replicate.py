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

from jaxembed.optim import SparseOptimizer
from jaxembed.train.chunk import Recipe, Shared
from jaxembed.train.chunk_loop import Compiled, compile_chunk, run_chunks
from jaxembed.train.data import Examples, check_examples, check_ids
from jaxembed.train.draw import check_draws
from jaxembed.train.held_out import make_held_out
from jaxembed.train.history import MONITORS, Histories
from jaxembed.train.journal import Journal, open_journal
from jaxembed.train.layout import LAYOUTS, check_layout, choose_layout, make_dense
from jaxembed.train.masks import make_masks
from jaxembed.train.plan import Interface, Plan, make_plan
from jaxembed.train.resume import fingerprint
from jaxembed.train.state import Params, check_params
from jaxembed.train.unfreeze import find_late

MEMORY = 4 * 2**30  # bytes


def replicate(
    model: nn.Module,
    data: Examples,
    *,
    rows: ArrayLike,
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
    chunk: int | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
) -> Histories:
    """Trains a classifier K times, from other draws, weights and orders each time.

    One compiled program trains and measures a chunk of replicates side by side, all
    their epochs; the examples and what is frozen lie in memory once for all. Replicate
    k is ``fit(..., key=jax.random.fold_in(key, k), rows=rows[k], params=params)``: so
    each can be had again alone, with its weights, and the size of the chunks, or the
    number of replicates, changes none of them. The losses agree to 1e-6, and less
    closely only where training itself makes rounding grow: at rates at which it jumps
    about, over many epochs.

    Args:
      model: see :func:`fit`, as for all that is not named here.
      data: ids ``int[N, L]`` and labels ``int[N]``, shared by all.
      rows: ``int[K, n]``, the examples of each replicate; :func:`draw_rows` makes them.
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
      chunk: how many replicates go side by side; by default as many as fit into
        ``memory`` and make it faster.
      checkpoint: a file of JSON. The metrics of finished chunks are kept there, and the
        run goes on from there, with the same chunk, if it was interrupted or is asked
        for more replicates.
      progress: whether to show a bar on stderr; None for where that is a terminal.

    Returns:
      :class:`Histories`. A replicate that diverges has NaN from that epoch on, and the
      others are what they would be without it.

    Raises:
      TypeError: if ids or rows are not integers, or an optimizer is of the kind of the
        other.
      ValueError: if an id, a label or a row is out of range (the error says which), if
        the chunk needs more than ``memory`` (it says which would fit), or if the
        checkpoint is of another run.

    Example:
      >>> from jaxembed import nn, optim, train
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.FlattenDense())
      >>> ids, key = jnp.arange(24).reshape(12, 2) % 9, jax.random.key(0)
      >>> rows = train.draw_rows(key, n_replicates=5, pool=12, n_train=4)
      >>> histories = replicate(model, (ids, jnp.arange(12) % 2), rows=rows, epochs=3,
      ...                       tx=optim.rmsprop(), batch_size=2, key=key)
      >>> histories.loss.shape
      (5, 3)
    """
    _check_key(key)
    sizes = {"epochs": epochs, "batch_size": batch_size, "memory": memory}
    epochs, batch_size, memory = (_check_number(*size) for size in sizes.items())
    path, saved = open_journal(checkpoint)
    first = check_ids(data[0])[:1]
    plan, interface = make_plan(model, tx, first, table_tx=table_tx, max_norm=max_norm)
    late = find_late(interface, unfreeze_after)
    plan = dataclasses.replace(plan, frozen=plan.frozen | late)
    check_params(plan, first, params)
    shared = _share(interface, model, data, validation, params, trainable_rows, memory)
    rows = check_draws(rows, len(shared.ids), batch_size)
    batch = np.asarray(data[0])[rows[0, :batch_size]]
    plan, layout = _apply_layout(plan, layout, saved, batch)
    recipe = Recipe(plan, epochs, batch_size, shuffle, late, unfreeze_after)
    limits = _find_limits(chunk, saved) | {"memory": memory}
    program = compile_chunk(recipe, key, rows, shared, **limits)
    journal = _make_journal(path, program, key, shared, rows, epochs, layout)
    return _run(program, key, rows, shared, journal, progress)


def _run(
    program: Compiled,
    key: jax.Array,
    rows: np.ndarray,
    shared: Shared,
    journal: Journal,
    progress: bool | None,
) -> Histories:
    """All replicates, with the seconds that they took."""
    start = time.perf_counter()
    metrics = run_chunks(program, key, rows, shared, journal, progress)
    seconds = {"compile": program.seconds, "run": time.perf_counter() - start}
    none = np.zeros((len(rows), 0))
    arrays: Any = {name: metrics.get(name, none) for name in MONITORS}
    layout = journal.identity["layout"]
    return Histories(**arrays, seconds=seconds, layout=layout, chunk=program.chunk)


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


def _check_number(name: str, value: Any) -> int:
    if not isinstance(value, int | np.integer) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, got {value!r}.")
    if not 1 <= value < 2**63:
        raise ValueError(f"{name} must be at least 1, got {value}.")
    return int(value)


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


def _find_limits(chunk: int | None, saved: dict[str, Any]) -> dict[str, Any]:
    """How many replicates must go side by side: as many as before in a run that was."""
    if chunk is not None:
        chunk = _check_number("chunk", chunk)
    chunk = saved.get("chunk") if chunk is None else chunk
    return {"chunk": chunk, "is_begun": bool(saved)}


def _make_journal(
    path: Path | None,
    program: Compiled,
    key: jax.Array,
    shared: Shared,
    rows: np.ndarray,
    epochs: int,
    layout: str,
) -> Journal:
    """The journal, which knows what makes two runs the same."""
    settings = {
        "program": hashlib.sha256(program.text.encode()).hexdigest(),
        "metrics": sorted(MONITORS if shared.held_out else MONITORS[:2]),
        **{"chunk": program.chunk, "epochs": epochs, "layout": layout},
    }
    identity = fingerprint(key, {"examples": shared}, settings)
    return Journal(path, rows, identity)
