"""All n-grams of whole reviews, in tables spread over devices.

Notebook:  not in the notebook; the model is that of imdb_ngrams, and its table has
           all n-grams, five million rows
Run:       python -m experiments.large_vocab --data aclImdb_v1.tar.gz --devices 4
           python -m experiments.large_vocab --data synthetic --devices 2
Expect:    test accuracy 0.917 with --validation-fraction 0, on any number of devices;
           1,295,935 rows on each of 4 devices; the fullest device has 1.003 times the
           mean number of reads, and 2.959 times with neighbouring rows on a device;
           80 s of processor time with 4 devices
Writes:    runs/large_vocab/{metrics.json, curves.png, test.csv, checkpoint/, ngrams/,
           finished/}

Each device has the rows of every N-th n-gram of both tables, the numbers and the
log-count ratios, and a share of the reviews of each step. Rows are numbered by the
number of reviews that contain the n-gram, so that each device gets as many frequent
n-grams as the others. A step updates the rows of its reviews only.

On a machine with a CPU alone, the devices are simulated: they show the communication
and the memory, and are no faster than one. A run that is interrupted resumes on any
number of devices.
"""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np

from experiments import _cli, imdb_ngrams
from jaxembed import dist, text


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(imdb_ngrams.Config):
    """Settings, those of imdb_ngrams with rarer n-grams, and the devices.

    Attributes:
      devices: Number of devices to spread the rows over. --batch-size must be a
        multiple. With 1 the program is that of imdb_ngrams.
    """

    out: Path = Path("runs/large_vocab")
    min_reviews: int = 1
    devices: int = 4


def run(config: Config) -> None:
    """Train the model on a mesh, save the weights in word order, and test them."""
    _cli.check_sizes(config, ("devices",))
    mesh = make_mesh(config.devices)
    describe = functools.partial(describe_shards, rules=dist.Rules(mesh))
    spread = mesh if config.devices > 1 else None
    imdb_ngrams.train_and_test("large_vocab", config, spread, describe=describe)


def make_mesh(n_devices: int) -> jax.sharding.Mesh:
    """Return a mesh of some devices, which are simulated if there is only a CPU.

    Raises:
      ValueError: If there are fewer devices.
    """
    try:
        jax.config.update("jax_num_cpu_devices", n_devices)
    except RuntimeError:  # JAX is in use already, with another number
        pass
    found = jax.devices()
    if len(found) < n_devices:
        raise ValueError(
            f"--devices {n_devices} needs {n_devices} devices, got {len(found)} of the "
            f"kind {found[0].device_kind}: give --devices {len(found)}, or set "
            "JAX_PLATFORMS=cpu to simulate them."
        )
    return dist.make_mesh(devices=found[:n_devices])


def describe_shards(index: text.NgramIndex, rules: dist.Rules) -> dict[str, Any]:
    """Print and return the rows of each device, and the reads of the fullest."""
    n = rules.n_shards
    n_rows = rules.pad(index.n_rows) // n
    shares = {
        "spread": find_fullest(index.counts, n),
        "in blocks": find_fullest(index.counts, n, in_blocks=True),
    }
    print(f"rows: {index.n_rows:,} on {n} devices, {n_rows:,} on each")
    print(
        f"reads of the fullest device: {shares['spread']:.3f} times the mean; "
        f"{shares['in blocks']:.3f} times with rows in blocks"
    )
    return {"n_devices": n, "rows_per_device": n_rows, "fullest_shard": shares}


def find_fullest(
    counts: np.ndarray, n_shards: int, *, in_blocks: bool = False
) -> float:
    """Return the number of reads of the fullest shard, divided by the mean.

    Args:
      counts: Number of reads of each row, ``int64[V]``.
      n_shards: Number of shards.
      in_blocks: Whether a shard has neighbouring rows, instead of every n-th row.

    Example:
      >>> find_fullest(np.array([4, 3, 2, 1]), 2)
      1.2
      >>> find_fullest(np.array([4, 3, 2, 1]), 2, in_blocks=True)
      1.4
    """
    padded = np.zeros(-(-len(counts) // n_shards) * n_shards)
    padded[: len(counts)] = counts
    shards = padded.reshape(n_shards, -1) if in_blocks else padded.reshape(-1, n_shards)
    reads = shards.sum(1 if in_blocks else 0)
    return float(reads.max() / reads.mean())


if __name__ == "__main__":
    _cli.main(Config, run)
