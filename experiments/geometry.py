"""What lies near what: neighbours, analogies and a picture of a table of word vectors.

Notebook:  its opening, on what the geometry of an embedding space should be.
Run:       python -m experiments.geometry --vectors glove.6B.zip/glove.6B.100d.txt
           python -m experiments.geometry --checkpoint runs/imdb_learned/checkpoint
Expect:    of GloVe: king is near prince and queen, and man : king = woman : queen;
           on two CPU cores 5 s
Writes:    runs/geometry/{metrics.json,words.png}
"""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments import _run, _vectors
from jaxembed import geometry, plot, text, train, vectors

MAX_WORDS = 400_000  # of a file; what is searched, the most frequent first
CHOSEN = 12  # words that are shown where none are named


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_vectors.VectorOptions):
    """Which table, and what is asked of it."""

    checkpoint: Path | None = None
    """A checkpoint of an experiment, whose learned table is taken."""
    words: tuple[str, ...] = ()
    """Words whose neighbours are shown; by default some that the table has."""
    topn: int = 8
    """How many neighbours of each."""
    analogies: tuple[str, ...] = ()
    """Questions "a is to b as c is to ?", three words for each."""
    questions: Path | None = None
    """A file of analogies like questions-words.txt, to count the right answers."""
    pairs: Path | None = None
    """A file of word pairs like wordsim353.tsv, for the correlation with people."""

    def chosen(self) -> "Config":
        """The same; a table of a checkpoint needs neither reviews nor vectors."""
        if self.checkpoint is not None:
            if self.vectors:
                sys.exit("error: give --checkpoint or --vectors, not both.")
            return dataclasses.replace(self, data="none", vectors=str(self.checkpoint))
        found = self.vectors or (not self.data and _vectors.find_vectors())
        if found and found != "ppmi":
            return dataclasses.replace(self, data="none", vectors=found)
        options = super().chosen()
        assert isinstance(options, Config)
        return options

    def sources(self) -> str:
        """What the first line says is used."""
        return f"vectors {self.vectors}" if self.data == "none" else super().sources()

    def title(self, description: str) -> str:
        """The line above the picture."""
        if self.checkpoint is not None:
            return "/".join(self.checkpoint.parts[-2:])
        name = Path(self.vectors).name
        return name if self.data == "none" else super().title(description)


def run(config: Config) -> dict[str, Any]:
    """Prints the answers, and draws the words."""
    if len(config.analogies) % 3:
        raise ValueError(
            '--analogies takes three words for each question, a b c for "a is to b as '
            f'c is to ?", got {len(config.analogies)}.'
        )
    start = time.perf_counter()
    word_vectors = load_table(config)
    seconds = {"load": time.perf_counter() - start}
    print(word_vectors)
    start = time.perf_counter()
    words = config.words or choose_words(word_vectors)
    table = geometry.unit_table(word_vectors)
    neighbours = {
        word: geometry.most_similar(table, word, topn=config.topn) for word in words
    }
    for word, found in neighbours.items():
        print(f"{word}: " + ", ".join(f"{near} {cosine:.2f}" for near, cosine in found))
    answers = answer(config, table)
    measured = measure(config, word_vectors)
    shown = list(
        dict.fromkeys([*words, *(n for f in neighbours.values() for n, _ in f[:2])])
    )
    assert config.out is not None  # main fills it in
    title = config.title(config.data)
    if len(shown) < 3:
        print("no picture: it takes three words, so name more")
    else:
        points = geometry.project(word_vectors, shown)
        plot.words(points, shown, config.out / "words.png", title)
    return {
        "data": config.data,
        "config": _run.as_json(config),
        "neighbours": neighbours,
        "analogies": answers,
        **measured,
        "seconds": seconds | {"run": time.perf_counter() - start},
    }


def answer(config: Config, table: geometry.UnitTable) -> dict[str, Any]:
    """The words that answer each question, the nearest first."""
    answers = {}
    for a, b, c in zip(*[iter(config.analogies)] * 3, strict=True):
        found = geometry.most_similar(table, [b, c], [a], topn=config.topn)
        answers[f"{a} : {b} = {c} : ?"] = found
        print(f"{a} : {b} = {c} : {', '.join(word for word, _ in found)}")
    return answers


def load_table(config: Config) -> vectors.WordVectors:
    """The word vectors that the flags name."""
    if config.checkpoint is not None:
        return read_checkpoint(config.checkpoint)
    if config.vectors != "ppmi":
        return vectors.load(config.vectors, limit=MAX_WORDS, cache_dir=config.cache)
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    return _vectors.load(config, tokens)


def read_checkpoint(path: Path) -> vectors.WordVectors:
    """The words of a table that an experiment has trained or frozen.

    Raises:
      ValueError: if the checkpoint has no table and tokenizer of an experiment.
    """
    tree, extra = train.restore(path)
    params = tree.get("params", {}) | tree.get("frozen", {})
    if "embed" not in params or not {"tokenizer", "index_from"} <= set(extra):
        raise ValueError(
            f"--checkpoint {path} is not of an experiment: its params are "
            f"{sorted(params)}, and beside them it has {sorted(extra)}."
        )
    table = np.asarray(params["embed"]["embedding"])
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    rows = {w: i + extra["index_from"] for w, i in tokenizer.word_index.items()}
    kept = {word: row for word, row in rows.items() if row < len(table)}
    # Rows of zeros are words without a vector.
    kept = {word: row for word, row in kept.items() if table[row].any()}
    return vectors.WordVectors(list(kept), table[list(kept.values())])


def choose_words(word_vectors: vectors.WordVectors) -> tuple[str, ...]:
    """Words that the notebook's text is about, or else some that are frequent."""
    known = [word for word in NOTEBOOK if word in word_vectors.index]
    if len(known) >= 3:
        return tuple(known[:CHOSEN])
    last = min(len(word_vectors), 2_000) - 1
    places = np.linspace(min(50, last // 2), last, CHOSEN).astype(int)
    return tuple(word_vectors.words[i] for i in np.unique(places))


NOTEBOOK = "king queen cat dog wolf tiger good bad great terrible film actor".split()


def measure(config: Config, word_vectors: vectors.WordVectors) -> dict[str, Any]:
    """The files of analogies and of word pairs, where they are given."""
    measured: dict[str, Any] = {}
    if config.questions is not None:
        answers = geometry.evaluate_analogies(word_vectors, config.questions)
        for name, section in answers.sections.items():
            print(f"{name}: {section}")
        print(
            f"analogies: {answers.accuracy:.4f} of {answers.n_questions} right, "
            f"{answers.n_skipped} skipped for a word that is not known"
        )
        measured["analogy_accuracy"] = answers.accuracy
        measured["analogy_questions"] = answers.n_questions
    if config.pairs is not None:
        pairs = geometry.evaluate_word_pairs(word_vectors, config.pairs)
        print(
            f"word pairs: Spearman {pairs.spearman:.4f}, Pearson {pairs.pearson:.4f} "
            f"over {pairs.n_pairs}; {pairs.missing:.1%} have a word that is not known"
        )
        measured["pairs"] = dataclasses.asdict(pairs)
    return measured


if __name__ == "__main__":
    _run.main(Config, run)
