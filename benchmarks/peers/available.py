"""Available peers: find the libraries that can be measured on this machine."""

import importlib.util
import textwrap
from collections.abc import Sequence

import jax

from benchmarks.harness.lines import Lines

INSTALL = "is missing: pip install '.[bench]'"
MOST_LETTERS = 300  # of an error: some packages raise a page of text


def find_peers(names: Sequence[str], what: str, lines: Lines) -> list[str]:
    """Return the peers that can be measured; write a line for each missing peer."""
    reasons = {name: find_reason(name) for name in names}
    for name, reason in reasons.items():
        if reason is not None:
            lines.leave_out(what, name, reason)
    return [name for name, reason in reasons.items() if reason is None]


def find_reason(name: str) -> str | None:
    """Import a peer; return the reason why it cannot be measured, or None."""
    if importlib.util.find_spec(name) is None:
        return f"{name} {INSTALL}"
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken binary package raises any exception
        words = textwrap.shorten(f"{type(error).__name__}: {error}", MOST_LETTERS)
        return f"{name} cannot be imported: {words}"
    if name == "torch" and jax.default_backend() != "cpu":
        if not module.cuda.is_available():
            return "torch has no GPU here, but JAX has one: install torch with CUDA"
    return None
