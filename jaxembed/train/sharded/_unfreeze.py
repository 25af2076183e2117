"""Unfreeze: train late tables on the mesh of a run."""

import functools

import jax

from jaxembed.train._setup import Paths, Plan
from jaxembed.train._state import TrainState, unfreeze
from jaxembed.train.sharded._shards import find_places


def unfreeze_in_place(plan: Plan, sparse: Paths, state: TrainState) -> TrainState:
    """Return the state of :func:`unfreeze`, with new arrays on the mesh of the run."""
    if plan.shards is None:
        return unfreeze(plan, sparse, state)
    run = functools.partial(unfreeze, plan, sparse)
    places = find_places(jax.eval_shape(run, state), plan.shards)
    # jit compiles a function of its own, such as a partial one, in each call.
    jitted = jax.jit(unfreeze, static_argnums=(0, 1), out_shardings=places)
    return jitted(plan, sparse, state)
