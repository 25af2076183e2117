"""NgramIndex: rows of one table for the frequent n-grams of training texts."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence

import numpy as np

from jaxembed._checks import check_count
from jaxembed.text._key_table import KeyTable
from jaxembed.text._ngram_keys import END, count_texts, extend, has_rows, lay_out
from jaxembed.text._ngrams import distinct_ids
from jaxembed.text._ragged import Ragged

Sequences = Ragged | Sequence[Sequence[int]]


@dataclasses.dataclass(frozen=True, eq=False)
class NgramIndex:
    """Row of each n-gram that is in enough training texts.

    An n-gram is n neighbouring words of a text. Rows are exact: two n-grams never share
    a row. Row 0 is padding. Row 1 is that of the n-gram in most training texts, and so
    on, so that the first rows of a text are those of its most frequent n-grams.

    Attributes:
      orders: numbers of words of the n-grams that have rows, ascending.
      levels: for each n from 1 to the largest order, the sorted keys ``int64[K]`` of
        the n-grams in enough texts. The key of a word is its id. The key of a longer
        n-gram is ``p * len(levels[0]) + w``, with the places p and w of its first n - 1
        words and of its last word in their levels.
      rows: for each level, the row ``int32[K]`` of each key; 0 for an order that has no
        rows.
      counts: ``int64[V]``, number of training texts with the n-gram of each row.

    Example:
      >>> index = NgramIndex.fit([[5, 6, 7], [5, 6], [6, 5]], orders=(1, 2))
      >>> index.n_rows, index.counts.tolist(), [index.ngram(r) for r in (1, 2, 3)]
      (4, [0, 3, 3, 2], [(5,), (6,), (5, 6)])
      >>> index.encode([[6, 5, 6], [9]]).tolist()
      [[1, 2, 3], []]
    """

    orders: tuple[int, ...]
    levels: tuple[np.ndarray, ...]
    rows: tuple[np.ndarray, ...]
    counts: np.ndarray

    @classmethod
    def fit(
        cls,
        ids: Sequences,
        *,
        orders: Sequence[int] = (1, 2, 3),
        min_count: int = 2,
        ends: bool = False,
    ) -> "NgramIndex":
        """Assign rows to the n-grams of training texts.

        Args:
          ids: word ids of N texts, none of them negative.
          orders: numbers of words of the n-grams that get rows, such as (1, 2) for
            words and pairs.
          min_count: smallest number of texts that an n-gram must be in to get a row.
          ends: whether the begin and the end of a text count as words of the longer
            n-grams, with the id ``2**31``.

        Raises:
          TypeError: if the ids, an order or ``min_count`` are not integers, or
            ``orders`` is a number.
          ValueError: if an id is negative, an order or ``min_count`` is below 1, or no
            n-gram is in ``min_count`` texts.
        """
        if np.ndim(orders) == 0:
            raise TypeError(
                f"orders must be a sequence, such as ({orders},), got {orders}."
            )
        orders = tuple(sorted({check_count("orders", n) for n in orders}))
        if not orders:
            raise ValueError("orders must have at least one number of words, got none.")
        min_count = check_count("min_count", min_count)
        texts = as_ragged(ids)
        words, owners = lay_out(texts, ends)
        levels: list[np.ndarray] = []
        counts = []
        keys, last = words, np.zeros(0, np.int64)
        for n in range(1, orders[-1] + 1):
            known, found = count_texts(keys, owners, min_count)
            levels.append(known)
            counts.append(found)
            if n < orders[-1]:
                places = KeyTable(known).find(keys)
                last = places if n == 1 else last
                keys = extend(places, last, owners, len(levels[0]))
        has_row = [has_rows(n, k, orders) for n, k in enumerate(levels, 1)]
        listed = [c[has] for c, has in zip(counts, has_row, strict=True)]
        flat = np.concatenate(listed)
        if not flat.size:
            raise ValueError(
                f"no n-gram of the orders {orders} is in min_count={min_count} of the "
                f"{len(texts)} texts: lower min_count."
            )
        order = np.argsort(-flat, kind="stable")
        numbers = np.empty(flat.size, np.int32)
        numbers[order] = np.arange(1, flat.size + 1, dtype=np.int32)
        parts = np.split(numbers, np.cumsum([len(c) for c in listed])[:-1])
        rows = [np.zeros(len(level), np.int32) for level in levels]
        for of_level, has, part in zip(rows, has_row, parts, strict=True):
            of_level[has] = part
        return cls(orders, tuple(levels), tuple(rows), np.append(0, flat[order]))

    @functools.cached_property
    def _tables(self) -> list[KeyTable]:
        return [KeyTable(level) for level in self.levels]

    @property
    def n_rows(self) -> int:
        """V, number of rows of the table; row 0 is padding."""
        return len(self.counts)

    def encode(self, ids: Sequences, length: int | None = None) -> Ragged:
        """Return the distinct rows of each text in ascending order.

        Args:
          ids: word ids of N texts. N-grams without a row are left out.
          length: largest number of rows of a text; a longer text keeps the rows of its
            most frequent n-grams. None for all.

        Returns:
          N sequences of rows in ``[1, V)``.

        Raises:
          TypeError: if the ids are not integers.
          ValueError: if an id is negative, or ``length`` is below 0.
        """
        texts, has_ends = as_ragged(ids), self.levels[0][-1:].tolist() == [END]
        words, owners = lay_out(texts, has_ends)
        found = [Ragged.from_lengths(np.zeros(0, np.int32), np.zeros(len(texts), int))]
        keys, last = words, np.zeros(0, np.int64)
        for n, (table, rows) in enumerate(zip(self._tables, self.rows, strict=True), 1):
            places = table.find(keys)
            if n in self.orders and len(rows):
                # A place of -1 reads the last row, and is left out with row 0.
                read = np.where(places >= 0, rows[places], 0)
                of_text = owners[: len(places)][read > 0]
                lengths = np.bincount(of_text, minlength=len(texts))
                found.append(Ragged.from_lengths(read[read > 0], lengths))
            if n < len(self.levels):
                last = places if n == 1 else last
                keys = extend(places, last, owners, len(self.levels[0]))
        ordered = distinct_ids(*found)
        if length is None:
            return ordered
        check_count("length", length, least=0)
        starts = np.repeat(ordered.offsets[:-1], ordered.lengths)
        return ordered.keep(np.arange(ordered.values.size) - starts < length)

    def ngram(self, row: int) -> tuple[int, ...]:
        """Return the word ids of the n-gram of a row.

        Raises:
          IndexError: if the row is not from 1 to V - 1.
        """
        for level, rows in enumerate(self.rows):
            places = np.flatnonzero(rows == row)
            if row > 0 and places.size:
                return self._spell(level, int(places[0]))
        raise IndexError(f"row {row} is not from 1 to {self.n_rows - 1}.")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return arrays by name, from which :meth:`from_arrays` makes the same index.

        Example:
          >>> index = NgramIndex.fit([[5, 6], [5, 6]], orders=(2,))
          >>> {name: array.tolist() for name, array in index.to_arrays().items()}
          {'counts': [0, 2], 'level_1': [5, 6], 'level_2': [1], 'rows_2': [1]}
        """
        arrays = {"counts": self.counts}
        for n, (level, rows) in enumerate(zip(self.levels, self.rows, strict=True), 1):
            arrays[f"level_{n}"] = level
            if n in self.orders:
                arrays[f"rows_{n}"] = rows
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "NgramIndex":
        """Make an index from the arrays of :meth:`to_arrays`.

        Raises:
          ValueError: if an array is missing, or the arrays do not fit together.
        """
        if "counts" not in arrays:
            raise ValueError(f"arrays must have counts, got {sorted(arrays)}.")
        names = {f"level_{n}" for n in range(1, 1 + len(arrays))} & arrays.keys()
        levels = [np.asarray(arrays[f"level_{n + 1}"]) for n in range(len(names))]
        orders = [n for n in range(1, 1 + len(levels)) if f"rows_{n}" in arrays]
        rows = [
            np.asarray(arrays.get(f"rows_{n}", np.zeros(len(level), np.int32)))
            for n, level in enumerate(levels, 1)
        ]
        index = cls(
            tuple(orders), tuple(levels), tuple(rows), np.asarray(arrays["counts"])
        )
        index._check()
        return index

    def _check(self) -> None:
        """Raise unless the arrays fit together."""
        levels = list(zip(self.levels, self.rows, strict=True))
        fits = all(
            level.ndim == 1
            and level.dtype == np.int64
            and (np.diff(level, prepend=-1) > 0).all()
            and rows.dtype == np.int32
            and np.array_equal(rows != 0, has_rows(n, level, self.orders))
            for n, (level, rows) in enumerate(levels, 1)
        )
        numbers = np.concatenate([self.counts[:0], *(r.ravel() for r in self.rows)])
        numbers = np.sort(numbers[numbers != 0])
        if not fits or not np.array_equal(numbers, np.arange(1, self.n_rows)):
            raise ValueError(
                f"the arrays {sorted(self.to_arrays())} are not those of an "
                "NgramIndex: its keys ascend and have the rows 1 to V - 1."
            )

    def _spell(self, level: int, place: int) -> tuple[int, ...]:
        """Return the word ids of the n-gram at a place of a level."""
        key = int(self.levels[level][place])
        if level == 0:
            return (key,)
        first, last = divmod(key, len(self.levels[0]))
        return (*self._spell(level - 1, first), int(self.levels[0][last]))


def as_ragged(texts: Sequences) -> Ragged:
    """Return the ids of texts as a Ragged, or raise if an id is negative."""
    if not isinstance(texts, Ragged):
        for text in texts:
            if isinstance(text, str):
                raise TypeError(
                    f"ids must be lists of word ids, got the text {text[:40]!r}: use "
                    "Tokenizer.encode."
                )
    ragged = texts if isinstance(texts, Ragged) else Ragged.from_lists(texts)
    if ragged.values.size and ragged.values.min() < 0:
        raise ValueError(f"ids must not be negative, got {ragged.values.min()}.")
    return ragged
