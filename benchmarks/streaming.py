"""Streaming: train on texts that are larger than memory, killed and resumed.

Run:     python -m benchmarks.streaming --data aclImdb_v1.tar.gz --gigabytes 2
         python -m benchmarks.streaming --gigabytes 0.02
Prints:  JSON lines of two measurements: tokenizing to files, and one epoch of training.
         seconds; peak_memory_bytes, the largest sum of the anonymous and the shared
         memory of all processes, from /proc; limit_bytes; and same_bits, whether a
         training that was killed (SIGKILL) and resumed has the weights of one that was
         not.

The texts are the reviews again and again, each time cut at another place, with the
halves interchanged and a new word between them. Files are mapped into memory: pages of
them do not count, as the system can drop them at any time. A peak above --limit-gib, or
other bits, end the benchmark with status 1.
"""

import argparse
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import options
from benchmarks.harness.plan import announce
from jaxembed import text

WHAT = "streaming"
NUM_WORDS, LENGTH, DIM = 100_000, 200, 16
SETTINGS: dict[str, Any] = {"batch_size": 256, "maxlen": LENGTH}
NEW_WORDS = 50_000
SAMPLE_S = 0.02  # between two looks at the memory
GIB, GB = 2**30, 10**9
SECONDS_OF_GB = 300.0  # of all parts, about
SAVE_SHARE = 40  # a training is saved after each 40th part of its steps


def main(argv: list[str] | None = None) -> None:
    """Tokenize, train, kill, resume and compare."""
    arguments = make_parser().parse_args(argv)
    if arguments.part:
        (tokenize if arguments.part == "tokenize" else fit)(arguments)
        return
    with options.open_lines(arguments) as lines, _folder(arguments.folder) as folder:
        seconds = SECONDS_OF_GB * arguments.gigabytes
        announce(lines, arguments, [], n_measurements=2, seconds=seconds)
        limit = int(arguments.limit_gib * GIB)
        shared = {"gigabytes": arguments.gigabytes, "limit_bytes": limit}
        peaks = []
        for what, found in measure(arguments, folder):
            peaks.append(found["peak_memory_bytes"])
            lines.report(
                f"{WHAT}: {what}", {"jaxembed": found.pop("times")}, **shared, **found
            )
        check(peaks, limit, found)


def check(peaks: list[int], limit: int, found: dict[str, Any]) -> None:
    """End with an error if the memory or the bits are not as they must be."""
    if max(peaks) > limit:
        raise SystemExit(f"the peak is {max(peaks):,} bytes, above {limit:,}.")
    if not found["same_bits"]:
        raise SystemExit("bits differ between the resumed and the whole training.")


