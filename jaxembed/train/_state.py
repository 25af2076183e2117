"""State: parameters and optimizer states of a training run."""

import dataclasses
import functools
import math
from collections.abc import Callable

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxembed.optim._dense_or_sparse import choose_sparse
from jaxembed.optim._formats import choose_formats, put
from jaxembed.optim._layout import PLATFORMS
from jaxembed.optim._tables import Params
from jaxembed.optim._trees import merge, split
from jaxembed.train._setup import Ids, Paths, Plan
from jaxembed.train.checkpoint._arrays import check_params
from jaxembed.train.data._optimizers import init_states, make_tx
from jaxembed.train.sharded._shards import Shards, check_forms, find_places
from jaxembed.train.sharded._words import spread, view

# Folded into the key for the initial weights; no epoch has this number.
INIT = 2**32 - 1
# Fewer weights than this are drawn by unoptimized code, which compiles in half the time
# and is four times as slow: it runs once.
MANY = 5_000_000


class TrainState(flax.struct.PyTreeNode):
    """Parameters of a model and the state of their optimizers.

    A table that is trained row by row is in ``tables``, any other trainable parameter
    in ``params``.

    Attributes:
      step: ``int32[]``, number of finished steps.
      params: trainable parameters, except row-sparse tables.
      opt_state: optimizer state of ``params``.
      frozen: frozen parameters, which no optimizer sees.
      tables: row-sparse tables.
      table_states: :class:`jaxembed.optim.RowState` of each table, at the same path.
      shards: placement on a mesh, on which tables and their optimizer states are in
        shard order; None for one device. It is not an array.
    """

    step: jax.Array
    params: Params
    opt_state: optax.OptState
    frozen: Params = flax.struct.field(default_factory=dict)
    tables: Params = flax.struct.field(default_factory=dict)
    table_states: Params = flax.struct.field(default_factory=dict)
    shards: Shards | None = flax.struct.field(pytree_node=False, default=None)

    @property
    def variables(self) -> dict[str, Params]:
        """All parameters, as ``model.apply`` takes them.

        On a mesh, tables are in shard order; ``dist.to_words`` returns word order.
        """
        return {"params": merge(self.params, self.tables, self.frozen)}


def create_state(
    plan: Plan,
    ids: Ids,
    *,
    key: jax.Array,
    params: Params | None = None,
    sparse: Paths | None = None,
) -> TrainState:
    """Return the state before the first step.

    It can be called inside ``jax.eval_shape``, ``jax.vmap`` and ``jax.jit``.

    Args:
      plan: the plan of the run.
      ids: ``int[B, L]`` of one batch, or its shape. The shapes decide which tables are
        trained row by row; see :func:`choose_sparse`.
      key: random key of the initial weights.
      params: initial values of some or all parameters, which are copied. With a mesh,
        tables may be in word order, or in shard order on any mesh.
      sparse: paths of the tables to train row by row, such as those of a checkpoint;
        None to decide by the shapes.

    Returns:
      :class:`TrainState`.

    Raises:
      ValueError: if a parameter in ``params`` is unknown or has the wrong shape.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids = jnp.zeros((1, 3), jnp.int32)
      >>> plan, _ = make_plan(model, optim.rmsprop(), ids)
      >>> state = create_state(plan, ids, key=jax.random.key(0))
      >>> jax.tree.map(jnp.shape, state.params["embed"])
      {'embedding': (9, 2)}
    """
    shape = jax.ShapeDtypeStruct(jnp.shape(ids), jnp.int32)
    shapes = jax.eval_shape(plan.model.init, jax.random.key(0), shape)["params"]
    params = view(params or {}, plan.shards)
    check_params(shapes, params)
    if sparse is None:
        sparse = choose_sparse(plan.tables, shape, shapes)
    fixed, shards = (plan, sparse, shape.shape), plan.shards
    is_traced = any(
        isinstance(x, jax.core.Tracer) for x in jax.tree.leaves((key, params))
    )
    n_numbers = sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(shapes))
    is_small = jax.default_backend() == "cpu" and n_numbers < MANY
    if shards is not None and not is_traced:
        return _create_on_mesh(fixed, shards, key, params, is_small)
    # A copy: training donates its buffers.
    params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), params)
    if is_traced:
        return start_state(*fixed, key, params)
    return _find_start((*fixed, key, params), is_small)(*fixed, key, params)


