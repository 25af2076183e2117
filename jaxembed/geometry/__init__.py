"""Geometry: neighbours, analogies and word similarity, computed on the device.

The results equal those of gensim's KeyedVectors.
"""

from jaxembed.geometry._analogies import evaluate_analogies as evaluate_analogies
from jaxembed.geometry._nearest import nearest as nearest
from jaxembed.geometry._projection import project as project
from jaxembed.geometry._projection import variance_shares as variance_shares
from jaxembed.geometry._rank import closer_than as closer_than
from jaxembed.geometry._rank import distance as distance
from jaxembed.geometry._rank import rank as rank
from jaxembed.geometry._sets import doesnt_match as doesnt_match
from jaxembed.geometry._sets import mean_vector as mean_vector
from jaxembed.geometry._sets import n_similarity as n_similarity
from jaxembed.geometry._similar import most_similar as most_similar
from jaxembed.geometry._similar import most_similar_cosmul as most_similar_cosmul
from jaxembed.geometry._similar import similarity as similarity
from jaxembed.geometry._table import UnitTable as UnitTable
from jaxembed.geometry._table import unit_table as unit_table
from jaxembed.geometry._word_pairs import evaluate_word_pairs as evaluate_word_pairs
