"""Layout: the format of a table by the length of its rows."""

import jax
import pytest
from jax.experimental.layout import Layout

from jaxembed.optim._layout import LANES, choose_format, is_by_row


class Device:
    """Device of a kind that this machine does not have."""

    platform = "tpu"


class OneDevice:
    """Sharding of an array on one such device."""

    device_set = frozenset([Device()])

    def shard_shape(self, shape):
        return shape


@pytest.mark.parametrize("dim", [8, 16, 32, 40])
def test_short_rows_keep_the_default_format(dim):
    assert choose_format((1000, dim), OneDevice()) is None


@pytest.mark.parametrize("dim", [41, 50, 64, 100, 128, 150, 300, 768])
def test_other_rows_are_stored_one_after_another(dim, monkeypatch):
    monkeypatch.setattr("jaxembed.optim._layout.Format", lambda *x: x)
    layout, sharding = choose_format((1000, dim), one := OneDevice())
    assert (layout, sharding) == (Layout((0, 1)), one)
    assert -(-dim // LANES) * LANES <= 3 * -(-dim // 8) * 8


def test_no_dim_above_the_longest_short_row_is_short():
    assert [dim for dim in range(1, 1000) if not is_by_row(dim)] == [*range(1, 41)]


def test_a_cpu_has_no_format():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    assert choose_format((1000, 300), sharding) is None