def start_state(
    plan: Plan, sparse: Paths, shape: tuple[int, ...], key: jax.Array, params: Params
) -> TrainState:
    """Return the state of :func:`create_state`, without checks."""
    ids = jnp.zeros((1, *shape[1:]), jnp.int32)
    drawn = plan.network.init(jax.random.fold_in(key, INIT), ids)["params"]
    rest, frozen = split(merge(drawn, params), plan.at(0).frozen)
    rest, tables = split(rest, sparse)
    step = jnp.zeros((), jnp.int32)
    opt_state = make_tx(plan, sparse).init(rest)
    states = init_states(plan, tables)
    return TrainState(step, rest, opt_state, frozen, tables, states, plan.shards)


_static = ("plan", "sparse", "shape")
_start = jax.jit(start_state, static_argnames=_static)
_start_small = jax.jit(
    start_state,
    static_argnames=_static,
    compiler_options={"xla_backend_optimization_level": 0},
)


def _find_start(arguments: tuple, is_small: bool) -> Callable[..., TrainState]:
    """Return a jitted :func:`start_state`, whose arrays have their memory formats."""
    if jax.default_backend() in PLATFORMS:
        *fixed, key, params = arguments
        make = functools.partial(start_state, *fixed)
        formats = choose_formats(jax.eval_shape(make, key, params))
        return jax.jit(start_state, static_argnames=_static, out_shardings=formats)
    return _start_small if is_small else _start


def _create_on_mesh(
    fixed: tuple, shards: Shards, key: jax.Array, params: Params, is_small: bool
) -> TrainState:
    """Return the state of :func:`create_state` on a mesh."""
    plan, *rest = fixed
    alone = dataclasses.replace(plan, shards=None)
    plain, stored = (
        jax.eval_shape(functools.partial(start_state, p, *rest), key, {})
        for p in (alone, plan)
    )
    check_forms(plain, stored, shards)
    if is_small:  # The bits of some initializers depend on the program around them.
        params = jax.tree.map(lambda leaf: jnp.array(np.asarray(leaf)), params)
        state = _start_small(alone, *rest, key, params)
        return spread(state.replace(shards=shards), shards, stored)
    places = find_places(stored, shards)
    start = jax.jit(
        start_state,
        static_argnames=_static,
        out_shardings=places,
        donate_argnames="params",  # a copy
    )
    return start(*fixed, key, spread(params, shards, copy=True))


def unfreeze(plan: Plan, sparse: Paths, state: TrainState) -> TrainState:
    """Return a state in which the tables of ``plan.late`` are trained.

    Their moments start at zero. All other optimizer state is unchanged, including the
    counts of steps, so schedules continue.

    Args:
      plan: the plan of the run.
      sparse: paths of the tables to train row by row.
      state: the state after ``plan.unfreeze_after`` epochs.

    Returns:
      :class:`TrainState`.

    Example:
      >>> from jaxembed import nn, optim
      >>> from jaxembed.train import make_plan
      >>> model = nn.TextClassifier(nn.Embed(9, 2), nn.DenseHead())
      >>> ids, tx = jnp.array([[1, 2]]), optim.rmsprop()
      >>> plan, _ = make_plan(model, tx, ids, unfreeze_after=1)
      >>> state = create_state(plan, ids, key=jax.random.key(0))
      >>> after = unfreeze(plan, frozenset(), state)
      >>> sorted(state.params), sorted(after.params)
      (['head'], ['embed', 'head'])
    """
    frozen, late = split(state.frozen, plan.late)
    rest, tables = split(late, sparse)
    params = merge(state.params, rest)
    # Leaves are matched by path, which works for any type of optimizer state.
    old = dict(jax.tree_util.tree_leaves_with_path(state.opt_state))

    def carry(path: tuple, fresh: jax.Array) -> jax.Array:
        if path not in old:
            # A copy: some optimizer states hold the parameters, and both are donated.
            return jnp.copy(fresh)
        if jnp.shape(old[path]) != jnp.shape(fresh):
            raise ValueError(
                "unfreeze_after needs a tx that keeps a separate state for each "
                f"parameter: {jax.tree_util.keystr(path)} of its state has the shape "
                f"{jnp.shape(fresh)} with the tables and {jnp.shape(old[path])} "
                "without them. Give another tx."
            )
        return old[path]

    fresh = make_tx(plan, sparse).init(params)
    opt_state = jax.tree_util.tree_map_with_path(carry, fresh)
    states = init_states(plan, tables, state.step)
    after = state.replace(
        params=params,
        opt_state=opt_state,
        frozen=frozen,
        tables=merge(state.tables, tables),
        table_states=merge(state.table_states, states),
    )
    return put(after)  # the moments are new
