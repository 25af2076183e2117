"""Synthetic reviews: generate a corpus without any file or network."""

import dataclasses

import numpy as np

from jaxembed.text.imdb._archive import Parts

FUNCTION_WORDS = (
    "the a and of to is in it this that i as with for was but on movie film you are "
    "his have be one he all at by an they who so from like or just about her there"
).split()
NEGATIONS = ("not", "never", "hardly")
SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]


@dataclasses.dataclass(frozen=True)
class Grammar:
    """Settings of the generator of synthetic reviews."""

    n_topics: int = 12
    groups_per_topic: int = 10  # groups of synonyms that only one topic uses
    groups_per_polarity: int = 20  # groups of synonyms with a sentiment (polar words)
    words_per_group: int = 12  # synonyms in a topic's group
    words_per_polar_group: int = 100  # synonyms in a group with a sentiment
    sentence_length: int = 12
    median_length: int = 170  # words in a review
    length_spread: float = 0.6  # standard deviation of the logarithm of the length
    function_share: float = 0.45  # share of function words
    polar_share: float = 0.35  # share of polar words in a sentence with a sentiment
    negated_share: float = 0.15  # share of polar words that are negated
    n_verdict: int = 2  # sentences of the verdict, at the end of a review
    # Share of sentences with a sentiment: before the verdict, in the verdict.
    polar: tuple[float, float] = (0.4, 0.8)
    # Share of these sentences that agree with the review: before and in the verdict.
    agreeing: tuple[float, float] = (0.76, 0.9)


def synthetic_reviews(
    seed: int,
    *,
    n_train: int = 10_000,
    n_test: int = 5_000,
    n_unlabelled: int = 10_000,
    grammar: Grammar = Grammar(),  # noqa: B008  # frozen
) -> Parts:
    """Generate reviews with a sentiment. They are **synthetic**: no person wrote them.

    Use them to try the library without the real reviews; results on them say nothing
    about real text. Each review has a topic and a sentiment. Its words are function
    words, synonyms from groups of its topic, and synonyms from groups with the
    sentiment of their sentence. Some sentiment words are negated. The sentiment of a
    sentence is mostly that of the review, above all in the last two sentences. Words
    and groups are Zipf-distributed and lengths log-normal, as in real reviews. Of the
    5,483 words, 4,000 carry a sentiment. A bag-of-words classifier reaches a test
    accuracy of 0.88. Vectors trained on the unlabelled reviews cover synonyms that are
    missing from 200 training reviews.

    Args:
      seed: random seed; equal seeds give equal reviews.
      n_train: number of training reviews, half of them positive.
      n_test: number of test reviews, half of them positive.
      n_unlabelled: number of reviews without a label.
      grammar: settings of the generator.

    Returns:
      The texts of each (split, label), in the form of :func:`read_folder`.

    Example:
      >>> parts = synthetic_reviews(0, n_train=2, n_test=2, n_unlabelled=2)
      >>> {part: len(texts) for part, texts in parts.items()}
      {('train', 'neg'): 1, ('train', 'pos'): 1, ('test', 'neg'): 1, ('test', 'pos'): 1,
       ('train', 'unsup'): 2}
    """
    rng = np.random.default_rng(seed)
    parts: Parts = {}
    for split, n_reviews in (("train", n_train), ("test", n_test)):
        for label, name in enumerate(("neg", "pos")):
            size = (n_reviews + label) // 2
            parts[split, name] = _make(rng, np.full(size, label), grammar)
    sentiments = (rng.random(n_unlabelled) < 0.5).astype(np.int64)
    parts["train", "unsup"] = _make(rng, sentiments, grammar)
    return parts


