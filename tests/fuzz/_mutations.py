"""Mutations: random damage to bytes."""

import numpy as np


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Return ``data`` with one random damage, or with a few.

    Example:
      >>> mutate(b"abcdef", np.random.default_rng(0)) == b"abcdef"
      False
    """
    for _ in range(rng.choice([1, 1, 1, 2, 4])):
        kind = MUTATIONS[rng.integers(len(MUTATIONS))]
        data = kind(data, rng) if data else data
    return data


def cut(data: bytes, rng: np.random.Generator) -> bytes:
    """Remove the end of the data."""
    return data[: rng.integers(len(data))]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip one bit."""
    place = rng.integers(len(data))
    return _with_byte(data, place, data[place] ^ 1 << rng.integers(8))


def flip_head(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip one bit of the first 64 bytes, where formats have their sizes."""
    place = rng.integers(min(64, len(data)))
    return _with_byte(data, place, data[place] ^ 1 << rng.integers(8))


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    """Insert up to 16 random bytes."""
    place = rng.integers(len(data) + 1)
    return data[:place] + rng.bytes(rng.integers(1, 17)) + data[place:]


def delete(data: bytes, rng: np.random.Generator) -> bytes:
    """Delete up to 64 bytes from the middle."""
    place = rng.integers(len(data))
    return data[:place] + data[place + rng.integers(1, 65) :]


def swap(data: bytes, rng: np.random.Generator) -> bytes:
    """Exchange two parts of equal length."""
    size = int(rng.integers(1, max(2, len(data) // 4)))
    first, second = sorted(rng.integers(0, max(1, len(data) - size), 2))
    if second - first < size:
        return flip(data, rng)
    parts = data[:first], data[first : first + size], data[first + size : second]
    return (
        b"".join((parts[0], data[second : second + size], parts[2], parts[1]))
        + data[second + size :]
    )


def repeat(data: bytes, rng: np.random.Generator) -> bytes:
    """Write a part a second time."""
    first, last = sorted(rng.integers(0, len(data) + 1, 2))
    return data[:last] + data[first:last] + data[last:]


def clear(data: bytes, rng: np.random.Generator) -> bytes:
    """Overwrite a part with zeros."""
    first, last = sorted(rng.integers(0, len(data) + 1, 2))
    return data[:first] + bytes(last - first) + data[last:]


def _with_byte(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([value]) + data[place + 1 :]


MUTATIONS = (cut, flip, flip_head, insert, delete, swap, repeat, clear)
