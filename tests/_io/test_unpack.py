"""Unpack: the content that Python's own readers find, and bombs refused early."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tempfile
import zipfile
import zlib

import numpy as np
import pytest

from jaxembed import _io, text, vectors
from jaxembed._io import _unpack
from tests._io.test_replace import largest_file
from tests.fuzz._rounds import peak_memory, reset_peak

MODULES = {"gz": gzip, "bz2": bz2, "xz": lzma}
KINDS = pytest.mark.parametrize("kind", MODULES)


def unpack(data, kind, size=1 << 16):
    stream, parts = _io.Unpacker(io.BytesIO(data), kind, "a"), []
    while part := stream.read1(size):
        assert len(part) <= size
        parts.append(part)
    assert stream.read1(size) == b""
    return b"".join(parts)


@KINDS
@pytest.mark.parametrize("size", [1, 1 << 12, 1 << 24])
def test_the_content_is_that_of_pythons_reader(kind, size):
    content = np.random.default_rng(0).bytes(3000).hex().encode() + bytes(2000)
    data = MODULES[kind].compress(content)
    assert unpack(data, kind, size) == content
    assert unpack(data + data, kind, size) == content + content
    assert unpack(data + bytes(70_000), kind, size) == content  # padding
    assert unpack(MODULES[kind].compress(b"") + data, kind, size) == content
    assert _io.find_compression(data) == kind
    assert _io.find_compression(content) is None


@KINDS
@pytest.mark.parametrize("place", [12, 100, -1])
def test_cut_data_are_refused(kind, place):
    data = MODULES[kind].compress(os.urandom(500))
    with pytest.raises(EOFError, match="end before their end marker"):
        unpack(data[:place], kind)
    with pytest.raises(_io.DAMAGES):
        unpack(data + b"other", kind)
    damaged = bytearray(data)
    damaged[len(data) // 2] ^= 1
    with pytest.raises(_io.DAMAGES):
        unpack(bytes(damaged), kind)


@KINDS
def test_a_bomb_is_refused_before_its_end(kind, monkeypatch):
    monkeypatch.setattr(_unpack, "ALLOWANCE", 1 << 20)
    data = MODULES[kind].compress(bytes(1 << 24))
    stream = _io.Unpacker(io.BytesIO(data), kind, "a.gz")
    with pytest.raises(
        ValueError, match=r"a\.gz unpacks to more than 50 times its size"
    ):
        while stream.read1(1 << 16):
            pass
    assert stream.n_unpacked < (1 << 20) + (1 << 18)
    text = np.random.default_rng(0).bytes(1 << 20).hex().encode()  # 2 times its size
    assert unpack(MODULES[kind].compress(text), kind) == text


def test_a_dictionary_of_many_gigabytes_is_refused(tmp_path):
    path, data = tmp_path / "a.xz", lzma.compress(b"good 1 2\n", preset=9)
    path.write_bytes(data)
    assert vectors.load(path).words == ("good",)
    end = 12 + 4 * (data[12] + 1)  # of the block's header, which has a checksum
    header = data[12 : end - 4].replace(b"\x21\x01\x1c", b"\x21\x01\x28")  # 4 GiB
    checksum = struct.pack("<I", zlib.crc32(header))
    path.write_bytes(data[:12] + header + checksum + data[end:])
    with pytest.raises(ValueError, match="needs more than 268,435,456 bytes of memory"):
        vectors.load(path)


def test_a_full_folder_of_temporary_files_is_explained(tmp_path):
    path = tmp_path / "a.safetensors.gz"
    vectors.save(vectors.WordVectors(["a"], np.ones((1, 999), np.float32)), path)
    message = r"/the content of a\.safetensors\.gz needs \d,\d+ bytes\. .*set TMPDIR"
    with largest_file(500), pytest.raises(OSError, match=message):
        vectors.load(path)


@pytest.fixture
def bomb(tmp_path):
    """Return the path of 300 MB of one row, in 1 MB."""
    path = tmp_path / "a.gz"
    with gzip.open(path, "wb", 1) as stream:
        row = b"good " + b" ".join(b"%d.%d" % (i, i) for i in range(20)) + b"\n"
        for _ in range(300):
            stream.write(row * (1_000_000 // len(row)))
    return path


@pytest.mark.parametrize("vocabulary", [None, ["good", "bad"]])
def test_one_row_many_times_is_refused(bomb, vocabulary):
    before = reset_peak()
    with pytest.raises(ValueError, match="unpacks to more than 50 times its size"):
        vectors.load(bomb, vocabulary=vocabulary)
    assert peak_memory() - before < 300_000_000


def test_a_member_of_a_zip_that_expands_too_far_is_refused_unread(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"good 1 2\n" * 10_000_000)
        archive.writestr("b.txt", b"good 1 2\n")
    with pytest.raises(ValueError, match=r"a\.txt unpacks to more than 50 times"):
        vectors.load(path / "a.txt")
    assert vectors.load(path / "b.txt").words == ("good",)


def test_a_keras_file_that_expands_too_far_is_refused(tmp_path):
    lists = np.empty(1, object)
    lists[:] = [[1]]
    arrays = {"x_train": np.zeros(20_000_000, int), "y_train": [1]}
    np.savez_compressed(tmp_path / "a.npz", **arrays, x_test=lists, y_test=[1])
    with pytest.raises(ValueError, match="x_train unpacks to more than 50 times"):
        text.load_imdb_ids(tmp_path / "a.npz")


def test_a_header_is_checked_before_anything_is_unpacked(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors.gz"
    vectors.save(vectors.WordVectors(["a"], np.ones((1, 2), np.float32)), path)
    whole = gzip.decompress(path.read_bytes())

    def refuse(*_, **__):
        raise AssertionError("a temporary file was made")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    for content in (
        struct.pack("<Q", 30) + b"{" + bytes(1 << 20),
        whole.replace(b'"shape":[1,2]', b'"shape":[9,2]'),
        whole.replace(b"matrix", b"matrik"),
    ):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match="cannot be read as word vectors in saf"):
            vectors.load(path)
    monkeypatch.undo()
    for content in (whole + bytes(9), whole[:-1]):
        path.write_bytes(gzip.compress(content))
        with pytest.raises(ValueError, match=r"does not have the \d+ bytes that its"):
            vectors.load(path)
