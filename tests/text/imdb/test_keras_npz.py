"""Keras's IMDB ids: encoding, and reading imdb.npz without executing its code."""

import io
import os
import pickle
import resource
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import text
from jaxembed.text.imdb import _keras_npz

TRAIN = [[1, 2, 3, 9], [5], [4, 4, 1]]
TEST = [[7, 1], [2]]


def objects(lists):
    array = np.empty(len(lists), object)
    array[:] = lists
    return array


@pytest.fixture
def make_npz(tmp_path):
    def make(**changed):
        arrays = {
            "x_train": objects(TRAIN),
            "y_train": np.array([1, 0, 1]),
            "x_test": objects(TEST),
            "y_test": np.array([0, 1]),
        }
        path = tmp_path / "imdb.npz"
        np.savez(path, **(arrays | changed))
        return path

    return make


def replace_member(path, name, data):
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in (members | {name: data}).items():
            archive.writestr(member, content)
    return path


def keras_load(path, monkeypatch, **arguments):
    """Load a local file with ``keras.datasets.imdb.load_data``."""
    from keras.src.datasets import imdb

    monkeypatch.setattr(imdb, "get_file", lambda **_: str(path))
    (x_train, y_train), (x_test, y_test) = imdb.load_data(**arguments)
    # Keras returns lists of equal length as one array.
    ids = [[list(map(int, row)) for row in rows] for rows in (x_train, x_test)]
    return (ids[0], y_train.tolist()), (ids[1], y_test.tolist())


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_words": 8},
        {"num_words": 100, "skip_top": 6},
        {"num_words": 8, "start_char": None},
        {"num_words": 8, "oov_char": None},
        {"num_words": 8, "index_from": 0, "start_char": None},
        {"num_words": 9, "seed": 5},
    ],
    ids=str,
)
def test_equal_to_keras(make_npz, monkeypatch, arguments):
    path = make_npz()
    theirs = keras_load(path, monkeypatch, **arguments)
    for (ids, labels), expected in zip(
        text.load_imdb_ids(path, **arguments), theirs, strict=True
    ):
        assert (ids.tolist(), labels.tolist()) == expected


def test_all_words_are_kept_without_num_words(make_npz):
    (ids, labels), _ = text.load_imdb_ids(make_npz())
    assert sorted(ids.tolist()) == sorted([1, *(i + 3 for i in x)] for x in TRAIN)
    assert labels.dtype == np.int32


def test_encode_from_raw_texts():
    tokenizer = text.Tokenizer().fit(["a a a b b c"])
    ids = text.encode_imdb(tokenizer.encode(["a b c new", ""]), num_words=6)
    assert ids.tolist() == [[1, 4, 5, 2], [1]]


@given(
    st.lists(st.lists(st.integers(1, 20), max_size=5), max_size=5),
    st.sampled_from([None, 5, 12]),
    st.sampled_from([0, 4]),
    st.sampled_from([None, 1]),
    st.sampled_from([None, 2]),
    st.sampled_from([0, 3]),
)
def test_encode_equals_the_words_of_the_docstring(
    ranks, num_words, skip_top, start_char, oov_char, index_from
):
    expected = []
    for sequence in ranks:
        start = [] if start_char is None else [start_char]
        ids = start + [rank + index_from for rank in sequence]
        limit = 10**9 if num_words is None else num_words
        ids = [i if skip_top <= i < limit else oov_char for i in ids]
        expected.append([i for i in ids if i is not None])
    got = text.encode_imdb(
        text.Ragged.from_lists(ranks),
        num_words,
        skip_top=skip_top,
        start_char=start_char,
        oov_char=oov_char,
        index_from=index_from,
    )
    assert got.tolist() == expected


