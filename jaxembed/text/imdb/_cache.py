"""Token cache: tokenize a corpus once and keep its ids in a file."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from jaxembed import _io
from jaxembed.text._ragged import Ragged
from jaxembed.text._tokenizer import Tokenizer
from jaxembed.text.imdb import _installed
from jaxembed.text.imdb._corpus import Corpus, check_test, load_imdb

# Part of the cache key, so that files in another format are not read.
FORMAT = "jaxembed tokens 1"
PARTS = ("train", "test", "unlabelled")


@dataclasses.dataclass(frozen=True)
class TokenizedCorpus:
    """Corpus whose texts are converted to ids.

    Attributes:
      tokenizer: tokenizer that made the ids.
      train: ids of N training texts.
      train_labels: ``int32[N]``.
      test: ids of M test texts; empty if the source lacks a test part.
      test_labels: ``int32[M]``.
      unlabelled: ids of the texts without labels.
      description: source of the reviews, as in :class:`Corpus`.
    """

    tokenizer: Tokenizer
    train: Ragged
    train_labels: np.ndarray
    test: Ragged
    test_labels: np.ndarray
    unlabelled: Ragged
    description: str

    def check_test(self) -> None:
        """Raise unless there are test reviews.

        Raises:
          ValueError: says which source has them.
        """
        check_test(len(self.test), self.description)


def load_imdb_tokens(
    source: str | Path,
    tokenizer: Tokenizer | None = None,
    *,
    cache_dir: str | Path | None = None,
    **settings: Any,
) -> TokenizedCorpus:
    """Load the reviews of :func:`load_imdb` as ids, from a cache if possible.

    The cache key is a digest of the source and of the tokenizer. For an archive the
    digest covers the name and the bytes, for any other source the texts and the labels.
    A damaged cache file is replaced.

    Args:
      source: see :func:`load_imdb`.
      tokenizer: a fitted tokenizer is used unchanged. With an unfitted tokenizer, a new
        tokenizer with the same settings is fitted on the training texts. None for
        ``Tokenizer()``, which keeps all words.
      cache_dir: directory of the cache, created if missing; None to disable the cache.
      **settings: other arguments of :func:`load_imdb`.

    Returns:
      :class:`TokenizedCorpus`.

    Raises:
      Exception: any error of :func:`load_imdb`.
      OSError: if ``cache_dir`` is a file.

    Warns:
      UserWarning: if ``cache_dir`` cannot be written, or its disk is full.

    Example:
      >>> tokens = load_imdb_tokens("synthetic")
      >>> tokens.train[0][:4], tokens.tokenizer.decode([tokens.train[0][:4]])
      (array([ 13, 547, 343,   1], dtype=int32), ['not zanora safegu the'])
    """
    tokenizer = Tokenizer() if tokenizer is None else tokenizer
    if cache_dir is None:
        return _tokenize(load_imdb(source, **settings), tokenizer)
    path = _installed.find_reviews() if source == "installed" else Path(source)
    if path.is_file():  # hashing is faster than reading the reviews
        # The name is in the key because it is part of the description.
        corpus, content = None, f"{Path(source).name} {_hash_file(path)}"
    else:
        corpus = load_imdb(source, **settings)
        content = _hash_corpus(corpus)
    folder = _io.make_cache(cache_dir)  # fails before tokenizing
    cached = folder / f"tokens-{_key(content, tokenizer)}.safetensors"
    tokens = _read(cached) if cached.is_file() else None
    if tokens is None:
        corpus = load_imdb(source, **settings) if corpus is None else corpus
        tokens = _tokenize(corpus, tokenizer)
        _write(cached, tokens)
    return tokens


def _tokenize(corpus: Corpus, given: Tokenizer) -> TokenizedCorpus:
    tokenizer = given
    if not given.word_counts:
        tokenizer = Tokenizer(
            given.num_words,
            filters=given.filters,
            lower=given.lower,
            oov_token=given.oov_token,
        ).fit(corpus.train_texts)
    return TokenizedCorpus(
        tokenizer,
        tokenizer.encode(corpus.train_texts),
        corpus.train_labels,
        tokenizer.encode(corpus.test_texts),
        corpus.test_labels,
        tokenizer.encode(corpus.unlabelled_texts),
        corpus.description,
    )


def _key(content: str, tokenizer: Tokenizer) -> str:
    settings = [
        tokenizer.num_words,
        tokenizer.filters,
        tokenizer.lower,
        tokenizer.oov_token,
    ]
    fitted = [tokenizer.to_json()] if tokenizer.word_counts else []
    text = json.dumps([FORMAT, content, settings, *fitted])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_corpus(corpus: Corpus) -> str:
    digest = hashlib.sha256(corpus.description.encode())
    for texts in (corpus.train_texts, corpus.test_texts, corpus.unlabelled_texts):
        digest.update(f"\n{len(texts)}\n".encode())
        for text in texts:
            data = text.encode("utf-8", "surrogatepass")
            digest.update(b"%d " % len(data))  # tells ["ab"] from ["a", "b"]
            digest.update(data)
    for labels in (corpus.train_labels, corpus.test_labels):
        digest.update(labels.tobytes())
    return digest.hexdigest()


def _write(path: Path, tokens: TokenizedCorpus) -> None:
    """Write the corpus to ``path`` atomically; warn if that fails."""
    header = {"tokenizer": tokens.tokenizer.to_json(), "source": tokens.description}
    arrays = {"header": np.frombuffer(json.dumps(header).encode(), np.uint8)}
    for part in PARTS:
        arrays[f"{part}_values"] = getattr(tokens, part).values
        arrays[f"{part}_offsets"] = getattr(tokens, part).offsets
    for part in ("train_labels", "test_labels"):
        arrays[part] = getattr(tokens, part)
    # safetensors does not detect a flipped bit.
    metadata = {"sha256": _io.hash_arrays(arrays)}
    _io.write_cache(
        path,
        lambda stream: _io.write_tensors(arrays, stream, metadata),
        n_bytes=sum(array.nbytes for array in arrays.values()),
        stacklevel=3,
    )


def _read(path: Path) -> TokenizedCorpus | None:
    """Read a file of :func:`_write`; return None if the file is damaged."""
    import safetensors

    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            digest = (file.metadata() or {}).get("sha256")
    except (OSError, safetensors.SafetensorError):
        return None
    if digest != _io.hash_arrays(arrays):
        return None
    header = json.loads(arrays["header"].tobytes())
    train, test, unlabelled = (
        Ragged(arrays[f"{part}_values"], arrays[f"{part}_offsets"]) for part in PARTS
    )
    return TokenizedCorpus(
        Tokenizer.from_json(header["tokenizer"]),
        train,
        arrays["train_labels"],
        test,
        arrays["test_labels"],
        unlabelled,
        header["source"],
    )
