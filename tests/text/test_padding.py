"""pad_sequences: equal to the function of Keras for every argument."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import text

SIDES = st.sampled_from(["pre", "post"])
IDS = st.lists(st.lists(st.integers(-5, 300), max_size=6), min_size=1, max_size=6)
ARGUMENTS = st.fixed_dictionaries(
    {"padding": SIDES, "truncating": SIDES},
    optional={
        "maxlen": st.integers(1, 8),
        "dtype": st.sampled_from(["int32", "int64", "float32", "float64"]),
        "value": st.sampled_from([0, -1, 7]),
    },
)


def same(ours, theirs):
    assert ours.dtype == theirs.dtype
    np.testing.assert_array_equal(ours, theirs)


@given(IDS, ARGUMENTS)
def test_equal_to_keras(ids, arguments):
    theirs = keras.utils.pad_sequences(ids, **arguments)
    same(text.pad_sequences(ids, **arguments), theirs)
    same(text.pad_sequences(text.Ragged.from_lists(ids), **arguments), theirs)


@given(
    st.lists(st.lists(st.sampled_from(["a", "bc", ""]), max_size=5), min_size=1),
    SIDES,
    SIDES,
)
def test_texts_equal_keras(texts, padding, truncating):
    arguments = {"padding": padding, "truncating": truncating, "dtype": object}
    arguments |= {"maxlen": 3, "value": "pad"}
    same(
        text.pad_sequences(texts, **arguments),
        keras.utils.pad_sequences(texts, **arguments),
    )


@given(st.lists(st.integers(0, 5), min_size=1), SIDES, SIDES)
def test_sequences_of_vectors_equal_keras(lengths, padding, truncating):
    rng = np.random.default_rng(0)
    sequences = [rng.random((length, 3, 2)) for length in lengths]
    arguments = {"padding": padding, "truncating": truncating, "dtype": "float32"}
    theirs = keras.utils.pad_sequences(sequences, maxlen=4, **arguments)
    same(text.pad_sequences(sequences, maxlen=4, **arguments), theirs)


def test_default_keeps_the_last_ids_and_pads_in_front():
    padded = text.pad_sequences([[1, 2, 3], [4]], maxlen=2)
    assert padded.dtype == np.int32
    np.testing.assert_array_equal(padded, [[2, 3], [0, 4]])


@pytest.mark.parametrize("kind", [list, text.Ragged.from_lists])
def test_length_zero(kind):
    assert text.pad_sequences(kind([[1, 2], []]), maxlen=0).shape == (2, 0)
    assert text.pad_sequences(kind([[], []])).shape == (2, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequences": [[1]], "padding": "left"}, "padding must be one of"),
        ({"sequences": [[1]], "truncating": "x"}, "truncating must be one of .* 'x'"),
        ({"sequences": [[1]], "maxlen": -1}, "at least 0 or None, got -1"),
        ({"sequences": [[1], 5]}, "must contain lists, got 5 at index 1"),
        ({"sequences": iter([])}, "sequences must be a list, got list_iterator"),
        ({"sequences": []}, "maxlen must be given if sequences is empty"),
        ({"sequences": [["a"]], "value": "x"}, "set dtype=object"),
        (
            {"sequences": [np.zeros((2, 3)), np.zeros((2, 4))]},
            r"shape \(3,\), as the first does, got \(4,\) at index 1",
        ),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        text.pad_sequences(**arguments)


@pytest.mark.parametrize("kind", [list, text.Ragged.from_lists])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_an_id_that_does_not_fit_is_refused(kind, dtype):
    with pytest.raises(OverflowError, match="300|bounds"):
        text.pad_sequences(kind([[1, 300]]), dtype=dtype)
    text.pad_sequences(kind([[300, 1]]), maxlen=1, dtype=dtype)  # 300 is truncated
