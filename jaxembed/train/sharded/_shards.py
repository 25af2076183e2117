"""Shards: the arrays of a run whose rows are spread over the devices of a mesh."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec
from jax.tree_util import KeyPath

from jaxembed.dist import Rules
from jaxembed.dist._processes import is_joint
from jaxembed.nn import Embed
from jaxembed.nn._inspect import Path, Table
from jaxembed.optim._layout import choose_format

Tree = TypeVar("Tree")


@dataclasses.dataclass(frozen=True)
class Shards:
    """Sharding rules of a run, and the number of words of each table.

    Attributes:
      rules: placement of tables and examples on the mesh.
      n_words: path of each table, and the number of its words. Longer paths are first,
        since a path may have that of another table in it.
    """

    rules: Rules
    n_words: tuple[tuple[Path, int], ...]

    def count(self, names: Path, shape: tuple[int, ...]) -> int | None:
        """Return the number of words of an array with an entry for each stored row.

        Args:
          names: path of the array, which has that of a table in it. So an optimizer
            state has the moments of a table at its path.
          shape: shape of the array.

        Returns:
          The number of words; None for an array of another form.
        """
        for path, n_words in self.n_words:
            if shape[:1] == (self.rules.pad(n_words),) and _has(names, path):
                return n_words
        return None

    def place(self, names: Path, shape: tuple[int, ...]) -> Any:
        """Return the sharding of an array, or its memory format on the mesh."""
        if self.count(names, shape) is None:
            return self.rules.whole
        spec = PartitionSpec(self.rules.vocab, *[None] * (len(shape) - 1))
        sharding = NamedSharding(self.rules.mesh, spec)
        form = choose_format(shape, sharding) if len(shape) == 2 else None
        return form or sharding


def name_path(path: KeyPath) -> Path:
    """Return the names in the path of a leaf."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)


def find_places(tree: Tree, shards: Shards) -> Tree:
    """Return the sharding or memory format of each array of a state in shard order."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: shards.place(name_path(path), leaf.shape), tree
    )


def check_forms(words: Tree, stored: Tree, shards: Shards) -> None:
    """Raise if an optimizer state has a table's rows in another place than first.

    Args:
      words: shapes of a state in word order.
      stored: shapes of the same state in shard order.
      shards: placement on the mesh.

    Raises:
      ValueError: names the array of the optimizer state.
    """
    leaves = jax.tree_util.tree_leaves_with_path(stored)
    for (path, leaf), plain in zip(leaves, jax.tree.leaves(words), strict=True):
        names = name_path(path)
        n_words = shards.count(names, leaf.shape)
        shape = leaf.shape if n_words is None else (n_words, *leaf.shape[1:])
        if shape != plain.shape:
            raise ValueError(
                f"mesh needs an optimizer whose state of a table has its rows as the "
                f"first axis, got {'.'.join(names)} of the shape {list(plain.shape)}: "
                "give another tx, or train on one device."
            )


def constrain(tree: Tree, shards: Shards | None) -> Tree:
    """Return a traced state whose arrays stay where they are stored."""
    if shards is None:
        return tree

    def keep(path: KeyPath, leaf: jax.Array) -> jax.Array:
        place = shards.place(name_path(path), leaf.shape)
        return jax.lax.with_sharding_constraint(leaf, getattr(place, "sharding", place))

    return jax.tree_util.tree_map_with_path(keep, tree)


def constrain_batch(batch: Tree, shards: Shards | None) -> Tree:
    """Return a traced batch whose examples are spread over all devices."""
    if shards is None:
        return batch
    return jax.lax.with_sharding_constraint(batch, shards.rules.batch)


def place_batch(batch_size: int, shards: Shards | None) -> NamedSharding | None:
    """Return the sharding of a batch to measure; None for the default device.

    Each device has a copy of a batch that does not divide among the devices, and of a
    batch of several processes, all of which have it.
    """
    if shards is None:
        return None
    rules = shards.rules
    is_whole = batch_size % rules.n_devices or is_joint(rules)
    return rules.whole if is_whole else rules.batch


def settle(tree: Tree) -> Tree:
    """Return the results of a program, on several simulated devices when it has ended.

    On a CPU of few cores, programs that communicate would wait for each other forever.
    """
    devices = jax.tree.leaves(tree)[0].devices()
    is_simulated = len(devices) > 1 and next(iter(devices)).platform == "cpu"
    return jax.block_until_ready(tree) if is_simulated else tree


def make_rules(mesh: Mesh | Rules) -> Rules:
    """Return the sharding rules of a mesh, whose axes become those of type ``Auto``.

    Raises:
      TypeError: if ``mesh`` is not a mesh.
      ValueError: if it lacks the axes "data" and "vocab", or if ``jax.set_mesh`` has
        set an explicit mesh.

    Example:
      >>> mesh = jax.make_mesh((1, 1), ("data", "vocab"), devices=jax.devices()[:1])
      >>> make_rules(mesh).n_devices
      1
    """
    rules = Rules(mesh) if isinstance(mesh, Mesh) else mesh
    if not isinstance(rules, Rules):
        raise TypeError(
            "mesh must be a jax.sharding.Mesh, such as from dist.make_mesh, or "
            f"dist.Rules, got {type(mesh).__name__}."
        )
    if AxisType.Explicit in jax.sharding.get_abstract_mesh().axis_types:
        raise ValueError(
            "mesh= cannot be given inside of jax.set_mesh with an explicit mesh: call "
            "the function outside of it, or set a mesh of dist.make_mesh."
        )
    names = rules.mesh.axis_names
    auto = Mesh(rules.mesh.devices, names, axis_types=(AxisType.Auto,) * len(names))
    return dataclasses.replace(rules, mesh=auto)


def find_shards(
    rules: Rules, tables: Mapping[Path, Table], shapes: Mapping[Path, Any]
) -> Shards:
    """Return the :class:`Shards` of a model.

    Args:
      rules: placement on the mesh.
      tables: tables of the model, in word order, by path.
      shapes: shapes of the parameters of the model after ``dist.shard_model``, by path.

    Raises:
      ValueError: if a table of an :class:`jaxembed.nn.Embed` is not in shard order.
    """
    n_words = []
    for path, table in sorted(tables.items()):
        if not isinstance(table.module, Embed):  # of Flax: whole on each device
            continue
        n_rows = table.module.num_embeddings
        if shapes[path].shape[0] != rules.pad(n_rows):
            raise ValueError(
                f"mesh spreads the rows of {'.'.join(path)} over devices, but the "
                "model makes its Embed itself: make the Embed outside, and give it to "
                "the model as a field, as nn.TextClassifier(nn.Embed(...), ...) has it."
            )
        n_words.append((path, n_rows))
    n_words.sort(key=lambda pair: -len(pair[0]))
    return Shards(rules, tuple(n_words))


def check_batch_size(batch_size: int, shards: Shards | None) -> None:
    """Raise unless the examples of a batch divide among the devices."""
    n = 1 if shards is None else shards.rules.n_devices
    if batch_size % n:
        less = batch_size - batch_size % n
        better = f"{less} or {less + n}" if less else f"{n}"
        raise ValueError(
            f"batch_size must be a multiple of the {n} devices of the mesh, got "
            f"{batch_size}: give {better}, or a mesh of fewer devices."
        )


def _has(names: Path, path: Path) -> bool:
    """Return whether a path has another path in it."""
    n = len(path)
    return any(names[i : i + n] == path for i in range(len(names) - n + 1))
