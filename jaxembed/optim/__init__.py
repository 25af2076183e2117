"""Optimizers: Optax's, and what Optax has not."""

from jaxembed.optim.rmsprop import rmsprop as rmsprop
