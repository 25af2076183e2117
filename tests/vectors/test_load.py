"""Load: every format gives the same bits as gensim."""

import gzip
from pathlib import Path

import gensim
import numpy as np
import pytest
from gensim.models.fasttext import load_facebook_vectors

from jaxembed import vectors
from tests.vectors.conftest import fasttext_bin, read_by_gensim, text_of


def assert_equal(ours, theirs):
    assert list(ours.words) == theirs.index_to_key
    np.testing.assert_array_equal(ours.matrix, theirs.vectors, strict=True)


@pytest.mark.parametrize("end", ["\n", "\r\n", " \n", " "], ids=repr)
@pytest.mark.parametrize("header", [False, True])
def test_text_is_read_as_gensim_reads_it(small, write, header, end):
    content = text_of(small, header).replace("\n", end if "\n" in end else " \n")
    path = write(content if "\n" in end else content[:-1])
    ours = vectors.load(path)
    assert ours.words == small.words
    np.testing.assert_array_equal(ours.matrix, small.matrix)
    if end != "\r\n":
        theirs = read_by_gensim(path, no_header=not header)
        assert_equal(ours, theirs)


def test_binary_is_read_as_gensim_reads_it(small, write, tmp_path):
    path = vectors.save(small, tmp_path / "small.bin")
    theirs = read_by_gensim(path, binary=True)
    assert_equal(vectors.load(path), theirs)
    # Some tools end each row with a newline.
    head, *rows = path.read_bytes().partition(b"\n")
    body, with_ends = rows[1], b""
    for word, row in zip(small.words, small.matrix, strict=True):
        with_ends += word.encode() + b" " + row.tobytes() + b"\n"
    assert len(with_ends) == len(body) + len(small)
    assert_equal(vectors.load(write(head + b"\n" + with_ends)), theirs)


def test_a_fasttext_model_is_read_as_gensim_reads_it(write):
    words = ["the", "naïve", "кино", "long-ish word".replace(" ", "_"), "a"]
    path = write(fasttext_bin(words))
    ours, theirs = vectors.load(path), load_facebook_vectors(path)
    assert_equal(ours, theirs)
    for word in ("films", "x", "наивный", "", "漢字"):
        np.testing.assert_array_equal(ours[word], theirs[word])
    assert "films" in ours and "films" not in ours.index


def test_the_end_of_a_sentence_has_no_subwords(write):
    """Agree with fastText's .vec; gensim adds the n-grams of "<</s>>"."""
    path = write(fasttext_bin(["the", "</s>"]))
    ours, theirs = vectors.load(path), load_facebook_vectors(path)
    np.testing.assert_array_equal(ours["</s>"], theirs.vectors_vocab[1])
    np.testing.assert_array_equal(ours["the"], theirs["the"])


def test_an_old_classifier_has_no_subwords(write):
    """Agree with fastText on supervised models of version 11."""
    path = write(fasttext_bin(["the", "film"], version=11, model=3, labels=["x"]))
    loaded = vectors.load(path)
    rows = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    np.testing.assert_array_equal(loaded.matrix, rows[:2])
    assert loaded.subwords is None


def test_a_model_without_subwords_and_one_with_labels(write):
    path = write(fasttext_bin(["a", "b"], buckets=0, max_n=0))
    ours = vectors.load(path)
    assert_equal(ours, load_facebook_vectors(path))
    with pytest.raises(KeyError, match="'c' is not one of the 2 words"):
        ours["c"]
    classifier = fasttext_bin(["a", "b"], labels=["__label__x"], buckets=0, max_n=0)
    assert vectors.load(write(classifier)).words == ("a", "b")


GENSIM = Path(gensim.__file__).parent / "test" / "test_data"


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("name", "n_words"),
    [
        ("lee_fasttext.bin", 1762),
        ("non_ascii_fasttext.bin", 171),
        ("cp852_fasttext.bin", 171),
        ("lee_fasttext_new.bin", 1763),
        ("crime-and-punishment.bin", 291),
    ],
)
def test_the_models_of_gensims_tests(tmp_path, name, n_words, suffix):
    """Agree on all words but </s>; three files have the layout without magic number."""
    path, theirs = GENSIM / name, load_facebook_vectors(GENSIM / name)
    if suffix:
        path = tmp_path / name
        path.write_bytes(gzip.compress((GENSIM / name).read_bytes()))
    ours = vectors.load(path)
    assert list(ours.words) == theirs.index_to_key and len(ours) == n_words
    for word in {*ours.words, "unheard-of", "неслыханный", "a"} - {"</s>"}:
        np.testing.assert_array_equal(ours[word], theirs[word])
    some = vectors.load(path, vocabulary=[*ours.words[1::7], "unheard-of"])
    for word in some.words:
        np.testing.assert_array_equal(some[word], ours[word])


def test_the_first_layout_of_fasttext(write):
    """Find the vectors of the same model in today's layout."""
    today = vectors.load(write(fasttext_bin(version=12)))
    path = write(fasttext_bin(version=0), "old")
    for arguments in ({}, {"format": "fasttext"}):
        old = vectors.load(path, **arguments)
        assert old.words == today.words and repr(old.subwords) == repr(today.subwords)
        np.testing.assert_array_equal(old.matrix, today.matrix)
    theirs = load_facebook_vectors(path)
    np.testing.assert_array_equal(old["film"], theirs["film"])


def test_a_byte_order_mark_is_skipped(write):
    for content in ("good 1 2\nbad 3 4\n", "2 2\ngood 1 2\nbad 3 4\n"):
        loaded = vectors.load(write("\ufeff" + content))
        assert loaded.words == ("good", "bad")
        np.testing.assert_array_equal(loaded.matrix, [[1, 2], [3, 4]])
        some = vectors.load(write("\ufeff" + content), vocabulary=["good"])
        assert some.words == ("good",)


