"""Turns: time implementations alternately, in a random order in each turn."""

import itertools
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np

from benchmarks.harness.lines import AGAIN

LEAST, ENOUGH, MOST = 5, 30, 100  # turns
PATIENCE = 3  # most times that the budget is spent to make ENOUGH turns
BLOCK_S = 1e-3  # shorter calls are timed in blocks of this length
WARM_S = 0.02  # shorter calls are first made once, untimed, in each turn
Call = Callable[[], object]
Turn = Callable[[], None]
Result = TypeVar("Result")
Seconds = dict[str, list[float]]


def require_right(is_right: bool, name: str) -> None:
    """Stop the benchmark unless an answer is right."""
    if not is_right:
        raise SystemExit(
            f"{name} is wrong: its answer differs from the expected answer. Nothing is "
            "timed."
        )


def shuffle_turns(names: Iterable[str], n_turns: int) -> Iterator[tuple[int, str]]:
    """Yield the number of each turn with each name, in a random order in each turn.

    A call is slower after another call has filled the caches. In a fixed order this
    would always slow down the same implementation; in an order that goes back and
    forth, the last one, by 13 %.
    """
    rng = np.random.default_rng(0)
    listed = list(names)
    for turn in range(n_turns):
        for name in rng.permutation(listed).tolist():
            yield turn, name


def measure(
    calls: dict[str, Call],
    budget_s: float,
    prepare: Mapping[str, Call] | None = None,
) -> Seconds:
    """Measure the seconds of calls in turns; the first call is repeated as ``AGAIN``.

    Short calls are repeated within a turn, and their mean is taken. One untimed call
    comes before them, since the previous implementation has left its data in the caches
    and its threads on the cores.

    Args:
      calls: Calls by implementation.
      budget_s: Seconds to spend, or up to ``PATIENCE`` times as many to make
        ``ENOUGH`` turns. At least ``LEAST`` turns are made.
      prepare: Untimed calls before the turn of an implementation.

    Returns:
      Seconds of a call in each turn, by implementation.
    """
    calls = calls | {AGAIN: next(iter(calls.values()))}
    prepared = {name: (prepare or {}).get(name, lambda: None) for name in calls}
    call_s = {}
    for name, call in calls.items():
        prepared[name]()
        call_s[name] = _estimate(call)
    blocks = {name: max(int(BLOCK_S / call_s[name]), 1) for name in calls}
    n_warm = {name: int(call_s[name] < WARM_S) for name in calls}
    turn_s = sum(call_s[name] * (blocks[name] + n_warm[name]) for name in calls)
    seconds: Seconds = {name: [] for name in calls}
    for _, name in shuffle_turns(calls, count_turns(turn_s, budget_s)):
        prepared[name]()
        for _ in range(n_warm[name]):
            calls[name]()
        seconds[name].append(_time(calls[name], blocks[name]))
    return seconds


def count_turns(turn_s: float, budget_s: float) -> int:
    """Return the number of turns for the seconds of a turn and a budget."""
    in_time = budget_s / turn_s
    return int(np.clip(max(in_time, min(PATIENCE * in_time, ENOUGH)), LEAST, MOST))


def rotate(run: Callable[[int], Any], n: int) -> Call:
    """Return a call that runs with the next number of the cycle 0 to n - 1."""
    numbers = itertools.cycle(range(n))
    return lambda: run(next(numbers))


def run_process(command: list[str]) -> tuple[float, str]:
    """Run a process and return its seconds and output; if it fails, show its errors."""
    kept = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=kept)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return seconds, done.stdout


def take_turns(loops: dict[str, Callable[[Turn], object]]) -> Seconds:
    """Measure the rounds of loops in turns A B A B.

    Args:
      loops: Loops, each called with a function ``turn``. A loop calls ``turn`` at the
        end of each round, which returns when it is the loop's turn again. All loops
        have the same number of rounds.

    Returns:
      Seconds of each round, by loop.
    """
    names = list(loops)
    gates = {name: threading.Semaphore(int(i == 0)) for i, name in enumerate(names)}
    seconds: Seconds = {name: [] for name in names}
    errors: list[BaseException] = []

    def work(name: str) -> None:
        following = gates[names[(names.index(name) + 1) % len(names)]]
        gates[name].acquire()
        start = time.perf_counter()

        def turn() -> None:
            nonlocal start
            seconds[name].append(time.perf_counter() - start)
            following.release()
            if not errors:  # after an error, no other loop may pass the turn back
                gates[name].acquire()
            if errors:
                raise RuntimeError("another loop has failed")
            start = time.perf_counter()

        try:
            loops[name](turn)
        except BaseException as error:
            errors.append(error)
        finally:
            following.release()  # other loops continue, or stop at the error

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return seconds


def measure_results(
    makers: Mapping[str, Callable[[int], Callable[[], Result]]], n_turns: int
) -> tuple[Seconds, dict[str, list[Result]]]:
    """Measure calls that are prepared for each turn; only the call is timed.

    Args:
      makers: Functions that return the call for the number of a turn.
      n_turns: Number of turns.

    Returns:
      Seconds and results of the calls, by implementation.
    """
    seconds: Seconds = {name: [] for name in makers}
    results: dict[str, list[Result]] = {name: [] for name in makers}
    for turn, name in shuffle_turns(makers, n_turns):
        call_s, result = time_result(makers[name](turn))
        seconds[name].append(call_s)
        results[name].append(result)
    return seconds, results


def time_result(call: Callable[[], Result]) -> tuple[float, Result]:
    """Return the seconds and the result of a call."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _estimate(call: Call) -> float:
    """Estimate the seconds of a call: the least of three, as one may be disturbed."""
    call()
    first = _time(call, 1)
    rest = [] if first > WARM_S else [_time(call, 1), _time(call, 1)]
    return max(min(first, *rest) if rest else first, 1e-9)


def _time(call: Call, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n
