"""Who imports whom: the rule that keeps the rooms apart."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "text": set(),
    "vectors": {"text"},
    "nn": set(),
    "optim": {"nn"},
    "dist": {"nn", "optim"},
    "train": {"nn", "optim", "dist"},
    "geometry": {"vectors"},
    "plot": {"train"},
    "cli": {"text", "vectors", "nn", "optim", "dist", "train", "geometry", "plot"},
}
WITHOUT_JAX = {"text", "vectors"}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}


def imported_names(path):
    """Every module that a file imports, at its top or inside of a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by the full name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaches(room, names):
    for name in names:
        parts = name.split(".")
        if parts[0] == "jaxembed" and len(parts) > 1 and parts[1] != room:
            if parts[1] not in MAY_IMPORT[room]:
                yield name
        if room in WITHOUT_JAX and parts[0] in JAX:
            yield name


FILES = sorted((ROOT / "jaxembed").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_what_it_may(path):
    room = path.relative_to(ROOT / "jaxembed").parts[0].removesuffix(".py")
    if room != "__init__":
        assert list(breaches(room, imported_names(path))) == []


@pytest.mark.parametrize(
    ("room", "name"),
    [("text", "jaxembed.nn.lookup"), ("nn", "jaxembed.train"), ("text", "jax.numpy")],
)
def test_a_breach_is_found(room, name):
    assert list(breaches(room, [name])) == [name]


@pytest.mark.parametrize("folder", ["experiments", "benchmarks"])
def test_programs_use_public_names_only(folder):
    for path in sorted((ROOT / folder).glob("*.py")):
        for name in imported_names(path):
            parts = name.split(".")
            if parts[0] == "jaxembed" and len(parts) > 1:
                assert is_public(parts[1:]), f"{path}: {name}"


def is_public(parts):
    """Whether a room, or a name in the table of contents of one, is meant."""
    room, *names = parts
    if room not in MAY_IMPORT or len(names) > 1:
        return False
    contents = (ROOT / "jaxembed" / room / "__init__.py").read_text() if names else ""
    return not names or f" as {names[0]}\n" in contents


@pytest.mark.parametrize("name", ["text.words", "text.words.FILTERS", "_x", "nn.calls"])
def test_a_private_name_is_found(name):
    assert not is_public(name.split("."))
    assert is_public(["nn", "lookup"]) and is_public(["text"])


HEAVY = ("tensorflow_datasets", "orbax", "matplotlib", "tyro", "scipy")


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import jaxembed", (*HEAVY, *JAX, "numpy", "pyarrow")),
        ("from jaxembed import text", (*HEAVY, *JAX)),
        ("from jaxembed import vectors", (*HEAVY, *JAX)),
        ("from jaxembed import nn", (*HEAVY, "pyarrow")),
        ("from jaxembed import nn, optim, plot, text, train", HEAVY),
    ],
)
def test_heavy_modules_are_imported_where_they_are_used(statement, unwanted):
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(unwanted) & set(done.stdout.split())
