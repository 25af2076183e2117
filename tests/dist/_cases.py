"""Cases: shapes of meshes of four devices, and ids that are spread evenly or not."""

import itertools

import numpy as np

from jaxembed.dist import Rules, make_mesh

# Number of words: not a multiple of the number of shards, 4 or 2.
N_WORDS = 37
# Copies of a table, and its shards.
SHAPES = [(1, 4), (2, 2), (4, 1)]


def make_rules(shape):
    """Return the rules of a mesh of a shape."""
    return Rules(make_mesh(data=shape[0], vocab=shape[1]))


def make_ids(kind, shape=(24, 30)):
    """Return ids ``int32[N, L]`` of one kind."""
    rng = np.random.default_rng(0)
    random = rng.integers(0, N_WORDS, shape)
    found = {
        "random": random,
        "zipf": np.minimum(rng.zipf(1.2, shape) - 1, N_WORDS - 1),
        "equal": np.full(shape, 5),
        "one shard": random // 4 * 4 % 36,  # all owned by the first shard
        "bad": np.where(
            rng.random(shape) < 0.1,
            rng.choice([-1, N_WORDS, N_WORDS + 2, 2**31 - 1], shape),
            random,
        ),
    }
    return found[kind].astype(np.int32)


def choose_pairs(cases):
    """Return few of the cases, in which each pair of values of two parameters is."""
    cases, chosen = list(cases), []
    left = set().union(*map(_find_pairs, cases))
    while left:
        best = max(cases, key=lambda case: len(left & _find_pairs(case)))
        chosen.append(best)
        left -= _find_pairs(best)
    return chosen


def _find_pairs(case):
    return set(itertools.combinations(enumerate(case), 2))
