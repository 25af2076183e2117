"""Reads: find the first id out of range that a model looks up, after a NaN appeared.

The model runs once more, with a callback at each lookup. Only an error takes this time.
"""

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.linen.module import InterceptorContext
from jax.custom_batching import custom_vmap

from jaxembed.nn._embed import Embed
from jaxembed.nn._inspect import Variables, given_ids
from jaxembed.nn._lookup import as_ids

# Number of texts that the model reads at once.
SIZE = 1024
# Seeds of the parameters that confirm a bad id.
SEEDS = (1, 2, 3)


class BadRead(NamedTuple):
    """Id out of range that a table is looked up at.

    Attributes:
      table: name of the table.
      n_rows: number of its rows, V.
      id: the id that the model looks up.
    """

    table: str
    n_rows: int
    id: int


def check_reads(
    model: nn.Module,
    variables: Variables | None,
    ids: np.ndarray,
    *,
    name: str = "ids",
    train: bool = False,
    numbers: np.ndarray | None = None,
) -> None:
    """Raise if a model looks up an id out of range in one of its tables.

    Args:
      model: a Linen module, called as ``model(ids)``.
      variables: parameters of the model; None if they are lost. Then an id counts only
        if several random draws of parameters lead to it.
      ids: ``int32[N, L]``.
      name: name of the ids, for the error.
      train: whether the model is called with ``train=True``.
      numbers: ``int[N]``, number of each text in the data; None for 0 to N - 1.

    Raises:
      ValueError: names the first text, the position and the id.

    Example:
      >>> model, ids = Embed(5, 2), np.array([[1, 2], [7, 4]])
      >>> check_reads(model, model.init(jax.random.key(0), ids), ids)
      Traceback (most recent call last):
      ValueError: ids[1, 0] is 7, and the table embedding has the rows 0 to 4: encode
      the texts with num_words=5, or make the table larger.
    """
    reader = _Reader(model, variables, train)
    row = _find_text(reader, ids)
    if row is None:
        return
    bad, column = _find_column(reader, ids[row])
    if not all(bad in reader.read(ids[row : row + 1], seed) for seed in SEEDS):
        return  # the model chooses ids by its parameters
    place = f"{name}[{row if numbers is None else numbers[row]}"
    rows = f"the table {bad.table} has the rows 0 to {bad.n_rows - 1}"
    if column is None:
        raise ValueError(
            f"the model looks up the id {bad.id}, which no position of {place}] "
            f"changes, and {rows}: make the table larger."
        )
    value = int(ids[row, column])
    origin = "" if value == bad.id else f", from which the model computes {bad.id}"
    remedy = f"encode the texts with num_words={bad.n_rows}, or make the table larger"
    raise ValueError(
        f"{place}, {column}] is {value}{origin}, and {rows}: "
        f"{remedy if bad.id >= 0 else 'give ids from 0'}."
    )


class _Reader:
    """Model that records the ids out of range that it looks up."""

    def __init__(
        self, model: nn.Module, variables: Variables | None, train: bool
    ) -> None:
        self._found: Counter[BadRead] = Counter()
        calls = {"train": True, "rngs": {"dropout": jax.random.key(0)}} if train else {}

        # A new function for each reader, since its callbacks belong to this reader.
        def run(ids: jax.Array, seed: jax.Array) -> None:
            given = variables
            if given is None:
                shapes = jax.eval_shape(model.init, jax.random.key(0), ids)
                given = _draw(shapes, jax.random.key(seed))
            with nn.intercept_methods(self._intercept):
                model.apply(given, ids, **calls)

        self._run = jax.jit(run)

    def read(self, ids: np.ndarray, seed: int = 0) -> Counter[BadRead]:
        """Return the ids out of range for ``int[B, L]`` texts, and their counts."""
        self._found.clear()
        self._run(ids, seed)
        jax.effects_barrier()  # waits for the callbacks
        return self._found.copy()

    def _intercept(
        self, run: Callable, args: tuple, kwargs: dict, context: InterceptorContext
    ) -> object:
        module = context.module
        is_lookup = context.method_name in ("__call__", "bag")
        if isinstance(module, Embed | nn.Embed) and is_lookup:
            name, n_rows = ".".join((*module.path, "embedding")), module.num_embeddings

            def record(ids: np.ndarray) -> None:
                ids = np.asarray(ids)
                for value in ids[(ids < 0) | (ids >= n_rows)].tolist():
                    self._found[BadRead(name, n_rows, value)] += 1

            _call_back(record, jnp.asarray(as_ids(given_ids(args, kwargs))))
        return run(*args, **kwargs)


def _draw(shapes: Variables, key: jax.Array) -> Variables:
    """Return random parameters; XLA draws only those that ids depend on."""
    leaves, structure = jax.tree.flatten(shapes)
    drawn = [
        jax.random.normal(jax.random.fold_in(key, i), leaf.shape).astype(leaf.dtype)
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, drawn)


def _call_back(record: Callable[[np.ndarray], None], ids: jax.Array) -> None:
    """Call ``record`` with ids, once for all of them inside of ``jax.vmap`` too."""

    @custom_vmap
    def call(ids: jax.Array) -> jax.Array:
        jax.debug.callback(record, ids)
        return ids

    @call.def_vmap
    def call_all(size: int, is_batched: list[bool], ids: jax.Array) -> tuple:
        return call(ids), is_batched[0]

    call(ids)


def _find_text(reader: _Reader, ids: np.ndarray) -> int | None:
    """Return the index of the first text with a bad id, by bisection of its batch."""
    size = min(SIZE, len(ids))
    for start in range(0, len(ids), size):
        # Each half is repeated to one shape, so that one program reads all of them.
        def is_bad(first: int, end: int) -> bool:
            return bool(reader.read(np.resize(ids[first:end], (size, ids.shape[1]))))

        end = min(start + size, len(ids))
        if not is_bad(start, end):
            continue
        while end - start > 1:
            middle = (start + end) // 2
            start, end = (start, middle) if is_bad(start, middle) else (middle, end)
        return start
    return None


def _find_column(reader: _Reader, text: np.ndarray) -> tuple[BadRead, int | None]:
    """Return a bad id of a text, and the first position that it comes from.

    A position is that of a bad id if fewer bad ids are looked up with another word
    there. Positions that hold a bad id are tried first: a model rarely computes ids.
    """
    before = reader.read(text[None])
    bad_ids = {bad.id for bad in before}
    columns = sorted(range(len(text)), key=lambda i: int(text[i]) not in bad_ids)
    for column in columns:
        for other in dict.fromkeys([1, 0, *text[:3].tolist()]):
            changed = text.copy()
            changed[column] = other
            after = reader.read(changed[None])
            if after.total() < before.total():
                gone = sorted(before - after, key=lambda bad: bad.id != text[column])
                return gone[0], column
    return next(iter(before)), None
