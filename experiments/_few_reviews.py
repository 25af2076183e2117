"""What the experiments on few reviews share: one model, one path, three tables."""

import dataclasses
import time
from typing import Any, Literal

import jax
import numpy as np

from experiments import _run, _vectors
from jaxembed import nn, optim, text, train


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_run.Options):
    """The notebook's settings; every number of the experiments is here."""

    num_words: int = 10_000
    """Ids kept, the most frequent words first; also the rows of the table."""
    length: int = 100
    """Words read of each review, its last ones."""
    n_train: int = 200
    """Reviews to train on, drawn by the seed."""
    n_validation: int = 10_000
    """Other reviews to validate on; fewer if there are not so many."""
    hidden: int = 32
    """Units of the hidden layer, with a relu."""
    epochs: int = 10
    """How many times each review is seen."""
    batch_size: int = 32
    """Reviews in a step."""
    learning_rate: float = 1e-3
    """Of RMSprop."""
    keep_best: bool = False
    """Whether to test the epoch with the best validation loss, not the last."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainedConfig(Config, _vectors.VectorOptions):
    """The same with a table of vectors that were made before."""

    frozen: bool = True
    """Whether the table stays as it is in all epochs."""
    unfreeze_after: int = 0
    """If it does not: for so many epochs it does."""
    missing: Literal["zeros", "normal"] = "zeros"
    """Rows of words without a vector: zeros, or drawn like the vectors."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedConfig(Config):
    """The same with a table that is learned from nothing."""

    dim: int = 100
    """Length of a word vector."""


def run(config: Config) -> dict[str, Any]:
    """Trains, saves, and tests what was saved."""
    unfreeze_after = _unfreeze_after(config)
    # reviews -> words -> ids -> padded ids
    start = time.perf_counter()
    tokenizer = text.Tokenizer(config.num_words)
    tokens = text.load_imdb_tokens(config.data, tokenizer, cache_dir=config.cache)
    ids, labels = _pad(tokens.train, config), tokens.train_labels
    sizes = config.n_train, config.n_validation
    rows, held_out = _run.draw(len(ids), *sizes, config.seed)
    # ids -> rows of a table -> a hidden layer -> one logit
    table, facts = _make_table(config, tokens)
    seconds = {"load": time.perf_counter() - start}
    model, key = _make_model(config, table.shape[1]), jax.random.key(config.seed)
    params = jax.jit(model.init)(key, ids[:1])["params"]
    if isinstance(config, PretrainedConfig):
        params["embed"]["embedding"] = table
    print(nn.summary(model, {"params": params}, ids[:1]))
    # batches -> state and history
    state, history = train.fit(
        model,
        (ids, labels),
        tx=optim.rmsprop(config.learning_rate),
        epochs=config.epochs,
        batch_size=config.batch_size,
        key=key,
        params=params,
        examples=rows,
        validation=(ids[held_out], labels[held_out]),
        unfreeze_after=unfreeze_after,
        stopping=train.Stopping(keep_best=config.keep_best),
        on_epoch=lambda history: _run.print_epoch(history, config.epochs),
    )
    test = (_pad(tokens.test, config), tokens.test_labels)
    extra = {"tokenizer": tokens.tokenizer.to_json(), "index_from": 0}
    result = _run.finish(
        config, tokens.description, model, (state, history), test, extra
    )
    return result | facts | {"seconds": seconds | history.seconds}


def _make_model(config: Config, dim: int) -> nn.TextClassifier:
    is_frozen = isinstance(config, PretrainedConfig) and config.frozen
    embed = nn.Embed(config.num_words, dim, frozen=is_frozen)
    return nn.TextClassifier(embed, nn.FlattenDense(hidden=(config.hidden,)))


def _unfreeze_after(config: Config) -> int:
    """For how many epochs the table is frozen, if it is trained at all."""
    if not isinstance(config, PretrainedConfig) or config.frozen:
        return 0
    if config.unfreeze_after >= config.epochs > 0:
        raise ValueError(
            f"--unfreeze-after must be below --epochs {config.epochs}, got "
            f"{config.unfreeze_after}: the table would not be trained."
        )
    return config.unfreeze_after


def _pad(ids: text.Ragged, config: Config) -> np.ndarray:
    return text.pad_sequences(ids, maxlen=config.length)


def _make_table(
    config: Config, tokens: text.TokenizedCorpus
) -> tuple[np.ndarray, dict[str, Any]]:
    """The table to start with, and what ``metrics.json`` says of it."""
    if isinstance(config, PretrainedConfig):
        return _vectors.make_table(config, tokens, config.num_words, config.missing)
    assert isinstance(config, LearnedConfig)
    # Its shape is all that counts: the model draws the numbers.
    return np.broadcast_to(np.float32(0), (config.num_words, config.dim)), {}
