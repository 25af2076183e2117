"""Identity: the arrays and settings by which the checkpoint of a run is known."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from jaxembed.train.checkpoint._arrays import hash_tree
from jaxembed.train.checkpoint._read import read_meta, read_newest
from jaxembed.train.checkpoint._steps import has_checkpoint

Identity = dict[str, Any]


def fingerprint(
    key: jax.Array, arrays: Mapping[str, object], settings: Mapping[str, object]
) -> Identity:
    """Return the identity of a run as JSON. Equal runs have an equal identity.

    Args:
      key: random key of the run.
      arrays: trees of arrays by name.
      settings: numbers and strings by name.

    Returns:
      The key, the settings, and a SHA-256 for each tree of arrays.

    Example:
      >>> run = fingerprint(jax.random.key(7), {"examples": [1]}, {"size": 2})
      >>> run["key"], run["size"], len(run["examples"])
      ([0, 7], 2, 64)
    """
    numbers = jax.random.key_data(key).tolist()
    digests = {name: hash_tree(tree) for name, tree in arrays.items()}
    return {"key": numbers, **digests, **settings}


def read_identity(path: str | Path | None) -> Identity:
    """Return the identity of the run saved at ``path``, or {} without a checkpoint.

    Raises:
      ValueError: if the checkpoint is damaged.
    """
    if path is None or not has_checkpoint(Path(path)):
        return {}
    # Saver.load reads the folder again, and warns.
    extra = read_newest(Path(path), read_meta, warn=False)["extra"]
    run = extra.get("run", {}) if isinstance(extra, dict) else {}
    return run if isinstance(run, dict) else {}
