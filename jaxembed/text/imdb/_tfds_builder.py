"""TFDS builder of the IMDB reviews, without TensorFlow.

The registered builder ``imdb_reviews`` opens the archive with TensorFlow
(tensorflow/datasets#11058); this builder reads it as a stream. Only :mod:`_tfds`
imports this module, because it imports tensorflow_datasets.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from jaxembed.text.imdb._archive import ORIGINAL, Archive, read_archive


@dataclasses.dataclass
class TextsConfig(tfds.core.BuilderConfig):
    """Archive to prepare. Its hash is part of the path, to keep archives apart."""

    archive: Archive = ORIGINAL


class ImdbTexts(tfds.core.GeneratorBasedBuilder):
    """Builder of the splits ``train``, ``test`` and, optionally, ``unsupervised``.

    Reviews are sorted by file name, so that their ids equal the ids from the folder or
    the archive. Unlabelled reviews have label -1.
    """

    VERSION = tfds.core.Version("1.0.0")

    @property
    def url_infos(self) -> dict[str, checksums.UrlInfo]:
        """Size and hash of the archive, which TFDS verifies."""
        archive = self.builder_config.archive
        info = checksums.UrlInfo(archive.size, archive.sha256, archive.name)
        return {archive.url: info}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["neg", "pos"]),
                }
            ),
            supervised_keys=("text", "label"),
            homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        path = dl_manager.download(self.builder_config.archive.url)
        parts = read_archive(Path(path))
        splits: dict[str, list] = {"train": [], "test": [], "unsupervised": []}
        for (split, label), texts in sorted(parts.items()):
            name = "unsupervised" if label == "unsup" else split
            splits[name] += [
                (text, -1 if label == "unsup" else label) for text in texts
            ]
        return {
            name: self._generate_examples(rows) for name, rows in splits.items() if rows
        }

    def _generate_examples(self, rows: list) -> Iterator[tuple[int, dict]]:
        # Integer keys: without shuffling, TFDS sorts the examples by key.
        for key, (text, label) in enumerate(rows):
            yield key, {"text": text, "label": label}
