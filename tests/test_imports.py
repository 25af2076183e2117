"""Imports: allowed imports between subpackages, and lazy imports of heavy modules."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxembed

ROOT = Path(__file__).parents[1]
GROUND = {"_io", "_checks"}
MAY_IMPORT = {
    "_io": set(),
    "_checks": set(),
    "text": GROUND,
    "nn": GROUND,
    "optim": GROUND,
    "stats": GROUND,
    "vectors": GROUND | {"text"},
    "dist": GROUND | {"nn", "optim"},
    "train": GROUND | {"nn", "optim", "dist"},
    "replicates": GROUND | {"train", "nn", "optim", "dist"},
    "geometry": GROUND | {"vectors"},
    "plot": GROUND | {"stats", "train"},
    "export": GROUND | {"text", "vectors", "nn", "train"},
    "model": GROUND | {"text", "vectors", "nn", "optim", "train", "export"},
}
ROOMS = {room for room in MAY_IMPORT if not room.startswith("_")}
MAY_IMPORT["cli"] = GROUND | ROOMS
MAY_IMPORT["__main__"] = {"cli"}
WITHOUT_JAX = {"text", "vectors", "stats"}
JAX = {"jax", "jaxlib", "flax", "optax", "orbax", "chex"}
# `plot` uses only `History` from `train`.
ONLY = {("plot", "train"): {"jaxembed.train.History", "jaxembed.train._history"}}


def imported_names(path):
    """Yield every module that a file imports, also inside of functions."""
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
            only = ONLY.get((room, parts[1]))
            if parts[1] not in MAY_IMPORT[room] or only and name not in only:
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
    [("text", "jaxembed.nn._lookup"), ("nn", "jaxembed.train"), ("text", "jax.numpy")],
)
def test_a_breach_is_found(room, name):
    assert list(breaches(room, [name])) == [name]


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=str)
def test_a_folder_has_at_most_a_dozen_modules(folder):
    modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= 12
    private = [path.name.startswith("_") for path in modules]
    assert all(private), (
        "names of modules must begin with _; __init__.py exports the public names"
    )


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def import_graph(files):
    """Map each module to the jaxembed modules that it imports when loaded."""
    names = {module_name(path) for path in files}
    graph = {}
    for path in files:
        top = ast.Module(ast.parse(path.read_text()).body, [])
        top.body = [n for n in top.body if isinstance(n, ast.Import | ast.ImportFrom)]
        found = set()
        for node in top.body:
            if isinstance(node, ast.ImportFrom):
                full = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= {name if name in names else node.module for name in full}
        graph[module_name(path)] = (found & names) - {"jaxembed"}
    return graph


def find_cycle(graph):
    done, path = set(), []

    def visit(name):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return None
        path.append(name)
        cycle = next(filter(None, map(visit, sorted(graph[name]))), None)
        path.pop()
        done.add(name)
        return cycle

    return next(filter(None, map(visit, graph)), None)


def test_there_is_no_import_cycle():
    graph = import_graph(FILES)
    assert len(graph) == len(FILES) and sum(map(len, graph.values())) > 100
    assert find_cycle(graph) is None
    graph["jaxembed._checks"] = {
        "jaxembed.train._fit"
    }  # the check must find this cycle
    assert find_cycle(graph)[0] == find_cycle(graph)[-1]


# Compiles the programs behind functions that take arrays only, such as train.predict.
PRIVATE = {
    ROOT / "benchmarks/tpu/hosted.py": {
        "geometry._search", "replicates._program", "replicates._validation",
        "train._evaluate", "train._predict",
    },
}  # fmt: skip


@pytest.mark.parametrize("folder", ["experiments", "benchmarks", "examples"])
def test_programs_use_public_names_only(folder):
    paths = sorted((ROOT / folder).rglob("*.py"))
    assert len(paths) > 5
    for path in paths:
        for name in [*imported_names(path), *used_names(path)]:
            parts = name.split(".")
            if parts[0] == "jaxembed" and len(parts) > 1:
                is_allowed = ".".join(parts[1:]) in PRIVATE.get(path, ())
                assert is_allowed or is_public(parts[1:]), f"{path}: {name}"


def used_names(path):
    """Yield the names that a file takes from the rooms it imports, as ``nn.lookup``."""
    tree = ast.parse(path.read_text())
    rooms = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "jaxembed"
        for alias in node.names
        if alias.name != "TextModel"  # a class, not a room
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in rooms:
                yield f"jaxembed.{rooms[node.value.id]}.{node.attr}"


def test_a_used_name_is_found(tmp_path):
    path = tmp_path / "program.py"
    path.write_text("from jaxembed import nn as ours\nours._tap.tap_rows\nnp.sum\n")
    assert list(used_names(path)) == ["jaxembed.nn._tap"]


def is_public(parts):
    """Return whether the name is a subpackage or is exported by one."""
    if parts == ["TextModel"]:
        return True
    room, *names = parts
    if room not in ROOMS | {"cli"} or len(names) > 1:
        return False
    contents = (ROOT / "jaxembed" / room / "__init__.py").read_text() if names else ""
    return not names or f" as {names[0]}\n" in contents


@pytest.mark.parametrize(
    "name", ["text._split", "text._split.FILTERS", "_io", "nn.tap"]
)
def test_a_private_name_is_found(name):
    assert not is_public(name.split("."))
    assert is_public(["nn", "lookup"]) and is_public(["text"])


HEAVY = ("tensorflow_datasets", "orbax", "matplotlib", "tyro", "scipy")


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("from jaxembed import cli", (*HEAVY, *JAX, "numpy", "pyarrow")),
        ("import jaxembed", (*HEAVY, *JAX, "numpy", "pyarrow")),
        ("from jaxembed import text", (*HEAVY, *JAX)),
        ("from jaxembed import vectors", (*HEAVY, *JAX)),
        ("from jaxembed import stats", ("matplotlib", *JAX)),
        ("from jaxembed import nn", (*HEAVY, "pyarrow")),
        ("from jaxembed import nn, optim, plot, text, train", HEAVY),
        ("import jaxembed; jaxembed.text.Tokenizer", (*HEAVY, *JAX)),
        ("from jaxembed import TextModel", HEAVY),
    ],
)
def test_heavy_modules_are_imported_where_they_are_used(statement, unwanted):
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(unwanted) & set(done.stdout.split())


def test_rooms_are_attributes():
    code = "import jaxembed\nprint(jaxembed.nn.Embed, jaxembed.TextModel.fit)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "nn._embed.Embed" in done.stdout and "TextModel.fit" in done.stdout
    rooms = {path.parent.name for path in FILES if path.name == "__init__.py"} & ROOMS
    assert rooms | {"TextModel"} <= set(dir(jaxembed))
    with pytest.raises(AttributeError, match="has no attribute 'nowhere'"):
        _ = jaxembed.nowhere
    with pytest.raises(ImportError, match="cannot import name 'nowhere'"):
        exec("from jaxembed import nowhere")
