"""Tables that are unfrozen on a mesh."""

import jax

from jaxembed import train
from jaxembed.train.sharded._unfreeze import unfreeze_in_place
from tests.train.sharded.conftest import IDS, MODEL, TX, make_mesh


def test_unfreezing_is_compiled_once(caplog):
    plan, _ = train.make_plan(MODEL, TX, IDS, mesh=make_mesh(1, 4), unfreeze_after=1)
    state = train.create_state(plan, IDS, key=jax.random.key(0))
    found = []
    for _ in range(2):
        caplog.clear()
        with jax.log_compiles():
            after = unfreeze_in_place(plan, frozenset(), state)
        found.append("compilation of jit(unfreeze)" in caplog.text)
    assert found == [True, False]
    assert after.params["embed"]["embedding"].sharding == plan.rules.table
