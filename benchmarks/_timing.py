"""How benchmarks time: in turns, in one process."""

import threading
import time
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks._lines import AGAIN

LEAST, ENOUGH, MOST = 5, 30, 100  # turns
PATIENCE = 3  # times the budget to have enough of them
BLOCK_S = 1e-3  # shorter calls are timed many together
WARM_S = 0.02  # shorter calls are made once, untimed, at the beginning of each turn
Call = Callable[[], object]
Seconds = dict[str, list[float]]


def measure(
    calls: dict[str, Call],
    budget_s: float,
    prepare: Mapping[str, Call] | None = None,
) -> Seconds:
    """Seconds of each call, in turns, and of the first once more, as ``AGAIN``.

    As many turns as there is time for; for ``ENOUGH`` of them it takes up to
    ``PATIENCE`` times as long, and there are never fewer than ``LEAST``.

    Short calls are made many times in a turn, of which the mean counts, and once
    before, untimed: the first after another implementation finds the caches and the
    threads as that one has left them. ``prepare`` has what is to be done, untimed,
    before a call's turn.
    """
    calls = calls | {AGAIN: next(iter(calls.values()))}
    prepared = {name: (prepare or {}).get(name, _nothing) for name in calls}
    call_s = {}
    for name, call in calls.items():
        prepared[name]()
        call_s[name] = _estimate(call)
    blocks = {name: max(int(BLOCK_S / call_s[name]), 1) for name in calls}
    n_warm = {name: int(call_s[name] < WARM_S) for name in calls}
    turn_s = sum(call_s[name] * (blocks[name] + n_warm[name]) for name in calls)
    seconds: Seconds = {name: [] for name in calls}
    rng = np.random.default_rng(0)
    for _ in range(count_turns(turn_s, budget_s)):
        # In another order each time: what comes after a call that has filled the caches
        # is slower, and none must always do so. (Back and forth, the last was by 13 %.)
        for name in rng.permutation(list(calls)).tolist():
            prepared[name]()
            for _ in range(n_warm[name]):
                calls[name]()
            seconds[name].append(_time(calls[name], blocks[name]))
    return seconds


def count_turns(turn_s: float, budget_s: float) -> int:
    """How many turns there are of such a length."""
    in_time = budget_s / turn_s
    return int(np.clip(max(in_time, min(PATIENCE * in_time, ENOUGH)), LEAST, MOST))


def _estimate(call: Call) -> float:
    """About how long a call takes: the least of three, for one may be disturbed."""
    call()
    first = _time(call, 1)
    return max(
        first if first > WARM_S else min(first, _time(call, 1), _time(call, 1)), 1e-9
    )


def _nothing() -> None:
    pass


def _time(call: Call, n: int) -> float:
    start = time.perf_counter()
    for _ in range(n):
        call()
    return (time.perf_counter() - start) / n


def take_turns(
    loops: dict[str, Callable[[Callable[[], None]], object]],
) -> dict[str, list[float]]:
    """Seconds of each round of loops that cannot be cut into calls, as A B A B.

    Args:
      loops: each is called with a function ``turn``, which it calls at the end of each
        of its rounds, and which returns when it is its turn again. All have the same
        number of rounds.

    Returns:
      The seconds of each round of each loop.
    """
    names = list(loops)
    gates = {name: threading.Semaphore(int(i == 0)) for i, name in enumerate(names)}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    errors: list[BaseException] = []

    def work(name: str) -> None:
        following = gates[names[(names.index(name) + 1) % len(names)]]
        gates[name].acquire()
        start = time.perf_counter()

        def turn() -> None:
            nonlocal start
            seconds[name].append(time.perf_counter() - start)
            following.release()
            if not errors:  # else nobody is left to give the turn back
                gates[name].acquire()
            if errors:
                raise RuntimeError("another loop has failed")
            start = time.perf_counter()

        try:
            loops[name](turn)
        except BaseException as error:
            errors.append(error)
        finally:
            following.release()  # the others go on, or end where they see the error

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return seconds
