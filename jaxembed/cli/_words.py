"""Words: neighbours and analogies in word vectors or in a model."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import tyro

Vectors: TypeAlias = tyro.conf.Positional[
    Annotated[str, tyro.conf.arg(metavar="VECTORS")]
]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Neighbours:
    """List the words nearest to a word, with their cosines.

        jaxembed neighbours glove.6B.100d.txt good
        jaxembed neighbours model good --topn 20
        jaxembed neighbours installed king woman --minus man

    Attributes:
      vectors: File of word vectors, folder of a model, or the word installed for GloVe.
      words: A word, or several whose vectors are added.
      minus: Words whose vectors are subtracted.
      topn: Number of words to list.
      limit: Number of words of the file to read, from the first on.
    """

    vectors: Vectors
    words: tyro.conf.Positional[
        Annotated[tuple[str, ...], tyro.conf.arg(metavar="WORD [WORD ...]")]
    ]
    minus: tuple[str, ...] = ()
    topn: int = 10
    limit: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Analogy:
    """Find the word that is to C as B is to A.

        jaxembed analogy installed man king woman     # queen

    Attributes:
      vectors: File of word vectors, folder of a model, or the word installed for GloVe.
      a: Word A.
      b: Word B.
      c: Word C.
      topn: Number of words to list.
      limit: Number of words of the file to read, from the first on.
    """

    vectors: Vectors
    a: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="A")]]
    b: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="B")]]
    c: tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="C")]]
    topn: int = 5
    limit: int | None = None


def load(
    source: str,
    limit: int | None = None,
    format: str | None = None,
    *,
    vocabulary: Iterable[str] | None = None,
) -> Any:
    """Return the vectors of a file, of a model, or the installed ones."""
    from jaxembed import vectors

    if source != "installed" and Path(source).is_dir():
        from jaxembed.model import TextModel

        return TextModel.load(source).vectors
    return vectors.load(source, format, limit=limit, vocabulary=vocabulary)


def list_neighbours(options: Neighbours) -> None:
    """Print the nearest words."""
    if not options.words:
        raise ValueError("give at least one word.")
    _print(load(options.vectors, options.limit), options.words, options)


def find_analogy(options: Analogy) -> None:
    """Print the words that complete the analogy."""
    positive = options.b, options.c
    _print(load(options.vectors, options.limit), positive, options, (options.a,))


def _print(
    word_vectors: Any,
    positive: tuple[str, ...],
    options: Any,
    negative: tuple[str, ...] | None = None,
) -> None:
    from jaxembed import geometry

    minus = options.minus if negative is None else negative
    found = geometry.most_similar(
        word_vectors, list(positive), list(minus), topn=options.topn
    )
    width = max((len(word) for word, _ in found), default=0)
    for word, cosine in found:
        print(f"{word:<{width}}  {cosine:.4f}")


COMMANDS = {
    "neighbours": (Neighbours, list_neighbours),
    "analogy": (Analogy, find_analogy),
}
