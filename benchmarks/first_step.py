"""Seconds to the first training step, from a new process, against Keras.

Run:     python -m benchmarks.first_step
Prints:  JSON lines: whole processes, in turns; their imports; and the rest, which is to
         make the model, to compile, and to make one step.

The model is the notebook's first one, trained on one batch of 32 texts by
``train.fit``, and by Keras's ``fit`` on JAX; nothing compiled is kept between them.
"""

import json
import os
import subprocess
import sys
import time
from math import log

import numpy as np

from benchmarks import _options
from benchmarks._first_step import BATCH_SIZE
from benchmarks._lines import AGAIN
from benchmarks._peers import find_peers

WHOLE = "time to first step"
CHANCE = log(2)  # the loss of a model that has learned nothing yet
CLOSE = 0.02
FALL = 0.01, 0.1  # how far a step of RMSprop lets the loss of its batch fall


def main(argv: list[str] | None = None) -> None:
    """Processes in turns."""
    parser = _options.make_parser(
        __doc__, peers=("keras",), workloads=("first",), batch_sizes=(BATCH_SIZE,)
    )
    parser.add_argument("--processes", type=int, default=5)
    arguments = parser.parse_args(argv)
    if [w.name for w in arguments.workload] != ["first"]:
        parser.error("--workload: the notebook's first model is the one there is.")
    if arguments.batch_sizes != [BATCH_SIZE]:
        parser.error(f"--batch-sizes: {BATCH_SIZE} is the one there is.")
    lines = _options.open_lines(arguments)
    names = ["jaxembed", *find_peers(arguments.peers, WHOLE, lines), AGAIN]
    parts: dict[str, dict[str, list[float]]] = {}
    rng = np.random.default_rng(0)
    for _ in range(arguments.processes):
        for name in rng.permutation(names).tolist():
            found = run("jaxembed" if name == AGAIN else name)
            for part, seconds in found.items():
                parts.setdefault(part, {}).setdefault(name, []).append(seconds)
    for part, by_name in parts.items():
        all_seconds = {name: by_name[name] for name in names}
        lines.report(part, all_seconds, workload="first", batch_size=BATCH_SIZE)


def run(name: str) -> dict[str, float]:
    """The seconds of a process, its import and its step, if that is right."""
    command = [sys.executable, "-m", "benchmarks._first_step", name]
    environment = {
        key: value
        for key, value in os.environ.items()
        if key != "JAX_COMPILATION_CACHE_DIR"
    }
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    found = json.loads(done.stdout.splitlines()[-1])
    check(name, found["loss"], found["loss_after"])
    return {
        WHOLE: seconds - found["check_s"],
        f"{WHOLE}: imports": found["import_s"],
        f"{WHOLE}: compile and step": found["step_s"],
    }


def check(name: str, loss: float, loss_after: float) -> None:
    """Refuses what is no step of the notebook's model, by the losses around it."""
    low, high = FALL
    if not abs(loss - CHANCE) < CLOSE or not low < loss - loss_after < high:
        raise SystemExit(
            f"{name} is wrong: its first loss is {loss}, after a step {loss_after}."
        )


if __name__ == "__main__":
    main()
