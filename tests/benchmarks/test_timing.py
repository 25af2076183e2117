"""How benchmarks time: in turns, to the end, and as JSON lines."""

import json

import pytest

from benchmarks import _timing, notebook, tokenizer


def test_calls_take_turns():
    order = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    seconds = _timing.alternate(calls, repeats=3)
    assert order == ["a", "b"] * 4  # one to warm up
    assert {name: len(samples) for name, samples in seconds.items()} == {"a": 3, "b": 3}


def test_loops_take_turns():
    order = []

    def loop(name):
        def run(turn):
            for _ in range(3):
                order.append(name)
                turn()

        return run

    seconds = _timing.take_turns({name: loop(name) for name in "abc"})
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
        _timing.take_turns({name: loop(name) for name in "ab"})


def test_lines_have_percentiles_ratio_and_machine(capsys):
    _timing.report("thing", {"jaxembed": [1.0, 2.0, 3.0], "peer": [6.0] * 3}, n=5)
    ours, theirs = map(json.loads, capsys.readouterr().out.splitlines())
    assert (ours["ratio"], theirs["ratio"], ours["median_s"]) == (1.0, 3.0, 2.0)
    assert ours["n"] == theirs["n"] == 5
    assert {"cpus", "load", "versions", "p10_s", "p90_s", "repeats"} <= set(ours)


def test_the_tokenizers_are_timed(make_archive, capsys):
    tokenizer.main(["--data", str(make_archive()), "--repeats", "1"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["implementation"] for line in lines] == ["jaxembed", "keras"] * 3


def test_a_wrong_answer_is_not_reported(make_archive, monkeypatch, capsys):
    monkeypatch.setattr(tokenizer.text.Tokenizer, "fit", lambda self, texts: self)
    with pytest.raises(SystemExit, match="the vocabularies differ"):
        tokenizer.main(["--data", str(make_archive())])
    with pytest.raises(SystemExit, match="validation accuracies outside of"):
        notebook.check({"jaxembed": 0.5, "keras": 0.76})
    assert capsys.readouterr().out == ""
