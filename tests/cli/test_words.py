"""neighbours, analogy, convert and info, of files of vectors and of models."""

import json

import numpy as np
import pytest

from jaxembed import TextModel, geometry, vectors

WORDS = ["king", "queen", "man", "woman", "film"]
MATRIX = np.array([[9, 1, 0], [9, 9, 0], [1, 1, 0], [1, 9, 0], [0, 1, 9]], np.float32)


@pytest.fixture
def file(tmp_path):
    return vectors.save(vectors.WordVectors(WORDS, MATRIX), tmp_path / "some.txt")


def test_neighbours_are_those_of_geometry(run, file, folder):
    status, out, err = run("neighbours", file, "queen", "--topn", "2")
    expected = geometry.most_similar(vectors.load(file), "queen", topn=2)
    assert (status, err) == (0, "")
    assert out == "".join(f"{w:<5}  {x:.4f}\n" for w, x in expected)
    status, out, _ = run("neighbours", folder, "good", "--topn", "3")
    learned = geometry.most_similar(TextModel.load(folder).vectors, "good", topn=3)
    assert [line.split()[0] for line in out.splitlines()] == [w for w, _ in learned]
    _, out, _ = run("neighbours", file, "king", "woman", "--minus", "man")
    assert out.split()[0] == "queen"
    status, out, err = run("neighbours", file, "nobody")
    assert (status, out) == (
        2,
        "",
    ) and err == "error: 'nobody' is not one of the 5 words.\n"


def test_an_analogy_is_completed(run, file):
    status, out, _ = run("analogy", file, "man", "king", "woman", "--topn", "1")
    assert status == 0 and out.split()[0] == "queen"


@pytest.mark.parametrize("name", ["b.vec", "b.bin", "b.safetensors", "b.txt.gz"])
def test_vectors_keep_all_bits(run, file, tmp_path, name):
    status, out, _ = run("convert", file, tmp_path / name)
    assert status == 0 and out.startswith("wrote 5 words of 3 numbers to ")
    np.testing.assert_array_equal(vectors.load(tmp_path / name).matrix, MATRIX)


def test_some_words_and_those_of_a_model_are_converted(run, file, folder, tmp_path):
    (tmp_path / "words.txt").write_text("queen\nnobody\nking\n")
    flags = ["--words", tmp_path / "words.txt", "--format", "glove"]
    assert run("convert", file, tmp_path / "c", *flags)[0] == 0
    assert vectors.load(tmp_path / "c").words == ("queen", "king")
    assert run("convert", folder, tmp_path / "d.vec")[0] == 0
    assert "good" in vectors.load(tmp_path / "d.vec")
    status, _, err = run("convert", file, tmp_path / "e.xyz")
    assert status == 2 and "format must be one of" in err


def test_facts_are_json(run, file, folder):
    _, out, _ = run("info", file)
    facts = json.loads(out)
    assert (facts["words"], facts["dim"], facts["first_words"]) == (5, 3, WORDS)
    _, out, _ = run("info", folder)
    facts = json.loads(out)
    assert facts["labels"] == ["neg", "pos"] and facts["task"] == "classification"
    assert facts["settings"]["epochs"] == 10 and "jax" in facts["versions"]
