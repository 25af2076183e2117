"""Examples: what they print is right, and each has 20 to 40 lines of public names."""

import ast
import io
import os
import re
import runpy
import subprocess
import sys
import tokenize
from pathlib import Path

import jax
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "examples").glob("[!_]*.py"))


@pytest.fixture
def run(monkeypatch, capsys):
    """Return a function that runs an example and returns its names and its lines."""
    monkeypatch.syspath_prepend(ROOT)

    def run_example(name):
        names = runpy.run_module(f"examples.{name}", run_name="__main__")
        return names, capsys.readouterr().out.splitlines()

    return run_example


def value_of(line, label):
    """Return the text after a label, which the line must begin with."""
    assert line.startswith(f"{label}: "), line
    return line.removeprefix(f"{label}: ")


def test_own_loop_learns_and_keeps_its_table(run):
    names, (accuracy, decayed, frozen) = run("own_loop")
    assert float(value_of(accuracy, "accuracy")) > 0.9
    # 0.05 * 0.01 is taken off in each of 160 steps
    size = float(value_of(decayed, "size of a table that AdamW was given"))
    assert size == pytest.approx((1 - 0.05 * 0.01) ** 160, abs=0.006)
    assert value_of(frozen, "the frozen table is bit-equal") == "True"
    counted = sum(leaf.size for leaf in jax.tree.leaves(names["trained"]))
    assert counted == names["D"] + 1  # the head alone


@pytest.mark.long
def test_row_sparse_loop_equals_the_dense_optimizer(run):
    names, (accuracy, moved, gap) = run("row_sparse_loop")
    assert float(value_of(accuracy, "accuracy")) > 0.8
    assert value_of(moved, "the rows that moved are those of the batches") == "True"
    assert 0 < len(names["moved"]) < 0.7 * names["V"]
    assert float(value_of(gap, "largest difference to the dense table")) < 2e-6
    trained, start = np.asarray(names["dense"][1]), np.asarray(names["table"])
    assert abs(trained - start).max() > 0.1
    jax.tree.map(
        lambda x, y: np.testing.assert_allclose(x, y, rtol=0, atol=5e-6),
        names["weights"],
        names["dense"],
    )


def test_mesh_equals_one_device(run):
    names, (rows, gap) = run("mesh")
    assert value_of(rows, "rows on each device") == "[10000, 10000, 10000, 10000]"
    label = "largest difference to the table of one device"
    assert float(value_of(gap, label)) < 2e-6
    (_, start), _ = names["init"]()
    assert abs(np.asarray(names["four"][1]) - np.asarray(start)).max() > 0.02


def test_mesh_moves_nothing_of_the_size_of_the_table(run):
    names, _ = run("mesh")
    split = names["four"][1].sharding
    whole = jax.NamedSharding(split.mesh, jax.P())
    shapes = jax.eval_shape(names["init"])

    def place(leaf):
        by_row = names["V"] in leaf.shape
        return jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=split if by_row else whole
        )

    weights, states = jax.tree.map(place, shapes)
    batch = jax.device_put((names["ids"][0], names["labels"][0]), split)
    program = names["step"].lower(weights, states, *batch).compile().as_text()
    n_rows = {int(n) for n in re.findall(r"(?:f32|s32)\[(\d+)", program)}
    assert names["V"] // 4 in n_rows and max(n_rows) == names["V"] // 4
    collectives = re.findall(
        r"= \S*?\[([\d,]*)\]\S* (?:all-|collective-|reduce-scatter)", program
    )
    sizes = [np.prod([int(n) for n in axes.split(",") if n]) for axes in collectives]
    assert sizes and max(sizes) <= names["ids"][0].size * names["D"]


@pytest.mark.long
def test_mesh_makes_four_devices_in_a_new_process():
    hidden = {"XLA_FLAGS", "JAX_NUM_CPU_DEVICES", "JAX_PLATFORMS"}
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.mesh"],
        capture_output=True,
        cwd=ROOT,
        env=env | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "rows on each device: [10000, 10000, 10000, 10000]\n" in done.stdout


def test_nnx_model_keeps_its_frozen_table(run):
    names, (accuracy, frozen, has_state, other_has_state) = run("nnx_model")
    assert float(value_of(accuracy, "accuracy")) > 0.9
    assert value_of(frozen, "the frozen table is bit-equal") == "True"
    assert value_of(has_state, "the optimizer has a state for it") == "False"
    assert value_of(other_has_state, "the learned table has one") == "True"
    assert int(names["optimizer"].step[...]) == 160


@pytest.mark.long
def test_save_and_predict_restores_each_model_by_one_recipe(run):
    names, lines = run("save_and_predict")
    pattern = r"(\S+): ([\d.]+), row by row (\[.*\]), equal: True"
    found = [re.fullmatch(pattern, line).groups() for line in lines]
    assert [(name, tables) for name, _, tables in found] == [
        ("learned", "[]"),
        ("frozen", "[]"),
        ("row-sparse", "['embed']"),
    ]
    accuracy = {name: float(value) for name, value, _ in found}
    assert min(accuracy["learned"], accuracy["row-sparse"]) > 0.9
    assert 0.5 < accuracy["frozen"] < 0.7  # its table is of random numbers
    assert [len(answers) for answers in names["stream"]] == [1, 2, 3]
    assert len(np.unique(names["together"])) == 6


def count_code_lines(text):
    """Return the number of lines with code: no blank line, comment or docstring."""
    documented = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(node) is not None:
                first = node.body[0]
                documented |= set(range(first.lineno, first.end_lineno + 1))
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE}
    layout |= {tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in layout:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return len(lines - documented)


def test_lines_of_code_are_counted():
    text = (
        '"""Title.\n\nMore.\n"""\n\nx = [\n    1,\n]  # why\n# comment\ndef f(): pass\n'
    )
    assert count_code_lines(text) == 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_is_short_and_says_what_it_prints(path):
    text = path.read_text()
    assert 20 <= count_code_lines(text) <= 40
    title, _, *rest = ast.get_docstring(ast.parse(text)).split("\n")
    assert title.endswith(".")
    for label in ("Subject: ", f"Run:     python -m examples.{path.stem}", "Prints:  "):
        assert any(line.startswith(label) for line in rest), label


def test_each_example_is_tested():
    tests = "".join(name for name in globals() if name.startswith("test_"))
    assert len(FILES) == 5
    assert all(path.stem in tests for path in FILES)
