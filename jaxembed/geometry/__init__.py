"""Geometry: what lies near what, and what it says of the vectors. JAX.

The answers are those of gensim's KeyedVectors, from the device.
"""

from jaxembed.geometry.analogies import Analogies as Analogies
from jaxembed.geometry.analogies import Section as Section
from jaxembed.geometry.analogies import evaluate_analogies as evaluate_analogies
from jaxembed.geometry.nearest import nearest as nearest
from jaxembed.geometry.projection import project as project
from jaxembed.geometry.similar import most_similar as most_similar
from jaxembed.geometry.similar import most_similar_cosmul as most_similar_cosmul
from jaxembed.geometry.similar import similarity as similarity
from jaxembed.geometry.table import UnitTable as UnitTable
from jaxembed.geometry.table import unit_table as unit_table
from jaxembed.geometry.word_pairs import WordPairs as WordPairs
from jaxembed.geometry.word_pairs import evaluate_word_pairs as evaluate_word_pairs
