"""Turns: shuffled order, number of turns, loops and JSON lines."""

import functools
import types

import pytest

from benchmarks.harness import turns
from benchmarks.harness.lines import AGAIN, Lines


def test_calls_take_turns_in_another_order_each_time(monkeypatch):
    clock, order = [0.0], []
    times = types.SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr(turns, "time", times)

    def call(name):
        order.append(name)
        clock[0] += 1.0

    calls = {name: functools.partial(call, name) for name in "abc"}
    seconds = turns.measure(calls, 40.0)
    assert all(len(samples) == 30 for samples in seconds.values()) and AGAIN in seconds
    taken = [order[k : k + 4] for k in range(len(order) - 120, len(order), 4)]
    assert all(sorted(turn) == ["a", "a", "b", "c"] for turn in taken)
    for position in range(4):
        assert {turn[position] for turn in taken} == set("abc")


@pytest.mark.parametrize(
    ("turn_s", "n_turns"), [(1e-3, 100), (0.01, 50), (0.05, 30), (0.1, 15), (9.0, 5)]
)
def test_there_are_enough_turns_where_there_is_time(turn_s, n_turns):
    assert turns.count_turns(turn_s, 0.5) == n_turns


def test_a_disturbed_call_and_preparation_do_not_count(monkeypatch):
    clock, n_calls = [0.0], [0]
    times = types.SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr(turns, "time", times)

    def call():
        n_calls[0] += 1
        # The second call is disturbed; its estimate would be a hundred times too long.
        clock[0] += 3e-5 if n_calls[0] != 2 else 2e-3

    def prepare():
        clock[0] += 1.0

    found = turns.measure({"a": call, "b": call}, 0.0, {"b": prepare})
    assert {name: len(samples) for name, samples in found.items()} == {
        name: turns.LEAST for name in ("a", "b", AGAIN)
    }
    assert all(s == pytest.approx(3e-5) for x in found.values() for s in x)
    # Four calls for the estimate; in each turn one call and a block of a millisecond.
    assert n_calls[0] == 3 * (4 + turns.LEAST * (1 + 33))


def test_loops_take_turns():
    order = []

    def loop(name):
        def run(turn):
            for _ in range(3):
                order.append(name)
                turn()

        return run

    seconds = turns.take_turns({name: loop(name) for name in "abc"})
    assert order == ["a", "b", "c"] * 3
    assert [len(samples) for samples in seconds.values()] == [3, 3, 3]


@pytest.mark.parametrize("bad_round", [0, 1, 2])
@pytest.mark.parametrize("bad", ["a", "b"])
def test_a_loop_that_fails_ends_all(bad, bad_round):
    def loop(name):
        def run(turn):
            for number in range(4):
                if (name, number) == (bad, bad_round):
                    raise ZeroDivisionError(name)
                turn()

        return run

    with pytest.raises(ZeroDivisionError, match=bad):
        turns.take_turns({name: loop(name) for name in "ab"})


def test_lines_have_percentiles_ratio_and_machine(read_lines):
    seconds = {"jaxembed": [1.0, 2.0, 3.0], "peer": [6.0] * 3, AGAIN: [2.2] * 3}
    Lines().report("thing", seconds, details={"peer": {"n_parallel": 4}}, n=5)
    ours, theirs = read_lines()
    assert (ours["ratio"], theirs["ratio"], ours["median_s"]) == (1.0, 3.0, 2.0)
    assert ours["n"] == theirs["n"] == 5
    assert theirs["n_parallel"] == 4 and "n_parallel" not in ours
    assert (ours["a_a"], ours["noisy"]) == (1.1, True)
    assert {"cpus", "load", "versions", "p10_s", "p90_s", "repeats"} <= set(ours)


def test_only_the_call_of_a_prepared_turn_is_timed(monkeypatch):
    clock = [0.0]
    times = types.SimpleNamespace(perf_counter=lambda: clock[0])
    monkeypatch.setattr(turns, "time", times)

    def make(name, seconds):
        def prepare(turn):
            clock[0] += 9.0

            def call():
                clock[0] += seconds
                return name, turn

            return call

        return prepare

    seconds, results = turns.measure_results({"a": make("a", 1), "b": make("b", 2)}, 3)
    assert seconds == {"a": [1.0] * 3, "b": [2.0] * 3}
    assert results == {name: [(name, turn) for turn in range(3)] for name in "ab"}
