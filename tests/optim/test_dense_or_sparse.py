"""Dense or sparse: the limit of each kind of device."""

import jax
import numpy as np
import pytest

from jaxembed.optim._dense_or_sparse import choose_sparse


@pytest.mark.parametrize(
    ("device", "dim", "rows_per_id"),
    [("cpu", 4, 3), ("gpu", 4, 2), ("tpu", 100, 8), ("tpu", 16, 600), ("other", 4, 2)],
)
def test_each_kind_of_device_has_its_limit(monkeypatch, device, dim, rows_per_id):
    monkeypatch.setattr(jax, "default_backend", lambda: device)
    table, ids = ("embed", "embedding"), jax.ShapeDtypeStruct((2, 3), np.int32)
    for n_rows, expected in ((6 * rows_per_id, False), (6 * rows_per_id + 1, True)):
        params = {"embed": {"embedding": jax.ShapeDtypeStruct((n_rows, dim), float)}}
        assert bool(choose_sparse(frozenset([table]), ids, params)) == expected
