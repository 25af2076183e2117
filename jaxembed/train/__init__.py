"""Training: fit, evaluate and predict, checkpoints, and single steps."""

from jaxembed.optim._formats import choose_formats as choose_formats
from jaxembed.train._compilation import use_compilation_cache as use_compilation_cache
from jaxembed.train._epoch import run_epoch as run_epoch
from jaxembed.train._evaluate import evaluate as evaluate
from jaxembed.train._fit import fit as fit
from jaxembed.train._history import History as History
from jaxembed.train._history import Stopping as Stopping
from jaxembed.train._losses import example_losses as example_losses
from jaxembed.train._predict import predict as predict
from jaxembed.train._setup import Plan as Plan
from jaxembed.train._setup import make_plan as make_plan
from jaxembed.train._state import TrainState as TrainState
from jaxembed.train._state import create_state as create_state
from jaxembed.train._step import Batch as Batch
from jaxembed.train._step import step as step
from jaxembed.train.checkpoint._files import restore as restore
from jaxembed.train.checkpoint._files import save as save
from jaxembed.train.data._checks import Examples as Examples
