"""Tables whose rows are spread over the devices of a mesh, and runs on many hosts."""

from jaxembed.dist._initialize import initialize as initialize
from jaxembed.dist._lookup import embedding_bag as embedding_bag
from jaxembed.dist._lookup import lookup as lookup
from jaxembed.dist._mesh import Rules as Rules
from jaxembed.dist._mesh import make_mesh as make_mesh
from jaxembed.dist._model import shard_model as shard_model
from jaxembed.dist._order import to_shards as to_shards
from jaxembed.dist._order import to_words as to_words
from jaxembed.dist._update import update_tables as update_tables
