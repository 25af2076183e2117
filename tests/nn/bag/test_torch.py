"""embedding_bag: values and gradients equal to torch's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxembed import nn

torch = pytest.importorskip("torch", reason="torch is missing: pip install '.[bench]'")

V, D, B, L = 9, 4, 3, 6  # all different
RNG = np.random.default_rng(2)
TABLE = RNG.normal(size=(V, D)).astype(np.float32)
IDS = RNG.integers(0, V, (B, L))
WEIGHTS = RNG.normal(size=(B, L)).astype(np.float32)
OFFSETS = np.array([0, 4, 4, 11])  # an empty bag, and ids past the last bag
COTANGENT = RNG.normal(size=(B, D)).astype(np.float32)
NEAR = dict(rtol=1e-5, atol=1e-5)


def of_torch(ids, weights, mode, offsets=None, padding_idx=None):
    """Return the bags of torch, and the gradients of the table and the weights."""
    table = torch.tensor(TABLE, requires_grad=True)
    weights = None if weights is None else torch.tensor(weights, requires_grad=True)
    bags = torch.nn.functional.embedding_bag(
        torch.tensor(ids),
        table,
        None if offsets is None else torch.tensor(offsets),
        mode=mode,
        per_sample_weights=weights,
        include_last_offset=offsets is not None,
        padding_idx=padding_idx,
    )
    (bags * torch.tensor(COTANGENT)).sum().backward()
    to_weights = None if weights is None else weights.grad.numpy()
    return bags.detach().numpy(), table.grad.numpy(), to_weights


def of_ours(ids, weights, mode, offsets=None, padding_idx=None):
    mask = None if padding_idx is None else ids != padding_idx

    def loss(table, weights):
        bags = nn.embedding_bag(table, ids, weights, mask, mode, offsets=offsets)
        return (bags * COTANGENT).sum(), bags

    inputs = jax.tree.map(jnp.asarray, (TABLE, weights))
    numbers = 0 if weights is None else (0, 1)
    gradients, bags = jax.jit(jax.grad(loss, numbers, has_aux=True))(*inputs)
    return bags, *((gradients, None) if weights is None else gradients)


PADDING = int(IDS[0, 0])


@pytest.mark.parametrize(("form", "padding_idx"), [("padded", PADDING), ("flat", None)])
@pytest.mark.parametrize("mode", ["sum", "weighted sum", "mean", "max"])
def test_bags_and_gradients_of_torch(mode, form, padding_idx):
    ids = np.where(np.arange(B)[:, None] == 1, PADDING, IDS)  # bag 1 is all padding
    ids = ids if form == "padded" else ids.reshape(-1)[: OFFSETS[-1]]
    weights = WEIGHTS if form == "padded" else WEIGHTS.reshape(-1)[: OFFSETS[-1]]
    arguments = (
        ids,
        weights if mode == "weighted sum" else None,
        mode.removeprefix("weighted "),
        OFFSETS if form == "flat" else None,
        padding_idx,
    )
    for ours, theirs in zip(of_ours(*arguments), of_torch(*arguments), strict=True):
        if theirs is not None:
            np.testing.assert_allclose(ours, theirs, **NEAR)
