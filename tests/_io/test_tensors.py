"""Tensors: the bytes of safetensors itself, and headers checked as it does."""

import io
import json

import numpy as np
import pytest
import safetensors
from hypothesis import given
from hypothesis import strategies as st
from safetensors import numpy as theirs

from jaxembed import _io

ARRAYS = {
    "words": np.frombuffer(b"abc", np.uint8),
    "matrix": np.arange(6, dtype=np.float32).reshape(2, 3),
    "offsets": np.arange(3),
    "labels": np.array([1, -1], np.int32),
    "a": np.array(0.5),
    "none": np.zeros((0, 4), np.float32),
}


def write(arrays, metadata=None):
    stream = io.BytesIO()
    _io.write_tensors(arrays, stream, metadata)
    return stream.getvalue()


@pytest.mark.parametrize("metadata", [None, {"sha256": "é\n"}])
def test_the_bytes_are_those_of_safetensors(metadata):
    assert write(ARRAYS, metadata) == theirs.save(ARRAYS, metadata)
    turned = {"a": np.arange(6, dtype=np.float32).reshape(2, 3).T}
    np.testing.assert_array_equal(theirs.load(write(turned))["a"], turned["a"])


def test_a_header_gives_the_place_of_each_array():
    data = write(ARRAYS, {"key": "value"})
    header = _io.read_header(io.BytesIO(data).read, len(data))
    assert header.metadata == {"key": "value"}
    assert header.n_bytes + header.content == len(data)
    for name, tensor in header.tensors.items():
        part = data[header.n_bytes :][tensor.start : tensor.end]
        found = np.frombuffer(part, tensor.dtype).reshape(tensor.shape)
        np.testing.assert_array_equal(found, ARRAYS[name])


def forge(header, content=bytes(8)):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (forge({"a": ENTRY})[:20], "declares 61 bytes for itself"),
        (b"\xff" * 20, "declares 18446744073709551615 bytes"),
        (forge([1]), "is not that of safetensors"),
        (forge({"a": ENTRY | {"dtype": "F16"}}), "KeyError: 'F16'"),
        (forge({"a": ENTRY | {"shape": [3]}}), "does not fill the bytes 0 to 8"),
        (forge({"a": ENTRY | {"shape": [-2]}}), "must be integers from 0"),
        (forge({"a": ENTRY | {"shape": [True]}}), "must be integers from 0"),
        (forge({"a": ENTRY | {"data_offsets": [4, 12]}}), "begins at byte 4 instead"),
        (forge({"a": ENTRY, "b": ENTRY}), "begins at byte 0 instead of 8"),
        (forge({"a": ENTRY}, bytes(9)), "and needs"),
        (forge({"a": {}}), "KeyError: 'dtype'"),
        ((2).to_bytes(8, "little") + b"{]", "JSONDecodeError"),
    ],
)
def test_a_false_header_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        _io.read_header(io.BytesIO(data).read, len(data))


def test_a_cut_header_of_a_stream_is_refused():
    data = forge({"a": ENTRY})
    with pytest.raises(ValueError, match=r"its header has 12 of \d+ bytes"):
        _io.read_header(io.BytesIO(data[:20]).read)


@given(place=st.integers(0, 255), bit=st.integers(0, 7))
def test_what_safetensors_refuses_is_refused(place, bit):
    """Accept only headers that safetensors accepts, with equal arrays."""
    data = bytearray(write({"a": ARRAYS["matrix"], "b": ARRAYS["words"]}))
    data[place % len(data)] ^= 1 << bit
    try:
        header = _io.read_header(io.BytesIO(data).read, len(data))
    except ValueError:
        return
    try:
        right = theirs.load(bytes(data))
    except safetensors.SafetensorError as error:
        raise AssertionError(f"safetensors refuses it: {error}") from error
    assert set(header.tensors) == set(right)
    for name, tensor in header.tensors.items():
        assert right[name].shape == tensor.shape
