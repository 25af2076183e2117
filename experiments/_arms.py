"""What the experiments of many draws share: three arms, and the reviews they draw."""

import contextlib
import dataclasses
import hashlib
import itertools
import json
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from experiments import _run, _vectors
from jaxembed import nn, optim, replicates, text

Arm = Literal["frozen", "learned", "fine-tuned"]
CHANCE = 0.5  # half of the reviews are positive
EPOCHS = {
    "val_accuracy_best": "at the best epoch of each draw",
    "val_accuracy_final": "at the last epoch",
}
# Settings that change no number of a draw, or that its file is named after anyhow.
ASIDE = ("out", "cache", "arms", "memory_gib")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(_vectors.VectorOptions):
    """The settings of imdb_glove, imdb_scratch and imdb_finetune."""

    arms: tuple[Arm, ...] = ("frozen", "learned", "fine-tuned")
    """Which tables: of vectors that stay as they are, learned from nothing, of vectors
    that are trained with the rest."""
    num_words: int = 10_000
    """Ids kept, the most frequent words first; also the rows of the table, which are
    fewer where there are not so many words."""
    length: int = 100
    """Words read of each review, its last ones."""
    n_validation: int | None = None
    """Reviews that no draw trains on, the same for all."""
    hidden: int = 32
    """Units of the hidden layer, with a relu."""
    epochs: int = 10
    """How many times each review is seen."""
    batch_size: int = 32
    """Reviews in a step."""
    learning_rate: float = 1e-3
    """Of RMSprop."""
    dim: int | None = None
    """Length of a learned word vector, which is that of the given ones."""
    unfreeze_after: int = 5
    """For so many epochs a fine-tuned table is frozen."""
    missing: Literal["zeros", "normal"] = "zeros"
    """Rows of words without a vector: zeros, or drawn like the vectors."""
    n_parallel: int | None = None
    """Draws trained side by side, by default as many as fit and make it faster."""
    memory_gib: float = 4.0
    """Memory that training may take."""

    def list_sizes(self) -> list[int]:
        """How many reviews draws have."""
        raise NotImplementedError

    def journal(self, arm: Arm, n_train: int) -> Path:
        """Where the finished draws of an arm are kept until all is finished."""
        assert self.out is not None  # main fills it in
        settings = _run.as_json(self)
        shared = {field.name for field in dataclasses.fields(Config)} - {*ASIDE}
        whole = json.dumps({name: settings[name] for name in sorted(shared)})
        digest = hashlib.sha256(whole.encode()).hexdigest()[:12]
        return self.out / "unfinished" / f"{arm}-{n_train}-{digest}.json"

    def finish(self) -> None:
        """Removes the finished draws, of which all results are written now."""
        for arm, size in itertools.product(self.arms, self.list_sizes()):
            self.journal(arm, size).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # those of other settings stay
            self.journal(self.arms[0], 0).parent.rmdir()


class Reviews(NamedTuple):
    """What all draws share.

    Attributes:
      ids: ``int32[N, L]``.
      labels: ``int[N]``.
      held_out: ``int[n]``, the reviews that no draw trains on.
      pool: the others.
      table: ``float32[V, D]``, a row for each word.
      description: of the data.
      facts: what ``metrics.json`` says of them.
    """

    ids: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    pool: np.ndarray
    table: np.ndarray
    description: str
    facts: dict[str, Any]


def load(config: Config, share: float, largest: int) -> Reviews:
    """Reads the reviews and the vectors, and refuses what cannot be trained on.

    Args:
      config: of the experiment.
      share: of the reviews that is held out where no flag says how many.
      largest: how many reviews a draw has at most.

    Raises:
      ValueError: says which flag is wrong.
    """
    check(config)
    tokenizer = text.Tokenizer(config.num_words)
    tokens = text.load_imdb_tokens(config.data, tokenizer, cache_dir=config.cache)
    ids = text.pad_sequences(tokens.train, maxlen=config.length)
    n_held_out = config.n_validation
    if n_held_out is None:
        n_held_out = int(share * len(ids))
    held_out, pool = hold_out(len(ids), n_held_out, largest, config.seed)
    print(f"{len(held_out):,} reviews held out, {len(pool):,} to draw from")
    n_rows = min(config.num_words, len(tokens.tokenizer.word_index) + 1)
    table, facts = _vectors.make_table(config, tokens, n_rows, config.missing)
    if config.dim not in (None, width := table.shape[1]):
        raise ValueError(
            f"--dim is {config.dim}, and the vectors of {config.vectors} have {width} "
            "numbers: leave out --dim, so that the arms have tables of one size, or "
            f"give vectors of {config.dim}."
        )
    facts |= {"n_validation": len(held_out), "n_pool": len(pool)}
    labels = np.asarray(tokens.train_labels)
    return Reviews(ids, labels, held_out, pool, table, tokens.description, facts)


