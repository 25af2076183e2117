"""Neural network layers in JAX and Flax Linen: from ids to logits."""

from jaxembed.nn._classifier import TextClassifier as TextClassifier
from jaxembed.nn._embed import Embed as Embed
from jaxembed.nn._fold import fold as fold
from jaxembed.nn._heads import BiasHead as BiasHead
from jaxembed.nn._heads import DenseHead as DenseHead
from jaxembed.nn._initializers import symmetric_uniform as symmetric_uniform
from jaxembed.nn._lookup import lookup as lookup
from jaxembed.nn._summary import summary as summary
from jaxembed.nn._tap import tap_bags as tap_bags
from jaxembed.nn._tap import tap_rows as tap_rows
from jaxembed.nn.bag._bag import embedding_bag as embedding_bag
from jaxembed.nn.sequence._attention import Attention as Attention
from jaxembed.nn.sequence._attention import attention as attention
from jaxembed.nn.sequence._conv1d import Conv1D as Conv1D
from jaxembed.nn.sequence._conv1d import conv1d as conv1d
from jaxembed.nn.sequence._conv1d import conv1d_max as conv1d_max
from jaxembed.nn.sequence._recurrent import Recurrent as Recurrent
