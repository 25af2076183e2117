"""Statistics of replicates: intervals, paired differences, crossover. No JAX."""

from jaxembed.stats._bootstrap import bootstrap_difference as bootstrap_difference
from jaxembed.stats._crossover import crossover as crossover
from jaxembed.stats._epochs import best_epoch as best_epoch
from jaxembed.stats._epochs import final_epoch as final_epoch
from jaxembed.stats._intervals import mean_interval as mean_interval
from jaxembed.stats._intervals import median_interval as median_interval
from jaxembed.stats._intervals import paired_difference as paired_difference
