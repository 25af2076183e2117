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
def test_short_rows_of_a_small_table_keep_the_default_format(dim):
    assert choose_format((1000, dim), OneDevice()) is None


@pytest.mark.parametrize("dim", [41, 50, 64, 100, 128, 150, 300, 768])
def test_other_rows_are_stored_one_after_another(dim, monkeypatch):
    monkeypatch.setattr("jaxembed.optim._layout.Format", lambda *x: x)
    layout, sharding = choose_format((1000, dim), one := OneDevice())
    assert (layout, sharding) == (Layout((0, 1)), one)
    assert -(-dim // LANES) * LANES <= 3 * -(-dim // 8) * 8


@pytest.mark.parametrize("n_rows", [1000, 65_536, 1_000_000])
def test_no_dim_above_the_longest_short_row_is_short(n_rows):
    short = [dim for dim in range(1, 1000) if not is_by_row(n_rows, dim)]
    assert short == [*range(1, 41)]


# XLA copied a table of 16 columns of up to 299,593 rows, and one of 8 up to 279,620,
# when it was stored by columns (libtpu 0.0.42.1; v5e, v6e and v5p).
@pytest.mark.parametrize(("dim", "last"), [(8, 279_620), (16, 299_593), (40, 381_300)])
def test_short_rows_that_xla_would_copy_are_stored_one_after_another(dim, last):
    assert [is_by_row(n, dim) for n in (65_536, 65_537, last, last + 1)] == [
        False,
        True,
        True,
        False,
    ]


def test_rows_of_fewer_than_8_numbers_keep_the_default_format():
    assert not is_by_row(200_000, 7)


def test_a_cpu_has_no_format():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    assert choose_format((1000, 300), sharding) is None
