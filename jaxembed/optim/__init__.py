"""Optimizers: Optax's, and what Optax has not."""

from jaxembed.optim.freeze import apply_updates as apply_updates
from jaxembed.optim.freeze import freeze as freeze
from jaxembed.optim.freeze import mask_rows as mask_rows
from jaxembed.optim.rmsprop import rmsprop as rmsprop
