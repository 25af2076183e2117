"""Validation of one class only: a warning that names the class and the remedy."""

import jax
import numpy as np
import pytest

from jaxembed import optim, replicates

WARNING = "labels are 1, and the training labels have 2 classes: shuffle before the spl"


def select(examples, wanted):
    return examples[0][wanted], examples[1][wanted]


def test_one_class_is_warned_about_where_fit_is_called(fit, examples):
    positive = select(examples, examples[1] == 1)
    with pytest.warns(
        UserWarning, match=f"all {len(positive[1])} .*{WARNING}"
    ) as found:
        fit(validation=positive, epochs=1)
    assert len(found) == 1
    assert found[0].filename.endswith("conftest.py")  # the caller of train.fit


@pytest.mark.parametrize("case", ["two classes", "one class to train on too"])
def test_no_warning(fit, examples, case):
    """Warnings are errors in the tests."""
    if case == "two classes":
        fit(validation=examples, epochs=1)
    else:
        positive = np.flatnonzero(examples[1] == 1)
        fit(validation=select(examples, positive), examples=positive, epochs=1)


def test_replicates_warn_too(model, examples):
    with pytest.warns(UserWarning, match=WARNING):
        replicates.run(
            model,
            examples,
            examples=replicates.draw_examples(jax.random.key(0), 2, 70, n_train=8),
            validation=select(examples, examples[1] == 1),
            tx=optim.rmsprop(),
            epochs=1,
            batch_size=8,
            key=jax.random.key(0),
            progress=False,
        )
