"""Training: from batches to a history and a checkpoint."""

from jaxembed.train.checkpoint import restore as restore
from jaxembed.train.checkpoint import save as save
from jaxembed.train.data import Examples as Examples
from jaxembed.train.data import check_ids as check_ids
from jaxembed.train.draw import draw_rows as draw_rows
from jaxembed.train.epoch import make_batches as make_batches
from jaxembed.train.epoch import run_epoch as run_epoch
from jaxembed.train.evaluate import evaluate as evaluate
from jaxembed.train.evaluate import predict as predict
from jaxembed.train.fit import fit as fit
from jaxembed.train.fold import fold as fold
from jaxembed.train.history import Histories as Histories
from jaxembed.train.history import History as History
from jaxembed.train.losses import example_losses as example_losses
from jaxembed.train.losses import is_correct as is_correct
from jaxembed.train.plan import Plan as Plan
from jaxembed.train.plan import make_plan as make_plan
from jaxembed.train.replicate import replicate as replicate
from jaxembed.train.state import TrainState as TrainState
from jaxembed.train.state import create_state as create_state
from jaxembed.train.step import Batch as Batch
from jaxembed.train.step import Metrics as Metrics
from jaxembed.train.step import step as step
from jaxembed.train.stopping import Stopping as Stopping
