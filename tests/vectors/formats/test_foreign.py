"""Files in other formats, devices and pipes: refused, with the cause and the remedy."""

import gzip
import io
import os
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from jaxembed import vectors

ROWS = b"good 0.5 -1.5\nbad 0.25 2\n"


def tar_of(data):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        member = tarfile.TarInfo("vectors.txt")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return stream.getvalue()


def npy_of(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


PICKLES = [pickle.dumps({"good": [0.5]}, protocol) for protocol in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (tar_of(ROWS), "got a .tar archive: extract the file of word vectors"),
        (gzip.compress(tar_of(ROWS)), "got a .tar archive"),
        (npy_of(np.ones((2, 2), "f4")), "got an array of NumPy, which has no words"),
        *((data, "got a pickle, which is never read") for data in PICKLES),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "got an HDF5 file"),
        (b"\x28\xb5\x2f\xfd" + bytes(99), "got a .zst file: unpack it first"),
        (ROWS.decode().encode("utf-16"), "got text in UTF-16: convert it to UTF-8"),
        (ROWS.decode().encode("utf-16-le"), "got text in UTF-16"),
        (ROWS.decode().encode("utf-16-be"), "got text in UTF-16"),
        (ROWS.replace(b" ", b"\t"), r"\(it has tabs: replace them by spaces\)"),
        (b"2 2\n" + ROWS.replace(b" ", b"\t"), r":2: expected .* \(it has tabs"),
        (ROWS.replace(b".", b","), r"\(it has decimal commas: replace them by points"),
        (b"2 2\n" + ROWS.replace(b".", b","), r":2: .*got '0,5'.*decimal commas"),
        (b"<!DOCTYPE html>\n<html>\n", "has the tags of a web page: download the file"),
    ],
)
@pytest.mark.parametrize("format", [None, "glove"])
def test_the_cause_is_named(tmp_path, content, message, format):
    if format and content.startswith(b"2 2"):
        format = "word2vec"
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        vectors.load(path, format)


def test_an_npz_names_its_members(tmp_path):
    np.savez(tmp_path / "a.npz", words=np.array(["a"]), matrix=np.ones((1, 2)))
    with pytest.raises(ValueError, match="has the members .*append one"):
        vectors.load(tmp_path / "a.npz")
    with pytest.raises(ValueError, match=r"matrix\.npy must be .* an array of NumPy"):
        vectors.load(tmp_path / "a.npz" / "matrix.npy")


@pytest.mark.parametrize("word", ["\x93NUMPYx", "PAR1", "Rar!", "ustar", "<html>"])
def test_a_word_that_looks_like_another_format_is_read(tmp_path, word):
    path = tmp_path / "file"
    path.write_text(f"{word} 1 2\n" + "ustar 1 2\n" * 40, "utf-8")
    assert word in vectors.load(path).words


def test_devices_and_pipes_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", "/dev/null"):
        with pytest.raises(ValueError, match="must be a file, got a device or a named"):
            vectors.load(path)
        with pytest.raises(ValueError, match="must be a file, got a device or a named"):
            vectors.load(path, cache_dir=tmp_path / "cache")


def test_a_zip_by_lzma_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.txt", ROWS)
    with pytest.raises(
        ValueError, match=r"a\.txt must be stored, deflated or .*got meth"
    ):
        vectors.load(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.txt", ROWS)
    assert vectors.load(tmp_path / "b.zip").words == ("good", "bad")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"good 1.25 2.75\nbad 3.25 4.7",
            r":2: expected a newline after the last line",
        ),
        (b"good 1.25 2.75\nbad 3.25 4.75", "after 'bad 3.25 4.75', which may be cut"),
        (b"2 2\ngood 1.25 2.75\nbad 3.25 4.", r":3: expected a newline after the last"),
        (b"good 1 2\n\n\nbad 3 4", r":4: expected a newline"),
        (b"good 1 2\n 3 4\n", r":2: expected a word before the 2 numbers, got a space"),
        (b" 1.5 2.5\ngood 1 2\n", r":1: expected a word before the 2 numbers"),
        (b"2 2\ngood 1 2\n 3 4\n", r":3: expected a word before"),
        (b"good 1 2 \n 3 4 \n", r":2: expected a word before"),
        (b"1 1\n \x00\x00\x80\x3f", r"byte 4: expected a word, got a space"),
    ],
)
@pytest.mark.parametrize("vocabulary", [None, ["good"]])
def test_cut_numbers_and_rows_without_a_word_are_refused(
    tmp_path, content, message, vocabulary
):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        vectors.load(path, vocabulary=vocabulary)


def test_a_last_line_whose_numbers_have_an_end_is_read(tmp_path):
    path = tmp_path / "file"
    for end in (b" ", b"\r", b" \r"):
        path.write_bytes(b"good 1 2" + end + b"\nbad 3 4" + end)
        assert vectors.load(path)["bad"].tolist() == [3, 4]
    path.write_bytes(b"good 1 2\nbad 3 4")
    assert vectors.load(path, limit=1).words == ("good",)  # it is not reached
