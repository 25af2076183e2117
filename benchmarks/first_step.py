"""Seconds to the first training step, from a new process, against Keras.

Run:     python -m benchmarks.first_step
Prints:  JSON lines: whole processes, in turns; their imports; and the rest, which is to
         make the model, to compile, and to make one step.

The model is the notebook's first one, trained on one batch of 32 texts by ``train.fit``
and by Keras's ``fit`` on JAX; nothing compiled is kept between processes.
"""

import json
import sys
from math import log

from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN
from benchmarks.harness.turns import run_process, shuffle_turns
from benchmarks.peers.available import find_peers
from benchmarks.peers.first_step import BATCH_SIZE

WHOLE = "time to first step"
CHANCE = log(2)  # the loss of a model that has learned nothing yet
CLOSE = 0.02
FALL = 0.01, 0.1  # how far a step of RMSprop lets the loss of its batch fall


def main(argv: list[str] | None = None) -> None:
    """Time processes in turns."""
    parser = options.make_parser(
        __doc__, peers=("keras",), workloads=("first",), batch_sizes=(BATCH_SIZE,)
    )
    parser.add_argument("--processes", type=int, default=5)
    arguments = parser.parse_args(argv)
    if [w.name for w in arguments.workload] != ["first"]:
        parser.error("--workload must be first: there is one model.")
    if arguments.batch_sizes != [BATCH_SIZE]:
        parser.error(f"--batch-sizes must be {BATCH_SIZE}: there is one batch.")
    lines = options.open_lines(arguments)
    names = ["jaxembed", *find_peers(arguments.peers, WHOLE, lines), AGAIN]
    parts: dict[str, dict[str, list[float]]] = {}
    for _, name in shuffle_turns(names, arguments.processes):
        for part, seconds in run("jaxembed" if name == AGAIN else name).items():
            parts.setdefault(part, {}).setdefault(name, []).append(seconds)
    for part, by_name in parts.items():
        all_seconds = {name: by_name[name] for name in names}
        lines.report(part, all_seconds, workload="first", batch_size=BATCH_SIZE)


def run(name: str) -> dict[str, float]:
    """Return the seconds of a process, its imports and its step, if that is right."""
    command = [sys.executable, "-m", "benchmarks.peers.first_step", name]
    seconds, printed = run_process(command)
    found = json.loads(printed.splitlines()[-1])
    check(name, found["loss"], found["loss_after"])
    return {
        WHOLE: seconds - found["check_s"],
        f"{WHOLE}: imports": found["import_s"],
        f"{WHOLE}: compile and step": found["step_s"],
    }


def check(name: str, loss: float, loss_after: float) -> None:
    """Stop unless the losses are those around a step of the notebook's model."""
    low, high = FALL
    if not abs(loss - CHANCE) < CLOSE or not low < loss - loss_after < high:
        raise SystemExit(
            f"{name} is wrong: its first loss is {loss}, after a step {loss_after}."
        )


if __name__ == "__main__":
    main()