def measure(
    arguments: argparse.Namespace, folder: Path
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the facts of both measurements."""
    command = [sys.executable, "-m", "benchmarks.streaming", "--data", arguments.data]
    command += ["--gigabytes", str(arguments.gigabytes), "--folder", str(folder)]
    seconds, peak = run([*command, "--part", "tokenize"])
    facts = json.loads((folder / "facts.json").read_text())
    yield "tokenize", facts | {"times": [seconds], "peak_memory_bytes": peak}
    fits = [*command, "--part", "fit", "--run"]
    seconds, peak = run([*fits, "whole"])
    # Killed when the second save is there.
    _, killed = run([*fits, "killed"], until=folder / "killed" / "1")
    n_saved = len(list((folder / "killed").glob("[0-9]*")))
    _, resumed = run([*fits, "killed"])
    digests = [(folder / f"{name}.json").read_text() for name in ("whole", "killed")]
    found = json.loads(digests[0])
    yield (
        "train",
        {
            "times": [seconds],
            "peak_memory_bytes": max(peak, killed, resumed),
            "same_bits": digests[0] == digests[1],
            "saves_before_kill": n_saved,
            "texts_per_s": round(facts["n_texts"] / seconds),
            "loss": found["loss"],
        },
    )


def run(command: list[str], until: Path | None = None) -> tuple[float, int]:
    """Run a process, or kill it once a file exists; return seconds and peak memory."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak, is_over = 0, threading.Event()
    while not is_over.is_set():
        peak = max(peak, count_memory(process.pid))
        if until is not None and until.exists():
            process.send_signal(signal.SIGKILL)
            process.wait()
            return time.perf_counter() - start, peak
        if process.poll() is not None:
            break
        is_over.wait(SAMPLE_S)
    if process.returncode or until is not None:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - start, peak


def count_memory(process: int) -> int:
    """Return the anonymous and shared bytes of a process and of its children."""
    total = 0
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith(("RssAnon:", "RssShmem:")):
                total += int(line.split()[1]) * 1024
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += count_memory(int(child))
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        pass
    return total


def tokenize(arguments: argparse.Namespace) -> None:
    """Write ids and labels to the folder."""
    corpus = text.load_imdb(arguments.data)
    n_bytes = int(arguments.gigabytes * GB)
    labels: list[int] = []
    tokenizer = text.Tokenizer(NUM_WORDS)
    texts = make_texts(corpus.train_texts, corpus.train_labels, n_bytes, labels)
    ids = text.write_ids(texts, tokenizer, arguments.folder / "ids", overwrite=True)
    np.save(arguments.folder / "labels.npy", np.array(labels, np.int32))
    facts = {"n_texts": len(ids), "n_ids": int(ids.offsets[-1])}
    facts["n_words"] = len(tokenizer.word_index)
    (arguments.folder / "facts.json").write_text(json.dumps(facts))


def make_texts(
    reviews: list[str], classes: np.ndarray, n_bytes: int, labels: list[int]
) -> Iterator[str]:
    """Yield changed reviews up to a size, and append the label of each."""
    rng, size = np.random.default_rng(0), 0
    while size < n_bytes:
        for place in rng.permutation(len(reviews)).tolist():
            review = reviews[place]
            cut = int(rng.integers(0, len(review) + 1))
            new = f"{review[cut:]} new{rng.integers(NEW_WORDS)} {review[:cut]}"
            size += len(new)
            labels.append(int(classes[place]))
            yield new
            if size >= n_bytes:
                return


def fit(arguments: argparse.Namespace) -> None:
    """Train for one epoch, with saves, and write a digest of the weights."""
    import jax
    import optax

    from jaxembed import nn, optim, train

    ids = text.open_ids(arguments.folder / "ids")
    labels = np.load(arguments.folder / "labels.npy")
    batches = text.Batches(ids, labels, **SETTINGS)
    embed = nn.Embed(NUM_WORDS, DIM, padding_idx=0)
    adagrad = {"initial_accumulator_value": 0.0, "eps": 1e-16}
    state, history = train.fit(
        nn.TextClassifier(embed, nn.DenseHead(), pool="mean"),
        batches,
        tx=optax.adagrad(0.05, **adagrad),
        table_tx=optim.sparse_adagrad(0.05, per_row=True, **adagrad),
        epochs=1,
        key=jax.random.key(0),
        checkpoint=arguments.folder / arguments.run,
        save_every=max(len(batches) // SAVE_SHARE, 1),
    )
    leaves = jax.tree.leaves(jax.device_get((state.variables, state.opt_state)))
    digest = hashlib.sha256(b"".join(leaf.tobytes() for leaf in leaves)).hexdigest()
    found = {"sha256": digest, "step": int(state.step), "loss": history.loss}
    (arguments.folder / f"{arguments.run}.json").write_text(json.dumps(found))


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of the arguments."""
    parser = options.make_parser(WHAT, __doc__, peers=(), sizes=False, seconds=False)
    add = parser.add_argument
    words = "Reviews: a folder, an archive, installed or synthetic."
    add("--data", default="synthetic", help=words)
    add("--gigabytes", type=float, default=0.02, help="Size of the texts.")
    add("--limit-gib", type=float, default=1.5, help="Largest peak of memory.")
    words = "Folder of the files, which take three times the size of the texts."
    add("--folder", type=Path, help=words)
    add("--part", choices=("tokenize", "fit"), help=argparse.SUPPRESS)
    add("--run", help=argparse.SUPPRESS)
    return parser


class _folder:
    """A folder for the files: the given one, which is kept, or a temporary one."""

    def __init__(self, given: Path | None):
        self.given = given

    def __enter__(self) -> Path:
        self.path = self.given or Path(tempfile.mkdtemp())
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path

    def __exit__(self, *_: object) -> None:
        if self.given is None:
            shutil.rmtree(self.path)


if __name__ == "__main__":
    main()
