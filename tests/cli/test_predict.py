"""predict: arguments, files and streams give the probabilities of the model."""

import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from jaxembed import TextModel
from jaxembed.cli import _predict
from tests.model.conftest import draw_texts

TEXTS, _ = draw_texts(40, seed=5)


def read(out):
    return [json.loads(line) for line in out.splitlines()]


def test_lines_have_the_probabilities_of_the_model(run, folder):
    status, out, err = run("predict", folder, *TEXTS[:5], "--echo")
    assert (status, err) == (0, "")
    model = TextModel.load(folder)
    expected = model.predict_proba(TEXTS[:5])
    lines = read(out)
    assert [line["text"] for line in lines] == TEXTS[:5]
    assert [line["label"] for line in lines] == model.predict(TEXTS[:5]).tolist()
    found = [list(line["probabilities"].values()) for line in lines]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert [line["probability"] for line in lines] == [max(p) for p in found]
    assert list(lines[0]["probabilities"]) == ["neg", "pos"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.txt"])
def test_files_and_streams_give_the_same_lines(run, folder, tmp_path, name):
    path = tmp_path / name
    rows = {"a.csv": ["body", *TEXTS], "a.txt": TEXTS}
    rows["a.jsonl"] = [json.dumps({"body": t}) for t in TEXTS]
    path.write_text("\n".join(rows[name]) + "\n")
    _, expected, _ = run("predict", folder, *TEXTS)
    flags = ["--text", "body", "--batch-size", "7"]
    status, out, _ = run("predict", folder, "--file", path, *flags)
    assert status == 0
    np.testing.assert_allclose(
        [line["probability"] for line in read(out)],
        [line["probability"] for line in read(expected)],
        rtol=1e-5,
    )
    stdin = "\r\n".join(TEXTS).encode()
    status, out, _ = run("predict", folder, "--batch-size", "9", stdin=stdin)
    assert [line["label"] for line in read(out)] == [x["label"] for x in read(expected)]


def test_a_text_with_no_known_word_has_a_note(run, folder):
    status, out, err = run("predict", folder, "xyzzy", "", "good")
    assert (status, err) == (0, "")
    unknown, empty, known = read(out)
    assert unknown["note"].startswith(
        "no known word: the prediction is that of an empty"
    )
    assert unknown["probabilities"] == empty["probabilities"]
    assert "note" not in known


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (
            b"good\n\x89PNG\r\n\x1a\n",
            "standard input, line 2: the byte 0x89 is not utf-8",
        ),
        (
            b"good\0bad\n",
            "standard input, line 1 has a NUL character: it is not a text",
        ),
    ],
)
def test_binary_input_is_one_line(run, folder, stdin, message):
    status, out, err = run("predict", folder, stdin=stdin)
    assert status == 2 and err.count("\n") == 1 and message in err
    assert len(read(out)) == stdin.count(b"good\n")


def test_other_encodings_of_the_stream(run, folder):
    stdin = "na\u00efve good\n".encode("cp1252")
    flags = ["--echo", "--encoding", "cp1252"]
    _, out, _ = run("predict", folder, *flags, stdin=stdin)
    assert read(out)[0]["text"] == "na\u00efve good"
    _, out, _ = run("predict", folder, "--echo", "--errors", "replace", stdin=stdin)
    assert read(out)[0]["text"] == "na\ufffdve good"
    _, out, _ = run("predict", folder, "--echo", stdin=b"\xef\xbb\xbfgood\n")
    assert read(out)[0]["text"] == "good"
    assert run("predict", folder, stdin=b"") == (0, "", "")


def test_a_line_is_predicted_before_the_next_comes(folder):
    command = [sys.executable, "-m", "jaxembed", "predict", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        for text in (b"good\n", b"bad\n"):
            process.stdin.write(text)
            process.stdin.flush()
            assert "label" in json.loads(process.stdout.readline())
    finally:
        process.stdin.close()
        assert process.wait(60) == 0
        process.stdout.close()


def test_texts_that_have_arrived_are_gathered():
    gate = threading.Event()

    def texts():
        yield from ["a", "b", "c"]
        gate.wait()
        yield "d"

    found = _predict.gather(texts(), 2)
    batches = []
    while sum(map(len, batches)) < 3:
        batches.append(next(found))
    gate.set()
    batches += found
    assert sum(batches, []) == ["a", "b", "c", "d"]
    assert max(map(len, batches)) <= 2 and batches[-1] == ["d"]


def test_an_error_of_the_reader_comes_after_its_texts():
    def texts():
        yield "a"
        raise ValueError("bad line")

    found = _predict.gather(texts(), 5)
    assert next(found) == ["a"]
    with pytest.raises(ValueError, match="bad line"):
        next(found)
