"""Project files: the changelog, citation, guide and packages say what is true."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import jaxembed

ROOT = Path(__file__).parents[1]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOMS = "text|vectors|nn|optim|dist|train|replicates|stats|geometry|plot"
ROWS = [line.split(" | ") for line in CHANGELOG.splitlines() if line.startswith("| `")]


def names_in(text):
    """Return the names such as ``nn.lookup`` in code spans of Markdown."""
    code = " ".join(re.findall(r"`[^`]+`", text))
    return re.findall(rf"(?<![\w.])({ROOMS})\.([A-Za-z]\w*)", code)


def exists(room, name):
    return hasattr(importlib.import_module(f"jaxembed.{room}"), name)


def test_new_names_of_the_changelog_exist():
    found = [pair for _, new in ROWS for pair in names_in(new)]
    assert len(found) > 10
    assert [".".join(pair) for pair in found if not exists(*pair)] == []


@pytest.mark.parametrize(
    "room", ["nn", "optim", "train", "text", "vectors", "geometry"]
)
def test_removed_names_of_the_changelog_are_not_public(room):
    removed = CHANGELOG.split("### Removed")[1].split("Functions return")[0]
    groups = re.findall(rf"`({ROOMS})\.([^;]+)[;.]", removed.replace("\n", " "))
    names = {group: re.findall(r"(\w+)`", rest) for group, rest in groups}[room]
    assert len(names) > 2
    contents = (ROOT / "jaxembed" / room / "__init__.py").read_text()
    assert [name for name in names if f" as {name}\n" in contents] == []


def test_the_changelog_has_the_version():
    assert "## [Unreleased]" in CHANGELOG
    assert f"## [{jaxembed.__version__}]" in CHANGELOG


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == jaxembed.__version__
    assert citation["license"] == PYPROJECT["project"]["license"]
    assert citation["keywords"] == PYPROJECT["project"]["keywords"]
    assert citation["authors"] == [{"name": "The jaxembed developers"}]
    assert citation["message"] and citation["title"] and citation["type"] == "software"


def test_the_guide_names_files_and_targets_that_exist():
    guide = (ROOT / "CONTRIBUTING.md").read_text()
    targets = set(re.findall(r"^    make (\S+)", guide, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text()
    assert {"test", "test-long", "oldest"} <= targets
    assert [name for name in targets if f"\n{name}:" not in makefile] == []
    paths = re.findall(r"((?:tests|benchmarks|jaxembed)/[\w/]+\.(?:py|md))", guide)
    assert len(paths) > 3
    assert [p for p in paths if "NAME" not in p and not (ROOT / p).exists()] == []
    rooms = re.search(r"the data: ([^.]+)\.", guide)[1]
    assert re.findall(r"\w+", rooms) == ROOMS.split("|")


def test_the_wheel_has_the_library_and_the_sdist_all():
    targets = PYPROJECT["tool"]["hatch"]["build"]["targets"]
    assert targets["wheel"]["packages"] == ["jaxembed"]
    included = targets["sdist"]["include"]
    assert [name for name in included if not (ROOT / name[1:]).exists()] == []
    shipped = {"/jaxembed", "/experiments", "/benchmarks", "/examples", "/tests"}
    assert shipped <= set(included)
