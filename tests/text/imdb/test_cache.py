"""Token cache: entries are found by content and rebuilt if damaged."""

import numpy as np
import pytest

from jaxembed import text
from jaxembed.text.imdb import _cache as module
from tests.conftest import REVIEWS


def same(a, b):
    parts = ("train", "test", "unlabelled")
    return (
        all(getattr(a, part) == getattr(b, part) for part in parts)
        and a.tokenizer.to_json() == b.tokenizer.to_json()
        and a.tokenizer.word_index == b.tokenizer.word_index
        and np.array_equal(a.train_labels, b.train_labels)
        and np.array_equal(a.test_labels, b.test_labels)
        and a.description == b.description
    )


@pytest.fixture
def count_tokenised(monkeypatch):
    calls = []
    tokenise = module._tokenize
    monkeypatch.setattr(module, "_tokenize", lambda *a: calls.append(1) or tokenise(*a))
    return calls


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_the_second_time_comes_from_the_cache(
    kind, make_folder, make_archive, tmp_path, count_tokenised
):
    source = make_folder() if kind == "folder" else make_archive()
    first = text.load_imdb_tokens(source, cache_dir=tmp_path / "a" / "cache")
    second = text.load_imdb_tokens(source, cache_dir=tmp_path / "a" / "cache")
    assert len(count_tokenised) == 1
    assert same(first, second)
    assert same(first, text.load_imdb_tokens(source))
    assert [p.suffix for p in (tmp_path / "a/cache").iterdir()] == [".safetensors"]


def test_other_content_or_settings_are_another_entry(
    make_folder, make_archive, tmp_path, count_tokenised
):
    cache = tmp_path / "cache"
    text.load_imdb_tokens(make_folder(), cache_dir=cache)
    changed = REVIEWS | {"test/neg/0_1.txt": "Another bore."}
    assert (
        text.load_imdb_tokens(make_folder(changed), cache_dir=cache).test[0].size == 1
    )
    for settings in ({"num_words": 3}, {"oov_token": "?"}, {"lower": False}):
        tokenizer = text.Tokenizer(**settings)
        tokens = text.load_imdb_tokens(make_archive(), tokenizer, cache_dir=cache)
        assert same(tokens, text.load_imdb_tokens(make_archive(), tokenizer))
    assert len(list(cache.iterdir())) == 5


@pytest.mark.parametrize("cached", [False, True])
def test_a_fitted_tokenizer_is_used_unchanged(make_archive, tmp_path, cached):
    """Check that ids are those of its vocabulary, not of the training reviews."""
    fitted = text.Tokenizer(num_words=4).fit(["bore fun bore film bore fun joy"])
    before = fitted.to_json()
    settings = {"cache_dir": tmp_path / "cache"} if cached else {}
    for _ in range(1 + cached):
        tokens = text.load_imdb_tokens(make_archive(), fitted, **settings)
        assert tokens.tokenizer.to_json() == fitted.to_json() == before
        assert tokens.test.tolist() == [[1], [2]]  # a bad bore; such good fun
    other = text.load_imdb_tokens(make_archive(), text.Tokenizer(4), **settings)
    assert other.tokenizer.word_index != fitted.word_index


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_cache_is_rebuilt(make_archive, tmp_path, count_tokenised, damage):
    archive, cache = make_archive(), tmp_path / "cache"
    first = text.load_imdb_tokens(archive, cache_dir=cache)
    (file,) = cache.iterdir()
    data = bytearray(file.read_bytes())
    whole = bytes(data)
    if damage == "flip":
        data[-3] ^= 1  # in the values: safetensors itself does not detect it
    file.write_bytes(
        {"cut": data[:-5], "empty": b"", "other": b"x" * 99}.get(damage, data)
    )
    again = text.load_imdb_tokens(archive, cache_dir=cache)
    assert len(count_tokenised) == 2
    assert same(first, again)
    assert file.read_bytes() == whole


def test_an_interrupted_write_leaves_nothing(make_archive, tmp_path, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        text.load_imdb_tokens(make_archive(), cache_dir=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_copy_by_another_name_is_told_by_its_own(make_archive, tmp_path):
    first = make_archive()
    second = first.with_name("mine.tar.gz")
    second.write_bytes(first.read_bytes())
    for path in (first, second, first):
        tokens = text.load_imdb_tokens(path, cache_dir=tmp_path / "cache")
        assert tokens.description == f"{path.name} (an archive)"


def test_a_cache_that_cannot_be_made_fails_before_the_work(
    make_archive, tmp_path, count_tokenised
):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        text.load_imdb_tokens(make_archive(), cache_dir=tmp_path / "file")
    assert count_tokenised == []


@pytest.mark.long
@pytest.mark.real_reviews
def test_real_reviews_from_the_cache(real_reviews, tmp_path):
    first = text.load_imdb_tokens(real_reviews, cache_dir=tmp_path)
    assert len(first.tokenizer.word_index) == 88_582
    assert same(first, text.load_imdb_tokens(real_reviews, cache_dir=tmp_path))
