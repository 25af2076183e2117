"""Run: repeat a training K times, with different examples and initial weights."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import flax.linen as nn
import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jax.typing import ArrayLike

from jaxembed._checks import check_count, check_key
from jaxembed.optim import SparseOptimizer
from jaxembed.replicates._draw import check_draws
from jaxembed.replicates._histories import Histories
from jaxembed.replicates._journal import Journal, open_journal
from jaxembed.replicates._memory import (
    Compiled,
    compile_replicates,
    run_all,
    trace_replicates,
)
from jaxembed.replicates._prepare import find_sparse, flatten_mesh, share
from jaxembed.replicates._program import Recipe, Shared
from jaxembed.train._history import MONITORS
from jaxembed.train._setup import make_plan, warn_unchecked
from jaxembed.train._state import Params
from jaxembed.train.checkpoint._identity import fingerprint
from jaxembed.train.data._checks import Examples, check_examples, check_form

MEMORY = 4 * 2**30  # in bytes


def run(
    model: nn.Module,
    data: Examples,
    *,
    examples: ArrayLike,
    tx: optax.GradientTransformation,
    table_tx: SparseOptimizer | None = None,
    max_norm: float | None = None,
    epochs: int,
    batch_size: int,
    key: jax.Array,
    params: Params | None = None,
    validation: Examples | None = None,
    trainable_rows: ArrayLike | None = None,
    unfreeze_after: int = 0,
    memory: int = MEMORY,
    n_parallel: int | None = None,
    mesh: Mesh | None = None,
    checkpoint: str | Path | None = None,
    progress: bool | None = None,
    stop: Callable[[], bool] | None = None,
) -> Histories:
    """Train a classifier K times, each time with other examples, weights and orders.

    One compiled program trains and measures ``n_parallel`` replicates at a time, all
    their epochs. The data and the frozen parameters are in memory once. Replicate k
    equals ``fit(..., key=jax.random.fold_in(key, k), examples=examples[k],
    params=params)``, so each replicate can be trained again alone to get its weights.
    Neither ``n_parallel`` nor the number of replicates changes it. The losses agree to
    1e-6, and less closely only where training itself amplifies rounding: at high rates,
    over many epochs.

    Args:
      model: see :func:`jaxembed.train.fit`.
      data: ids ``int[N, L]`` and labels ``int[N]``, shared by all replicates.
      examples: ``int[K, n]``, numbers of the examples of each replicate, such as from
        :func:`draw_examples`.
      tx: see ``fit``.
      table_tx: see ``fit``.
      max_norm: see ``fit``.
      epochs: number of passes over the examples of a replicate.
      batch_size: number of examples in a step, B.
      key: random key; the number of each replicate is folded in. It must be a threefry
        key, JAX's default: other kinds give other random bits under ``jax.vmap``.
      params: initial values of some parameters, such as a table of word vectors, which
        all replicates share. Each replicate draws all other parameters.
      validation: ids and labels to measure all replicates on after each epoch.
      trainable_rows: see ``fit``.
      unfreeze_after: see ``fit``.
      memory: memory in bytes that the program may use on each device, for examples,
        states and temporary arrays.
      n_parallel: number of replicates trained at a time; None to choose it by
        ``memory`` and device.
      mesh: mesh of devices, of any axes, over which the replicates are spread. Each
        device trains whole replicates, so ``n_parallel`` must be a multiple of their
        number. None for one device.
      checkpoint: a JSON file. The metrics of finished replicates are saved there. The
        run resumes from there, with the same ``n_parallel``, after an interruption,
        with more replicates, or on another mesh.
      progress: whether to show a progress bar; None to show it only in a terminal.
      stop: called before each ``n_parallel`` replicates. If it returns True,
        KeyboardInterrupt is raised; all finished replicates are saved.

    Returns:
      :class:`Histories`. A replicate that diverges has NaN from that epoch on, and does
      not change the other replicates.

    Raises:
      TypeError: if an argument has another type, see ``fit``.
      ValueError: if an id, a label or an example is out of range (the error says which
        one), if ``n_parallel`` replicates need more than ``memory`` (the error says how
        many fit) or do not divide among the devices, or if the checkpoint belongs to
        another run.
      BlockingIOError: if another process trains with the checkpoint.
      KeyboardInterrupt: if ``stop`` returns True.

    Warns:
      UserWarning: if the ids that a table reads cannot be checked before training, if
        ``validation`` has one class and ``data`` have more, or if lines of the
        checkpoint are damaged: their replicates are trained again.

    Example:
      >>> import jax.numpy as jnp
      >>> from jaxembed import nn, optim, replicates
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids, key = jnp.arange(24).reshape(12, 2) % 9, jax.random.key(0)
      >>> examples = replicates.draw_examples(key, n_replicates=5, pool=12, n_train=4)
      >>> histories = replicates.run(
      ...     model, (ids, jnp.arange(12) % 2), examples=examples, tx=optim.rmsprop(),
      ...     epochs=3, batch_size=2, key=key)
      >>> histories.loss.shape
      (5, 3)
    """
    _check_kind(key)
    sizes = {"epochs": epochs, "batch_size": batch_size, "memory": memory}
    epochs, batch_size, memory = (check_count(*size) for size in sizes.items())
    if n_parallel is not None:
        n_parallel = check_count("n_parallel", n_parallel)
    mesh = flatten_mesh(mesh)
    with open_journal(checkpoint) as (path, saved):
        texts, labels = check_form(data)
        shape = jax.ShapeDtypeStruct((batch_size, texts.shape[1]), np.int32)
        plan, interface = make_plan(
            model,
            tx,
            shape,
            table_tx=table_tx,
            max_norm=max_norm,
            unfreeze_after=unfreeze_after,
        )
        warn_unchecked(interface)
        sparse = find_sparse(plan, shape, params, saved)
        given = check_examples(interface, (texts, labels))
        draws = check_draws(examples, len(texts), batch_size)
        shared = share(
            model, interface, given, params, validation, trainable_rows, memory
        )
        if mesh is not None:
            key, shared = jax.device_put(
                (key, shared), NamedSharding(mesh, PartitionSpec())
            )
        recipe = Recipe(plan, sparse, epochs, batch_size)
        program = compile_replicates(
            recipe,
            key,
            draws,
            shared,
            n_parallel=n_parallel or saved.get("n_parallel"),
            memory=memory,
            is_begun=bool(saved),
            mesh=mesh,
        )
        journal = _make_journal(path, recipe, program, key, shared, draws)
        return _run(program, key, draws, shared, journal, progress, stop)


def _run(
    program: Compiled,
    key: jax.Array,
    draws: np.ndarray,
    shared: Shared,
    journal: Journal,
    progress: bool | None,
    stop: Callable[[], bool] | None,
) -> Histories:
    """Run all replicates, and return their :class:`Histories`."""
    start = time.perf_counter()
    metrics = run_all(program, key, draws, shared, journal, progress, stop)
    seconds = {"compile": program.seconds, "run": time.perf_counter() - start}
    none = np.zeros((len(draws), 0))
    arrays = {name: metrics.get(name, none) for name in MONITORS}
    return Histories.of(arrays, seconds, program.n_parallel)


def _check_kind(key: jax.Array) -> None:
    """Raise unless the random bits of ``key`` are the same under ``jax.vmap``."""
    kind = str(jax.random.key_impl(check_key(key)))
    if kind != "threefry2x32":
        raise ValueError(
            f"key must be a threefry key, got {kind}, whose bits depend on n_parallel: "
            'make it with jax.random.key(seed, impl="threefry2x32").'
        )


def _make_journal(
    path: Path | None,
    recipe: Recipe,
    program: Compiled,
    key: jax.Array,
    shared: Shared,
    draws: np.ndarray,
) -> Journal:
    """Return the :class:`Journal` of the run, with the identity of the run."""
    if path is None:
        return Journal(None, draws, {})
    # The program of one device, so that a run can be resumed on any mesh.
    shapes = jax.eval_shape(lambda: (key, shared))
    traced = trace_replicates(recipe, shapes[0], program.n_parallel, draws, shapes[1])
    lowered = traced.lower(lowering_platforms=("cpu",))
    settings = {
        "program": hashlib.sha256(lowered.as_text().encode()).hexdigest(),
        "metrics": sorted(MONITORS if shared.validation else MONITORS[:2]),
        "n_parallel": program.n_parallel,
        "epochs": recipe.epochs,
        "sparse": sorted(map(list, recipe.sparse)),
    }
    return Journal(path, draws, fingerprint(key, {"examples": shared}, settings))
