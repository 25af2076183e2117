"""Versions: the programs that wrote a checkpoint, and their differences."""

import importlib
import platform
from collections.abc import Mapping

import jaxembed

PACKAGES = ("jax", "jaxlib", "flax", "optax")


def find_versions() -> dict[str, str]:
    """Return the versions of Python, JAX, jaxlib, Flax, Optax and jaxembed.

    Example:
      >>> list(find_versions())
      ['python', 'jax', 'jaxlib', 'flax', 'optax', 'jaxembed']
    """
    packages = {name: importlib.import_module(name).__version__ for name in PACKAGES}
    own = {"jaxembed": jaxembed.__version__}
    return {"python": platform.python_version(), **packages, **own}


def describe_change(saved: Mapping[str, str], present: Mapping[str, str]) -> str:
    """Return the versions that differ as text, or "" if all are equal.

    Example:
      >>> describe_change({"jax": "0.10.1", "flax": "0.12"}, {"jax": "0.10.2"})
      'jax 0.10.1 then and 0.10.2 now, flax 0.12 then and none now'
    """
    return ", ".join(
        f"{name} {saved.get(name, 'none')} then and {present.get(name, 'none')} now"
        for name in dict.fromkeys([*saved, *present])
        if saved.get(name) != present.get(name)
    )