@pytest.mark.real_archive
@pytest.mark.parametrize(
    "name",
    [
        "word2vec_pre_kv_c",
        "euclidean_vectors.bin",
        "lee_fasttext.vec",
        "crime-and-punishment.vec",
        "test_glove.txt",
        "lee_fasttext_new.bin",
        "crime-and-punishment.bin",
    ],
)
def test_what_other_tools_wrote(formats, name):
    path, ours = formats / name, vectors.load(formats / name)
    if name in ("lee_fasttext_new.bin", "crime-and-punishment.bin"):
        theirs = load_facebook_vectors(path)
        others = [word for word in ours.words if word != "</s>"]
        assert list(ours.words) == theirs.index_to_key and len(others) > 200
        for word in [*others, "unheard-of", "неслыханный"]:
            np.testing.assert_array_equal(ours[word], theirs[word])
        return
    flags = {"binary": name.endswith(".bin"), "no_header": name == "test_glove.txt"}
    assert_equal(ours, read_by_gensim(path, **flags))


@pytest.mark.real_archive
def test_what_other_tools_wrote_agrees(formats):
    """Compare a fastText .bin with its .vec, which has five digits."""
    model = vectors.load(formats / "crime-and-punishment.bin")
    text = vectors.load(formats / "crime-and-punishment.vec")
    assert model.words == text.words
    np.testing.assert_allclose(model.matrix, text.matrix, rtol=1e-4)


@pytest.mark.real_archive
def test_a_file_that_promises_more_than_it_has(formats):
    message = r"vec:3: the header declares 3 rows, but the file ends after 1"
    with pytest.raises(ValueError, match=message):
        vectors.load(formats / "pretrained.vec")


def test_words_with_spaces(write):
    """Read words as in GloVe 840B."""
    path = write(". . . 0.5 -1\nthe 2 3\nto me@there.org 4 5\n at 6 7\n1 1/2 8 9\n")
    loaded = vectors.load(path)
    assert loaded.words == (". . .", "the", "to me@there.org", " at", "1 1/2")
    np.testing.assert_array_equal(loaded[". . ."], [0.5, -1])
    np.testing.assert_array_equal(loaded["1 1/2"], [8, 9])
    only = vectors.load(path, vocabulary=[". . .", "at"])
    assert only.words == (". . .",)


def test_a_space_behind_some_lines_only(write):
    """Find every word by a vocabulary."""
    path = write("x 1 2 \na 5 3 4\n at 3 4\nb 4 5 \n")
    whole = vectors.load(path)
    assert whole.words == ("x", "a 5", " at", "b")
    some = vectors.load(path, vocabulary=whole.words)
    assert some.words == whole.words
    np.testing.assert_array_equal(some.matrix, whole.matrix)


def test_a_header_with_spaces_around(write):
    path = write("  2 2" + " " * 80 + "\na 1 2\nb 3 4\n")
    assert vectors.load(path).words == ("a", "b")


def test_words_that_are_cut_inside_a_character(write):
    content = b"caf\xc3 1 2\ncaf\xc3\xa9 3 4\n\xe6\xbc 5 6\n"
    loaded = vectors.load(write(content))
    assert loaded.words == ("caf\\xc3", "café", "\\xe6\\xbc")
    assert vectors.load(write(content), vocabulary=["caf\\xc3"]).words == ("caf\\xc3",)
    for word in (b"\\x41\xc3", b"caf\xc3\\xc3\xa9"):
        path = write(word + b" 1 2\n")
        whole = vectors.load(path)
        assert vectors.load(path, vocabulary=whole.words).words == whole.words
    header = b"2 1\n"
    binary = header + b"caf\xc3 \x00\x00\x80\x3f" + b"b \x00\x00\x00\x40"
    assert vectors.load(write(binary)).words == ("caf\\xc3", "b")
    model = write(fasttext_bin([b"caf\xc3", "b"]))
    assert list(vectors.load(model).words) == load_facebook_vectors(model).index_to_key


def test_the_first_of_equal_words_counts(write):
    loaded = vectors.load(write("a 1\nb 2\na 3\nc 4\nb 5\nb 6\n"))
    assert loaded.words == ("a", "b", "c") and loaded.n_duplicates == 3
    np.testing.assert_array_equal(loaded.matrix.ravel(), [1, 2, 4])


@pytest.mark.parametrize("format", ["glove", "word2vec", "word2vec-binary"])
def test_limit_and_vocabulary(small, tmp_path, format):
    path = vectors.save(small, tmp_path / "file", format)
    assert vectors.load(path, limit=3).words == small.words[:3]
    assert vectors.load(path, limit=99).words == small.words
    some = vectors.load(path, vocabulary={"null": 5, "the": 1, "else": 2})
    assert some.words == ("the", "null")
    np.testing.assert_array_equal(some.matrix, small.matrix[[0, 3]])
    assert vectors.load(path, vocabulary=["null", "the"], limit=2).words == ("the",)


def test_a_model_gives_every_word_of_a_vocabulary(write):
    path = write(fasttext_bin(["the", "film", "bore", "</s>"]))
    whole = vectors.load(path)
    some = vectors.load(path, vocabulary=["zany", "film", "films", "</s>"])
    assert some.words == ("film", "</s>", "films", "zany") and some.subwords is None
    for word in some.words:
        np.testing.assert_array_equal(some[word], whole[word])
    few = vectors.load(path, limit=1)
    assert few.words == ("the",)
    np.testing.assert_array_equal(few["films"], whole["films"])
