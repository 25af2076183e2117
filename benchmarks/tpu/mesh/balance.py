"""Balance: the rows that one device asks of the fullest shard, by the order of rows.

Run:     python -m benchmarks.tpu.mesh.balance
Prints:  for ids by Zipf's law, the share of the fullest shard, relative to an even
         spread: with rows in blocks, dealt in turn, and dealt in turn with equal ids
         sent once.

The counts are computed with NumPy, so no accelerator is needed.
"""

import argparse

import numpy as np

N_IDS = 25_600  # of one device: 256 texts of 100 words


def draw_ids(rng: np.random.Generator, n_words: int, n: int) -> np.ndarray:
    """Draw ids by Zipf's law: the id k has a probability in proportion to 1 / (k + 1).

    Args:
      rng: Random generator.
      n_words: Number of words, V.
      n: Number of ids.
    """
    # The probability of ids below k is log(k + 1) / log(V + 1), by the integral.
    return np.expm1(rng.random(n) * np.log1p(n_words)).astype(np.int64)


def find_fullest(owners: np.ndarray, n_shards: int) -> float:
    """Return the number of ids of the fullest shard, relative to the mean.

    Example:
      >>> find_fullest(np.array([0, 0, 0, 1]), 2)
      1.5
    """
    counts = np.bincount(owners, minlength=n_shards)
    return float(counts.max() / counts.mean())


def measure(n_words: int, n_shards: int, seed: int = 0) -> dict[str, float]:
    """Return the fullest shard of each order of rows, and the share of distinct ids."""
    ids = draw_ids(np.random.default_rng(seed), n_words, N_IDS)
    distinct = np.unique(ids)
    size = -(-n_words // n_shards)
    return {
        "in blocks": find_fullest(ids // size, n_shards),
        "dealt in turn": find_fullest(ids % n_shards, n_shards),
        "distinct, in blocks": find_fullest(distinct // size, n_shards),
        "distinct, dealt in turn": find_fullest(distinct % n_shards, n_shards),
        "share of distinct ids": len(distinct) / N_IDS,
    }


def main(argv: list[str] | None = None) -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tpu.mesh.balance",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    words = "Number of words, V (default: 100000000)."
    parser.add_argument("--words", type=int, default=100_000_000, help=words)
    words = "Numbers of shards (default: 4 16 64 256)."
    default = [4, 16, 64, 256]
    parser.add_argument("--shards", type=int, nargs="+", default=default, help=words)
    arguments = parser.parse_args(argv)
    for number, n_shards in enumerate(arguments.shards):
        found = measure(arguments.words, n_shards)
        if not number:
            print(f"| shards | {' | '.join(found)} |\n|{'---:|' * (len(found) + 1)}")
        print(f"| {n_shards} | {' | '.join(f'{x:.2f}' for x in found.values())} |")


if __name__ == "__main__":
    main()