def _make(rng: np.random.Generator, sentiments: np.ndarray, grammar: Grammar) -> list:
    """Generate one review for each of ``int[n]`` sentiments, 0 or 1."""
    if not sentiments.size:
        return []
    logs = np.log(grammar.median_length) + grammar.length_spread * rng.standard_normal(
        sentiments.size
    )
    # Whole sentences, so that all words fit into one array int[sentences, words].
    n_sentences = np.clip(np.exp(logs) / grammar.sentence_length, 2, 80).astype(int)
    review_of = np.repeat(np.arange(sentiments.size), n_sentences)
    from_end = np.repeat(np.cumsum(n_sentences), n_sentences) - np.arange(
        review_of.size
    )
    is_verdict = (from_end <= grammar.n_verdict).astype(int)
    agrees = rng.random(review_of.size) < np.array(grammar.agreeing)[is_verdict]
    polarity = np.where(agrees, sentiments[review_of], 1 - sentiments[review_of])
    is_polar = rng.random(review_of.size) < np.array(grammar.polar)[is_verdict]
    topic = rng.integers(0, grammar.n_topics, sentiments.size)[review_of]
    words = _sentences(rng, polarity, is_polar, topic, grammar)  # int[sentences, words]
    texts = _vocabulary(grammar)[words]
    texts[:, -1] += "."
    flat, stops = texts.ravel(), np.cumsum(n_sentences) * grammar.sentence_length
    starts = np.concatenate([[0], stops[:-1]])
    return [" ".join(flat[i:j]) for i, j in zip(starts, stops, strict=True)]


def _sentences(
    rng: np.random.Generator,
    polarity: np.ndarray,
    is_polar: np.ndarray,
    topic: np.ndarray,
    grammar: Grammar,
) -> np.ndarray:
    """Draw word numbers ``int[S, W]`` of sentences with properties of shape ``[S]``."""
    shape = (polarity.size, grammar.sentence_length)
    kind = rng.random(shape)
    is_function = kind < grammar.function_share
    is_polar = is_polar[:, None] & (kind >= 1 - grammar.polar_share)
    function = _zipf(rng, len(FUNCTION_WORDS), shape)
    group = topic[:, None] * grammar.groups_per_topic
    group = group + _zipf(rng, grammar.groups_per_topic, shape)
    topical = group * grammar.words_per_group
    topical = topical + _zipf(rng, grammar.words_per_group, shape)
    # A negation comes before a word of the opposite polarity.
    is_negated = is_polar & (rng.random(shape) < grammar.negated_share)
    is_negated[:, 0] = False
    side = np.where(is_negated, 1 - polarity[:, None], polarity[:, None])
    polar_group = side * grammar.groups_per_polarity
    polar_group = polar_group + _zipf(rng, grammar.groups_per_polarity, shape)
    polar = polar_group * grammar.words_per_polar_group
    polar = polar + _zipf(rng, grammar.words_per_polar_group, shape)
    first = np.cumsum([0, len(FUNCTION_WORDS), len(NEGATIONS), _n_topical(grammar)])
    words = np.where(is_function, first[0] + function, first[2] + topical)
    words = np.where(is_polar, first[3] + polar, words)
    negation = first[1] + _zipf(rng, len(NEGATIONS), shape)
    before = np.roll(is_negated, -1, axis=1)
    return np.where(before, negation, words)


def _zipf(rng: np.random.Generator, size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Draw numbers below ``size``; k has a probability proportional to 1/(k+2)."""
    ends = np.cumsum(1 / np.arange(2, size + 2))
    return np.searchsorted(ends[:-1] / ends[-1], rng.random(shape), side="right")


def _n_topical(grammar: Grammar) -> int:
    return grammar.n_topics * grammar.groups_per_topic * grammar.words_per_group


def _vocabulary(grammar: Grammar) -> np.ndarray:
    """Return all words as an array of ``str`` objects."""
    n_polar = 2 * grammar.groups_per_polarity * grammar.words_per_polar_group
    n_made_up = _n_topical(grammar) + n_polar
    base = len(SYLLABLES)
    # A prime step reaches all three-syllable words and keeps neighbours dissimilar.
    codes = np.arange(1, n_made_up + 1) * 104_729 % base**3
    digits = (codes // base**2, codes // base % base, codes % base)
    made_up = [
        "".join(SYLLABLES[d] for d in code) for code in zip(*digits, strict=True)
    ]
    return np.array([*FUNCTION_WORDS, *NEGATIONS, *made_up], object)
