"""The benchmark of analogies: checked, then timed in turns."""

import json

import pytest

from benchmarks import geometry as benchmark
from jaxembed import vectors


def test_the_analogies_are_timed(capsys):
    benchmark.main(["--pairs", "8", "--repeats", "1"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["implementation"] for line in lines] == ["jaxembed", "gensim"]
    assert lines[0]["questions"] == 8 * 7
    assert 0.1 < lines[0]["accuracy"] < 1  # some are right and some are not


def test_files_are_read(tmp_path, capsys):
    made = benchmark.make_vectors(8)
    path = vectors.save(made, tmp_path / "vectors.txt", "word2vec")
    questions = tmp_path / "questions.txt"
    questions.write_text(": one\nword1 word2 word3 word4\nword5 word6 word7 nowhere\n")
    arguments = ["--vectors", str(path), "--questions", str(questions)]
    benchmark.main([*arguments, "--repeats", "1"])
    line = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (line["questions"], line["skipped"], line["words"]) == (1, 1, 10_000)


def test_a_wrong_answer_is_not_reported(monkeypatch, capsys):
    evaluate = benchmark.geometry.evaluate_analogies

    def wrongly(*arguments):
        return evaluate(*arguments, method="mul")

    monkeypatch.setattr(benchmark.geometry, "evaluate_analogies", wrongly)
    with pytest.raises(SystemExit, match="the answers differ"):
        benchmark.main(["--pairs", "8", "--repeats", "1"])
    with pytest.raises(SystemExit):
        benchmark.main(["--vectors", "alone.txt"])
    assert capsys.readouterr().out == ""
