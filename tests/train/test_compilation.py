"""use_compilation_cache: a second process compiles nothing; a folder in use stays."""

import os
import subprocess
import sys

import jax
import pytest

from jaxembed import train

PROGRAM = """
import jax, jax.monitoring
from jaxembed import train
hits = []
jax.monitoring.register_event_listener(
    lambda name, **_: hits.append(name) if name.endswith("cache_hits") else None
)
print(train.use_compilation_cache())
print(jax.jit(lambda x: x * 2 + 1)(20.0), len(hits))
"""


def run_program(folder):
    env = {k: v for k, v in os.environ.items() if not k.startswith("JAX_COMP")}
    env["XDG_CACHE_HOME"] = str(folder)
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_a_second_process_loads_the_program(tmp_path):
    folder = tmp_path / "jaxembed" / "compiled"
    assert run_program(tmp_path)[:2] == [str(folder), "41.0"]
    stored = sorted(path.name for path in folder.iterdir())
    assert any(name.endswith("-cache") for name in stored)
    _, result, hits = run_program(tmp_path)
    assert result == "41.0" and int(hits) > 0


def test_the_folder_of_the_user_stays(tmp_path):
    before = jax.config.jax_compilation_cache_dir  # set by conftest
    assert str(train.use_compilation_cache(tmp_path / "other")) == before
    assert not (tmp_path / "other").exists()


def test_a_folder_that_cannot_be_created_raises(tmp_path):
    (tmp_path / "file").write_text("")
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        with pytest.raises(OSError, match="file"):
            train.use_compilation_cache(tmp_path / "file" / "sub")
        assert jax.config.jax_compilation_cache_dir is None
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
