"""Shared settings and fixtures: strict JAX, real data if present, small archives."""

import io
import os
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["KERAS_BACKEND"] = "jax"  # before tests import keras

import chex
import jax

# Labels [B] against logits [B, 1] would broadcast to [B, B] silently.
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_num_cpu_devices", 4)
# Cache compiled programs on disk, since many tests compile the same program and XLA
# takes most of the test time. Each process has its own new folder: reading an entry
# that another worker is still writing would raise a warning.
_compiled = tempfile.TemporaryDirectory(prefix="jaxembed-compiled-")
jax.config.update("jax_compilation_cache_dir", _compiled.name)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
settings.register_profile("jaxembed", deadline=None, derandomize=True)
settings.load_profile("jaxembed")

REVIEWS = {
    "train/neg/0_2.txt": "A bad, bad film.",
    "train/neg/10_1.txt": "Bad acting. A bore!",
    "train/neg/9_3.txt": "Dull and bad, naïve even.",
    "train/pos/0_9.txt": "A good film, a joy.",
    "train/pos/1_10.txt": "Good acting, good fun.",
    "test/neg/0_1.txt": "A bad bore.",
    "test/pos/0_8.txt": "Such good fun!",
}


def pytest_collection_modifyitems(items):
    """Skip the tests of the real reviews if the archive is missing."""
    folder = os.environ.get("JAXEMBED_DATA")
    if folder and Path(folder, "aclImdb_v1.tar.gz").is_file():
        return
    reason = f"JAXEMBED_DATA={folder} must be a folder with aclImdb_v1.tar.gz in it"
    for item in items:
        if "real_data" in item.keywords:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def real_reviews() -> Path:
    """Return the path of the real archive, for tests marked ``real_data``."""
    return Path(os.environ["JAXEMBED_DATA"], "aclImdb_v1.tar.gz")


@pytest.fixture(autouse=True)
def _fresh_trace_counts():
    """Clear the trace counts of Chex, whose keys are names that tests share."""
    chex.clear_trace_counter()


@pytest.fixture
def make_folder(tmp_path):
    """Return a function that writes ``{name: text}`` to a folder like aclImdb."""

    def make(reviews=REVIEWS):
        for name, text in reviews.items():
            path = tmp_path / "aclImdb" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path / "aclImdb"

    return make


@pytest.fixture
def make_archive(tmp_path):
    """Return a function that writes ``{name: text}`` and more members to a .tar.gz."""

    def make(reviews=REVIEWS, extra=(), prefix="aclImdb/"):
        path = tmp_path / "aclImdb_v1.tar.gz"
        with tarfile.open(path, "w:gz") as tar:
            for name, text in sorted(reviews.items(), reverse=True):
                data = text.encode() if isinstance(text, str) else text
                member = tarfile.TarInfo(prefix + name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            for member in extra:
                tar.addfile(member)
        return path

    return make
