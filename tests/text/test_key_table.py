"""KeyTable, compared with a Python dictionary."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jaxembed.text._key_table import KeyTable

KEYS = st.one_of(st.integers(0, 30), st.integers(0, 2**63 - 1))


@given(known=st.sets(KEYS, max_size=60), asked=st.lists(KEYS | st.integers(-9, -1)))
def test_places_are_those_of_a_dictionary(known, asked):
    keys = np.array(sorted(known), np.int64)
    expected = {key: place for place, key in enumerate(keys.tolist())}
    found = KeyTable(keys).find(np.array([*asked, *known], np.int64))
    assert found.tolist() == [expected.get(key, -1) for key in [*asked, *known]]


def test_keys_with_equal_hashes_are_apart(monkeypatch):
    """The slowest case: all keys begin their search in one slot."""
    monkeypatch.setattr(KeyTable, "_hash", lambda _, keys: np.full(len(keys), 397))
    keys = np.arange(100, dtype=np.int64) * 7
    table = KeyTable(keys)
    assert table.find(keys[::-1]).tolist() == list(range(100))[::-1]
    assert table.find(np.array([1, -1, 699])).tolist() == [-1, -1, -1]
