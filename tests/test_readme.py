"""README: its Python blocks run, and its files, modules and commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_its_python_runs(number, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    exec(compile(BLOCKS[number], f"README.md, block {number}", "exec"), {})
    assert capsys.readouterr().out


def test_it_has_the_two_commands_and_python():
    assert len(BLOCKS) == 5
    targets = (ROOT / "Makefile").read_text()
    for target in re.findall(r"make (\w+)", README):
        if target not in ("and",):
            assert f"\n{target}:" in targets, target


@pytest.mark.parametrize(
    "name",
    re.findall(r"\]\((docs/[^)]+)\)|`((?:tests|benchmarks)/[\w./]+)`", README),
    ids=str,
)
def test_its_files_exist(name):
    assert (ROOT / next(filter(None, name))).exists()


def test_its_modules_exist():
    for name in re.findall(r"-m (experiments|benchmarks)\.(\w+)", README):
        assert (ROOT / name[0] / f"{name[1]}.py").is_file()


PLACEHOLDER = re.compile(r"(?:TEST|LOAD|GEO|EXPECT|SPARSE|BIGRAMS)_[A-Z]+")
EXPERIMENTS = sorted(path.stem for path in ROOT.glob("experiments/[!_]*.py"))


def test_figures_are_filled_in():
    assert not PLACEHOLDER.findall(README)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_says_how_to_run_it_and_what_to_expect(name):
    text = (ROOT / "experiments" / f"{name}.py").read_text()
    assert not PLACEHOLDER.findall(text)
    lines = text.splitlines()[:12]
    for title in (
        "Notebook:  ",
        f"Run:       python -m experiments.{name}",
        "Expect:    ",
        f"Writes:    runs/{name}/",
    ):
        assert any(line.startswith(title) for line in lines), title
