"""Neural network layers: from ids to logits. JAX and Flax Linen."""

from jaxembed.nn.bag import embedding_bag as embedding_bag
from jaxembed.nn.calls import Call as Call
from jaxembed.nn.calls import find_tables as find_tables
from jaxembed.nn.calls import is_frozen as is_frozen
from jaxembed.nn.calls import record_calls as record_calls
from jaxembed.nn.classifier import TextClassifier as TextClassifier
from jaxembed.nn.embed import Embed as Embed
from jaxembed.nn.heads import Flatten as Flatten
from jaxembed.nn.heads import FlattenDense as FlattenDense
from jaxembed.nn.heads import PooledBias as PooledBias
from jaxembed.nn.heads import PooledDense as PooledDense
from jaxembed.nn.initializers import glorot_uniform as glorot_uniform
from jaxembed.nn.initializers import keras_uniform as keras_uniform
from jaxembed.nn.initializers import symmetric_uniform as symmetric_uniform
from jaxembed.nn.lookup import lookup as lookup
from jaxembed.nn.positions import Positions as Positions
from jaxembed.nn.positions import find_positions as find_positions
from jaxembed.nn.positions import multiply_positions as multiply_positions
from jaxembed.nn.summary import Summary as Summary
from jaxembed.nn.summary import summary as summary
from jaxembed.nn.tap import tap_rows as tap_rows
