"""Peers: which there are, and how each looks rows up."""

import importlib.util
import os
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen
import jax
import numpy as np

from benchmarks._lines import INSTALL, Lines
from benchmarks._workloads import Workload

MOST_LETTERS = 300  # of an error: some packages explain theirs on a page
Lookup = Callable[[Any, Any], Any]  # of a table and ids


def find_peers(names: Sequence[str], what: str, lines: Lines) -> list[str]:
    """Those of the peers that can be measured; the others get a line that says why."""
    found = []
    for name in names:
        reason = find_reason(name)
        if reason is None:
            found.append(name)
        else:
            lines.leave_out(what, name, reason)
    return found


def find_reason(name: str) -> str | None:
    """Why a peer cannot be measured here; one that can be is imported."""
    if importlib.util.find_spec(name) is None:
        return f"{name} {INSTALL}"
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a broken binary package raises of any kind
        words = textwrap.shorten(f"{type(error).__name__}: {error}", MOST_LETTERS)
        return f"{name} cannot be imported: {words}"
    if name == "torch" and jax.default_backend() != "cpu":
        if not module.cuda.is_available():
            return "torch is without a GPU here, and JAX has one"
    return None


def set_apart(candidates: dict[str, Any]) -> list[dict[str, Any]]:
    """Torch's beside jaxembed's first, and then all others: they take turns apart.

    Torch's threads are still on the cores when the next one's turn has begun: beside it
    two measurements of one thing differ by up to 60 %, without it mostly by below 5 %.
    """
    (first, ours), *_ = candidates.items()
    torch = {name: one for name, one in candidates.items() if name.startswith("torch")}
    others = {name: one for name, one in candidates.items() if name not in torch}
    # The others come last: of two lines of jaxembed's the last one counts.
    return [{first: ours} | torch, others] if torch else [others]


def prepare_torch() -> tuple[str, Callable[[], None]]:
    """The device on which torch works, and what waits until it has done so."""
    import torch

    if jax.default_backend() == "cpu":
        torch.set_num_threads(os.cpu_count() or 1)
        return "cpu", lambda: None
    return "cuda", torch.cuda.synchronize


def set_threads(n_threads: int | None) -> None:
    """On how many torch works from now on; it takes too long to be within a clock."""
    import torch

    torch.set_num_threads(n_threads or os.cpu_count() or 1)


def to_torch(table: np.ndarray) -> Any:
    """The table as a tensor with a gradient, where torch works."""
    device, _ = prepare_torch()
    import torch

    return torch.tensor(table, device=device, requires_grad=True)


def flax_lookup(workload: Workload) -> Lookup:
    """``flax.linen.Embed``."""
    embed = flax.linen.Embed(workload.rows, workload.dim)
    return lambda table, ids: embed.apply({"params": {"embedding": table}}, ids)


def keras_lookup(workload: Workload) -> Lookup:
    """``keras.layers.Embedding``, as a pure function of its table."""
    import keras

    layer = keras.layers.Embedding(workload.rows, workload.dim, name="embedding")
    with keras.StatelessScope():  # its table is an argument: none is made here
        layer.build()
    return lambda table, ids: layer.stateless_call([table], [], ids)[0]
