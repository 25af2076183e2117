"""Which word vectors an experiment uses: a file's, or made from the reviews."""

import dataclasses
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _run
from jaxembed import text, vectors

FILES = "glove.6B.100d*"  # looked for in $JAXEMBED_DATA


@dataclasses.dataclass(frozen=True, kw_only=True)
class VectorOptions(_run.Options):
    """The flags of experiments that use word vectors."""

    vectors: str = ""
    """Word vectors: a file in any format, a member of a .zip as in
    glove.6B.zip/glove.6B.100d.txt, or "ppmi" for vectors made from the reviews
    themselves. By default a file glove.6B.100d* in the folder $JAXEMBED_DATA; "ppmi"
    for the embedded reviews."""
    ppmi_dim: int = 100
    """Length of the vectors that are made from the reviews."""

    def chosen(self) -> "VectorOptions":
        """The same, with the data and the vectors that are meant."""
        options = super().chosen()
        assert isinstance(options, VectorOptions)
        name = choose_vectors(options.vectors, options.data)
        return dataclasses.replace(options, vectors=name)

    def sources(self) -> str:
        """What the first line says is used."""
        made = " (made from the reviews)" if self.vectors == "ppmi" else ""
        return f"{super().sources()}, vectors {self.vectors}{made}"

    def title(self, description: str) -> str:
        """The line above a picture, from the description of the data."""
        return f"{description}; vectors {Path(self.vectors).name}"


def choose_vectors(name: str, data: str) -> str:
    """What ``--vectors`` names, else what lies in ``$JAXEMBED_DATA``, else "ppmi"."""
    if name or data == "embedded":
        return name or "ppmi"
    if found := find_vectors():
        return found
    sys.exit(
        "error: this experiment needs word vectors: fetch glove.6B.zip from "
        "nlp.stanford.edu/projects/glove and give "
        "--vectors glove.6B.zip/glove.6B.100d.txt, or --vectors ppmi to make some "
        "from the reviews."
    )


def find_vectors() -> str:
    """A file of vectors in ``$JAXEMBED_DATA``, or ""."""
    folder = os.environ.get("JAXEMBED_DATA")
    found = sorted(Path(folder).glob(FILES)) if folder else []
    return str(found[0]) if found else ""


def load(options: VectorOptions, tokens: text.TokenizedCorpus) -> vectors.WordVectors:
    """The vectors of the words that the tokenizer knows, from the cache if there."""
    if options.vectors != "ppmi":
        return vectors.load(
            options.vectors,
            vocabulary=tokens.tokenizer.word_index,
            cache_dir=options.cache,
        )
    # The reviews without labels, if there are any, as one would have them.
    texts = tokens.unlabelled if len(tokens.unlabelled) else tokens.train
    digest = hashlib.sha256(texts.values.tobytes() + texts.offsets.tobytes())
    name = f"ppmi-{options.ppmi_dim}-{digest.hexdigest()[:32]}.safetensors"
    path = options.cache / name
    if path.is_file():
        try:
            return vectors.load(path)
        except ValueError:
            pass  # damaged: made again
    made = vectors.ppmi(texts, tokens.tokenizer, options.ppmi_dim)
    vectors.save(made, path)
    return made


def make_table(
    options: VectorOptions, tokens: text.TokenizedCorpus, num_words: int, missing: str
) -> tuple[np.ndarray, dict[str, Any]]:
    """The table of the tokenizer's words, and what ``metrics.json`` says of it."""
    word_vectors = load(options, tokens)
    table, coverage = vectors.embedding_matrix(
        tokens.tokenizer.word_index,
        word_vectors,
        num_words,
        missing,
        counts=tokens.tokenizer.word_counts,
        rng=np.random.default_rng(options.seed),
    )
    print(coverage)
    facts = {
        "source": Path(options.vectors).name,
        "n_words": coverage.n_words,
        "n_words_found": coverage.n_words_found,
        "n_tokens": coverage.n_tokens,
        "n_tokens_found": coverage.n_tokens_found,
        "missing": coverage.missing[:20],
    }
    return table, {"vectors": facts}
