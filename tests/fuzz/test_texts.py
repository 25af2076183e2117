"""Files of reviews, ids, tokenizers and models under random damage."""

import gzip
import io
import json
import tarfile

import numpy as np
import pytest

from jaxembed import TextModel, text
from tests.conftest import REVIEWS
from tests.fuzz._mutations import mutate

TEXTS = ["good film", "a good joy", "bad film", "a bad bore"] * 5


@pytest.fixture(scope="module")
def tar():
    """Return the bytes of a .tar of reviews, with a name longer than 100 bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, review in (REVIEWS | {f"train/neg/{'a' * 120}.txt": "bad"}).items():
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(review.encode())
            archive.addfile(member, io.BytesIO(review.encode()))
    return stream.getvalue()


@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_a_damaged_archive(inside, rounds, tar, tmp_path):
    """Damage of the .gz is never read; damage inside it may change a review."""
    path, whole = tmp_path / "a.tar.gz", gzip.compress(tar)
    path.write_bytes(whole)
    right = text.load_imdb(path)
    for rng in rounds(seed=30 + inside):
        path.write_bytes(
            gzip.compress(mutate(tar, rng)) if inside else mutate(whole, rng)
        )
        with rounds.refusals(ValueError, OSError):
            corpus = text.load_imdb(path)
            assert inside or corpus.train_texts == right.train_texts
            assert all(review.strip() for review in corpus.train_texts)


def test_a_damaged_npz_of_keras(rounds, tmp_path):
    path, lists = tmp_path / "imdb.npz", np.empty(2, object)
    lists[:] = [[1, 14, 2], [5, 6]]
    np.savez(path, x_train=lists, y_train=[1, 0], x_test=lists, y_test=[0, 1])
    whole = path.read_bytes()
    for rng in rounds(seed=40):
        path.write_bytes(mutate(whole, rng))
        with rounds.refusals(ValueError, OSError):
            (ids, labels), _ = text.load_imdb_ids(path)
            assert len(ids) == len(labels) and (ids.values >= 0).all()


def test_a_damaged_tokenizer(rounds):
    whole = text.Tokenizer(50, oov_token="?").fit(TEXTS).to_json().encode()
    for rng in rounds(seed=41):
        damaged = mutate(whole, rng).decode("utf-8", "replace")
        with rounds.refusals(ValueError):
            tokenizer = text.Tokenizer.from_json(damaged)
            again = text.Tokenizer.from_json(tokenizer.to_json())
            assert again.word_index == tokenizer.word_index


def test_a_damaged_model(rounds, tmp_path):
    """Every byte has a digest: the predictions are right, or the model is refused."""
    folder = tmp_path / "model"
    model = TextModel.fit(TEXTS, ["pos", "pos", "neg", "neg"] * 5, epochs=1)
    model.save(folder)
    right = model.predict_proba(TEXTS[:4])
    files = sorted(folder.iterdir())
    for rng in rounds(seed=42):
        file = files[rng.integers(len(files))]
        whole = file.read_bytes()
        file.write_bytes(mutate(whole, rng))
        with rounds.refusals(ValueError, OSError):
            loaded = TextModel.load(folder)
            np.testing.assert_array_equal(loaded.predict_proba(TEXTS[:4]), right)
        file.write_bytes(whole)


def test_a_forged_model(rounds, tmp_path):
    """Settings with a right digest and other values are refused, or a model."""
    from jaxembed.model import _settings

    folder = tmp_path / "model"
    TextModel.fit(TEXTS, ["pos", "pos", "neg", "neg"] * 5, epochs=1).save(folder)
    path = folder / _settings.SETTINGS
    whole = json.loads(path.read_text())
    for rng in rounds(seed=43):
        settings = dict(whole)
        name = sorted(set(whole) - {"sha256"})[rng.integers(len(whole) - 1)]
        others = [None, [], {}, "x", -1, 10**20, 1e300, {"bytes": 1}, [1, "a"]]
        settings[name] = others[rng.integers(len(others))]
        settings["sha256"] = _settings.hash_settings(settings)
        path.write_text(json.dumps(settings))
        with rounds.refusals(ValueError, OSError, TypeError):
            TextModel.load(folder).predict_proba(TEXTS[:1])
