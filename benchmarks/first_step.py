"""First step: seconds from a new process to the first training step, against Keras.

Run:     python -m benchmarks.first_step
         python -m benchmarks.first_step --processes 2
Prints:  JSON lines of three measurements: the whole process; its imports; and the rest
         of the process, which makes the model, compiles it and runs one step. The
         processes of jaxembed and Keras take turns.

The model is the notebook's first model, trained on one batch of 32 texts by train.fit
and by Keras's fit on JAX. Processes share no compilation cache.
"""

import json
import sys
from collections.abc import Sequence
from math import log

from benchmarks.harness import options
from benchmarks.harness.lines import AGAIN, Lines
from benchmarks.harness.plan import announce
from benchmarks.harness.turns import run_process, shuffle_turns
from benchmarks.peers.available import find_peers
from benchmarks.peers.first_step import BATCH_SIZE

WHOLE = "time to first step"
CHANCE = log(2)  # loss of an untrained model
CLOSE = 0.02  # largest distance of the first loss from CHANCE
FALL = 0.01, 0.1  # least and largest fall of the loss by one step of RMSprop
PROCESS_S = 5  # seconds of a process, about


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, and time processes."""
    parser = options.make_parser(
        "first_step",
        __doc__,
        peers=("keras",),
        workloads=("first",),
        large=(),
        seconds=False,
        batch_sizes=(BATCH_SIZE,),
    )
    words = "Number of processes to time for each implementation."
    parser.add_argument("--processes", type=int, default=5, help=words)
    arguments = parser.parse_args(argv)
    if [w.name for w in arguments.workload] != ["first"]:
        parser.error("--workload must be first: the benchmark has only this model.")
    if arguments.batch_sizes != [BATCH_SIZE]:
        parser.error(
            f"--batch-sizes must be {BATCH_SIZE}: the benchmark has only this size."
        )
    with options.open_lines(arguments) as lines:
        peers = find_peers(arguments.peers, WHOLE, lines)
        names = ["jaxembed", *peers, AGAIN]
        seconds = PROCESS_S * len(names) * arguments.processes
        announce(lines, arguments, peers, n_measurements=3, seconds=seconds)
        time_processes(names, arguments.processes, lines)


def time_processes(names: Sequence[str], n_processes: int, lines: Lines) -> None:
    """Time processes in turns, and report the whole process and its parts."""
    parts: dict[str, dict[str, list[float]]] = {}
    for _, name in shuffle_turns(names, n_processes):
        for part, seconds in run("jaxembed" if name == AGAIN else name).items():
            parts.setdefault(part, {}).setdefault(name, []).append(seconds)
    for part, by_name in parts.items():
        all_seconds = {name: by_name[name] for name in names}
        lines.report(part, all_seconds, workload="first", batch_size=BATCH_SIZE)


def run(name: str) -> dict[str, float]:
    """Run a process, check its step, and return the seconds of the parts."""
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
    """Stop unless the losses fit one step of the notebook's model."""
    low, high = FALL
    if not abs(loss - CHANCE) < CLOSE or not low < loss - loss_after < high:
        raise SystemExit(
            f"{name} is wrong: its first loss must be {CHANCE:.3f} +- {CLOSE} and fall "
            f"by {low} to {high}; got {loss}, after a step {loss_after}."
        )


if __name__ == "__main__":
    main()
