"""Row-sparse optimizers and row freezing on top of Optax."""

from jaxembed.optim._deduplicate import deduplicate as deduplicate
from jaxembed.optim._keras_rmsprop import rmsprop as rmsprop
from jaxembed.optim._rows import apply_updates as apply_updates
from jaxembed.optim._rows import mask_rows as mask_rows
from jaxembed.optim._sparse import SparseOptimizer as SparseOptimizer
from jaxembed.optim._sparse_rules import lazy_adam as lazy_adam
from jaxembed.optim._sparse_rules import sparse_adagrad as sparse_adagrad
from jaxembed.optim._sparse_rules import sparse_rmsprop as sparse_rmsprop
from jaxembed.optim._sparse_rules import sparse_sgd as sparse_sgd
