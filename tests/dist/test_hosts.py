"""Tables on the devices of two processes: shards, lookups and gradients."""

import numpy as np
import pytest

CODE = """
import jax.numpy as jnp
import numpy as np
rules = dist.Rules(dist.make_mesh(data={data}))
rng = np.random.default_rng(0)
table = rng.normal(size=(51, 3)).astype(np.float32)
stored = dist.to_shards(table, rules)
is_kept = np.array_equal(dist.to_words(stored, 51), table)

ids = rng.zipf(1.3, (8, 6)) % 60 - 2  # some are bad
own = ids[4 * pid : 4 * pid + 4]
spread = jax.make_array_from_process_local_data(rules.batch, own, ids.shape)

def total(table, ids):
    rows = dist.lookup(table, ids, rules, 51)
    return jnp.sum(jnp.where(jnp.isnan(rows), 0, rows ** 2)), rows

@jax.jit
def run(table, ids):
    grads, rows = jax.grad(total, has_aux=True)(table, ids)
    return grads, jax.lax.with_sharding_constraint(rows, rules.whole)

grads, rows = run(stored, spread)
report(is_kept, dist.to_words(grads, 51).tolist(), np.asarray(rows).tolist())
"""


@pytest.mark.long
def test_lookups_of_two_processes_equal_those_of_numpy(run_processes):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(51, 3)).astype(np.float32)
    ids = rng.zipf(1.3, (8, 6)) % 60 - 2
    is_good = (ids >= 0) & (ids < 51)
    wanted = np.where(is_good[..., None], table[ids * is_good], np.nan)
    gradient = np.zeros_like(table)
    np.add.at(gradient, ids[is_good], 2 * wanted[is_good])
    for is_kept, grads, rows in run_processes(CODE.format(data=2), n_devices=2):
        assert is_kept
        np.testing.assert_array_equal(np.array(rows, np.float32), wanted)
        np.testing.assert_allclose(grads, gradient, atol=1e-5)
