"""NNX: models bridged to Linen train in fit with dense optimizers."""

import jax
import numpy as np
import pytest
from flax import nnx

from jaxembed import nn, optim, train

from .conftest import V


class Classifier(nnx.Module):
    """Bag classifier on the table of an ``nnx.Embed``."""

    def __init__(self, frozen, rngs):
        self.embed = nnx.Embed(V, 4, rngs=rngs)
        self.out = nnx.Linear(4, 1, rngs=rngs)
        self.frozen = frozen

    def __call__(self, ids, train=False):
        table = self.embed.embedding[...]
        table = jax.lax.stop_gradient(table) if self.frozen else table
        return self.out(nn.embedding_bag(table, ids))[:, 0]


@pytest.fixture
def bridged():
    return nnx.bridge.to_linen(Classifier, False)


@pytest.mark.filterwarnings("ignore:ids were not checked")
def test_it_learns_and_predicts(fit, bridged, examples):
    state, history = fit(bridged, epochs=20, validation=examples, tx=optim.rmsprop(0.1))
    assert history.loss[-1] < 0.7 * history.loss[0]
    predicted = train.predict(bridged, state.variables, examples[0])
    accuracy = np.mean((predicted > 0) == examples[1])
    assert accuracy == history.val_accuracy[-1] > 0.8


def test_its_ids_cannot_be_checked_which_is_said(fit, bridged):
    with pytest.warns(
        UserWarning, match="ids were not checked: .* not use an Embed of"
    ):
        fit(bridged, epochs=1)


def test_it_has_no_table_to_train_row_by_row(fit, bridged):
    with pytest.raises(ValueError, match="table_tx needs a trainable table, and"):
        fit(bridged, table_tx=optim.sparse_sgd(0.1))