def check(config: Config) -> None:
    """Refuses settings that nothing can be trained with."""
    for name in ("epochs", "batch_size", "length", "hidden", "num_words"):
        if getattr(config, name) < 1:
            flag = name.replace("_", "-")
            raise ValueError(
                f"--{flag} must be at least 1, got {getattr(config, name)}."
            )
    if not 0 < config.memory_gib < 2**30:
        raise ValueError(f"--memory-gib must be above 0, got {config.memory_gib}.")
    if not config.arms or len(set(config.arms)) < len(config.arms):
        raise ValueError(f"--arms must name each arm once, got {list(config.arms)}.")
    if "fine-tuned" in config.arms and config.unfreeze_after >= config.epochs > 0:
        raise ValueError(
            f"--unfreeze-after must be below --epochs {config.epochs}, got "
            f"{config.unfreeze_after}: no table would be fine-tuned. Or leave that arm "
            "out: --arms frozen learned"
        )


def hold_out(
    n: int, n_held_out: int, largest: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers below ``n`` in a random order: those held out, and the others.

    Raises:
      ValueError: if fewer than ``largest`` would be left.
    """
    if not 0 < n_held_out < n:
        raise ValueError(
            f"--n-validation must leave some of the {n:,} reviews to train on, and be "
            f"at least 1, got {n_held_out}."
        )
    n_pool = n - n_held_out
    if largest > n_pool:
        raise ValueError(
            f"{largest:,} reviews to train on are not there: of {n:,}, {n_held_out:,} "
            f"are held out, so the largest size is {n_pool:,}. Hold out fewer "
            "(--n-validation), or train on fewer."
        )
    order = np.random.default_rng(seed).permutation(n)
    return order[:n_held_out], order[n_held_out:]


def run_arm(
    config: Config, reviews: Reviews, arm: Arm, n_train: int, draws: int
) -> replicates.Histories:
    """Trains one arm on many draws; the same draws and heads in all arms.

    Args:
      config: of the experiment.
      reviews: of :func:`load`.
      arm: which one.
      n_train: how many reviews a draw has.
      draws: how many there are.
    """
    ids, labels, held_out, pool, table, *_ = reviews
    embed = nn.Embed(*table.shape, frozen=arm == "frozen")
    model = nn.TextClassifier(embed, nn.FlattenDense(hidden=(config.hidden,)))
    # Draws of their own for each size: the interval of a crossing takes them for that.
    key = jax.random.fold_in(jax.random.key(config.seed), n_train)
    path = config.journal(arm, n_train)
    n_done = min(count_finished(path), draws)
    if n_done:
        size = f"{arm}, {n_train:,} reviews"
        print(f"{size}: {n_done} of {draws} draws were finished before", flush=True)
    try:
        histories = replicates.run(
            model,
            (ids, labels),
            examples=replicates.draw_examples(key, draws, pool, n_train),
            tx=optim.rmsprop(config.learning_rate),
            epochs=config.epochs,
            batch_size=config.batch_size,
            key=key,
            params=None if arm == "learned" else {"embed": {"embedding": table}},
            validation=(ids[held_out], labels[held_out]),
            unfreeze_after=config.unfreeze_after if arm == "fine-tuned" else 0,
            memory=int(config.memory_gib * 2**30),
            n_parallel=config.n_parallel,
            checkpoint=path,
        )
    except ValueError as error:
        if path.name not in str(error):
            raise
        raise ValueError(f"{error} To start anew, remove {path.parent}.") from error
    if n_done < draws:
        each = histories.seconds["run"] / (draws - n_done)
        histories.seconds["per_replicate"] = each
    return histories


def count_finished(path: Path) -> int:
    """How many draws were finished before."""
    try:
        return len(json.loads(path.read_text())["draws"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return 0  # replicate says what is wrong with it, if it is there


def as_dicts(tree: Any) -> Any:
    """Dicts and lists of intervals as JSON has them."""
    if isinstance(tree, dict):
        return {name: as_dicts(branch) for name, branch in tree.items()}
    if type(tree) is list:
        return [as_dicts(branch) for branch in tree]
    return tree.to_dict() if hasattr(tree, "to_dict") else tree