class Exploit:
    """Object that creates a file when an ordinary unpickler loads it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_code_in_the_file_is_not_run(make_npz, tmp_path):
    mark = tmp_path / "it ran".replace(" ", "_")
    path = make_npz(x_train=objects([[1], [2], Exploit(mark)]))
    with np.load(path, allow_pickle=True) as trusting:
        trusting["x_train"]
    assert mark.exists()  # the file is dangerous
    mark.unlink()
    with pytest.raises(
        ValueError, match=r"not a valid imdb.npz .* its pickle asks for \w+\.system"
    ):
        text.load_imdb_ids(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"x_train": objects([[1], [2.5], [3]])},
            r"x_train\[1\] must be a list of int",
        ),
        ({"x_train": objects([[1], [True], [3]])}, r"x_train\[1\] must be a list of"),
        ({"x_train": objects([[1], "ab", [3]])}, r"x_train\[1\] must be a list of int"),
        ({"x_test": objects([[1], [-1]])}, r"x_test\[1\] has an id outside of \[0"),
        ({"x_test": objects([[1], [2**40]])}, r"x_test\[1\] has an id outside of \[0"),
        ({"x_test": np.zeros((2, 3))}, r"x_test must be a list of lists"),
        ({"y_test": np.array([0, 2])}, "y_test must hold the labels 0 and 1"),
        ({"y_test": np.array([0, 1, 1])}, "y_test must have a label for each of the 2"),
        ({"y_test": np.array([0.0, 1.0])}, r"got float64\(2,\)"),
        (
            {"y_test": objects([0, 1])},
            "not a valid imdb.npz .* Object arrays cannot be loaded",
        ),
    ],
    ids=str,
)
def test_other_content_is_refused(make_npz, changed, message):
    with pytest.raises(ValueError, match=message):
        text.load_imdb_ids(make_npz(**changed))


def test_a_small_file_of_many_ids_is_refused(make_npz, monkeypatch):
    monkeypatch.setattr(_keras_npz, "MAX_IDS", 10_000)
    same = [1] * 1000  # pickled once, and 50 times in the list
    with pytest.raises(ValueError, match="x_train has more than 10000 ids"):
        text.load_imdb_ids(make_npz(x_train=objects([same] * 50)))


def test_a_member_larger_than_it_may_be_is_not_read(make_npz, monkeypatch):
    monkeypatch.setattr(_keras_npz, "MAX_MEMBER_BYTES", 100)
    with pytest.raises(ValueError, match=r"x_train has \d+ bytes, more than 100"):
        text.load_imdb_ids(make_npz())


def test_a_cut_file_is_refused(make_npz):
    path = make_npz()
    data = path.read_bytes()
    for size in range(0, len(data), 97):
        path.write_bytes(data[:size])
        with pytest.raises(ValueError, match="is not a valid imdb.npz of Keras"):
            text.load_imdb_ids(path)


def test_corrupted_pickles_raise_nothing_else(make_npz, tmp_path):
    """Change bytes inside of the archive, where checksums do not detect them."""
    with zipfile.ZipFile(make_npz()) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    rng = np.random.default_rng(0)
    path = tmp_path / "flipped.npz"
    for _ in range(300):
        flipped = {name: bytearray(data) for name, data in members.items()}
        data = flipped["x_train.npy"]
        data[rng.integers(len(data))] = rng.integers(256)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in flipped.items():
                archive.writestr(name, bytes(content))
        try:
            (ids, _), _ = text.load_imdb_ids(path)
        except ValueError as error:
            assert "imdb.npz" in str(error) or "x_train" in str(error)
        else:
            assert len(ids) == len(TRAIN)


def test_a_pickle_of_something_else_is_refused(make_npz):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    data = header.getvalue() + pickle.dumps({"a": 1})
    path = replace_member(make_npz(), "x_test.npy", data)
    with pytest.raises(ValueError, match="it holds a dict, not an array"):
        text.load_imdb_ids(path)


def test_no_file_is_an_error_that_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/none is not a file"):
        text.load_imdb_ids(tmp_path / "none")


@pytest.mark.parametrize(
    "code",
    [
        pickle.LONG_BINPUT + (2**32 - 1).to_bytes(4, "little"),  # a memo of 64 GB
        pickle.BYTEARRAY8 + (2**40).to_bytes(8, "little"),  # a terabyte of room
        pickle.BINUNICODE8 + (2**40).to_bytes(8, "little"),
        pickle.LONG4 + (2**31 - 1).to_bytes(4, "little"),
    ],
    ids=["memo", "bytearray", "text", "long"],
)
def test_a_pickle_takes_no_more_memory_than_it_has(make_npz, code):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    data = header.getvalue() + b"\x80\x05" + pickle.EMPTY_LIST + code + pickle.STOP
    path = replace_member(make_npz(), "x_test.npy", data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="is not a valid imdb.npz of Keras"):
        text.load_imdb_ids(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB
