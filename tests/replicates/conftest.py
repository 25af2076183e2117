"""Fixtures: the small problem of tests/train."""

from tests.train.conftest import examples as examples
from tests.train.conftest import fit as fit
from tests.train.conftest import frozen_model as frozen_model
from tests.train.conftest import model as model
