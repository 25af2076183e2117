"""Optimizers: Optax's, and what Optax has not."""

from jaxembed.optim.deduplicate import deduplicate as deduplicate
from jaxembed.optim.freeze import apply_updates as apply_updates
from jaxembed.optim.freeze import freeze as freeze
from jaxembed.optim.freeze import mask_rows as mask_rows
from jaxembed.optim.rmsprop import rmsprop as rmsprop
from jaxembed.optim.sparse import RowState as RowState
from jaxembed.optim.sparse import SparseOptimizer as SparseOptimizer
from jaxembed.optim.sparse import keep_trained as keep_trained
from jaxembed.optim.sparse_rules import DenseState as DenseState
from jaxembed.optim.sparse_rules import lazy_adam as lazy_adam
from jaxembed.optim.sparse_rules import sparse_adagrad as sparse_adagrad
from jaxembed.optim.sparse_rules import sparse_rmsprop as sparse_rmsprop
from jaxembed.optim.sparse_rules import sparse_sgd as sparse_sgd
