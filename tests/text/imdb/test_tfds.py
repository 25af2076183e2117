"""IMDB by TFDS: a small archive is prepared by our builder, without TensorFlow."""

import dataclasses
import hashlib
import http.server
import socket
import subprocess
import sys
import threading
import warnings

import pytest

from jaxembed import text
from jaxembed.text.imdb import _tfds
from jaxembed.text.imdb._archive import Archive
from tests._io.test_replace import largest_file
from tests.conftest import REVIEWS

UNREACHABLE = (
    "http://127.0.0.1:9/reviews/aclImdb_v1.tar.gz"  # the discard port is closed
)

# Warnings of TFDS and its dependencies while they prepare a dataset.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def describe(path, **wrong):
    data = path.read_bytes()
    facts = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return Archive(UNREACHABLE, **(facts | wrong))


def test_the_archive_in_manual_dir_is_prepared_once(make_archive, tmp_path):
    path = make_archive(REVIEWS | {"train/unsup/0_0.txt": "So so."})
    archive, data_dir = describe(path), tmp_path / "tfds"
    settings = {"data_dir": data_dir, "manual_dir": tmp_path, "archive": archive}
    corpus = text.load_imdb("tfds", **settings)
    expected = text.load_imdb(path)
    for again in (corpus, text.load_imdb("tfds", data_dir=data_dir, archive=archive)):
        assert again.train_texts == expected.train_texts
        assert again.train_labels.tolist() == expected.train_labels.tolist()
        assert again.test_texts == expected.test_texts
        assert again.unlabelled_texts == ["So so."]
    assert list(data_dir.rglob("*.array_record-*"))
    assert not list(data_dir.rglob("*incomplete*"))


def test_it_needs_no_tensorflow(make_archive, tmp_path):
    archive = describe(make_archive())
    code = f"""
import sys
from jaxembed import text
from jaxembed.text.imdb._archive import Archive
archive = Archive({UNREACHABLE!r}, {archive.size}, {archive.sha256!r})
corpus = text.load_imdb("tfds", data_dir={str(tmp_path / "d")!r},
                        manual_dir={str(tmp_path)!r}, archive=archive)
print(len(corpus.train_texts), {{"jax", "tensorflow"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "5 set()"


def test_without_tfds_the_error_has_the_command(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError) as caught:
        text.load_imdb("tfds", data_dir=tmp_path)
    message = str(caught.value)
    assert message.startswith("load_imdb needs the module tensorflow_datasets")
    assert message.endswith("pip install '.[tfds]'")


def test_without_a_network_it_fails_at_once_and_names_the_place(tmp_path):
    archive = Archive(UNREACHABLE, 12_345, "0" * 64)
    message = (
        rf"{UNREACHABLE} cannot be downloaded: .*refused.* Download aclImdb_v1.tar.gz "
        rf"\(12345 bytes\) .* put it into {tmp_path}/downloads/manual, or give the path"
    )
    with pytest.raises(ConnectionError, match=message):
        text.load_imdb("tfds", data_dir=tmp_path, archive=archive)
    assert not list(tmp_path.rglob("*.tar.gz*"))


def test_a_host_that_does_not_answer_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(_tfds, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/aclImdb_v1.tar.gz"
        with pytest.raises(ConnectionError, match="cannot be downloaded: timed out"):
            text.load_imdb("tfds", data_dir=tmp_path, archive=Archive(url, 1, ""))


class Server(http.server.BaseHTTPRequestHandler):
    """Server that sends the first ``sent`` bytes of ``data``."""

    data, sent, n_gets = b"", None, 0

    def do_HEAD(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()

    def do_GET(self):
        type(self).n_gets += 1
        self.do_HEAD()
        self.wfile.write(self.data[: self.sent])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve():
    """Return a function that starts a local server and returns its URL and handler."""
    servers = []

    def start(data, sent=None):
        handler = type("Handler", (Server,), {"data": data, "sent": sent})
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/aclImdb_v1.tar.gz", handler

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_an_archive_is_fetched_checked_and_prepared(make_archive, tmp_path, serve):
    path, data_dir = make_archive(), tmp_path / "tfds"
    url, handler = serve(path.read_bytes())
    archive = dataclasses.replace(describe(path), url=url)
    corpus = text.load_imdb("tfds", data_dir=data_dir, archive=archive)
    assert corpus.train_texts == text.load_imdb(path).train_texts
    kept = data_dir / "downloads" / "manual" / "aclImdb_v1.tar.gz"
    assert kept.read_bytes() == path.read_bytes()
    assert handler.n_gets == 1


@pytest.mark.parametrize(
    ("wrong", "sent", "error", "message"),
    [
        (
            {"sha256": "0" * 64},
            None,
            ValueError,
            "bytes and SHA-256 0{64}: download it",
        ),
        ({"size": 7}, None, ValueError, "must have 7 bytes and SHA-256 "),
        (
            {},
            100,
            (ConnectionError, ValueError),
            "cannot be downloaded|must have .* Found: ",
        ),
    ],
    ids=["hash", "size", "broken off"],
)
def test_what_is_fetched_wrongly_is_not_kept(
    make_archive, tmp_path, serve, wrong, sent, error, message
):
    path, data_dir = make_archive(), tmp_path / "tfds"
    url, handler = serve(path.read_bytes(), sent)
    archive = dataclasses.replace(describe(path, **wrong), url=url)
    with pytest.raises(error, match=message):
        text.load_imdb("tfds", data_dir=data_dir, archive=archive)
    assert not [found for found in data_dir.rglob("*") if found.is_file()]
    assert handler.n_gets == 1  # and no second try


def test_a_full_disk_is_no_error_of_the_network(make_archive, tmp_path, serve):
    path, data_dir = make_archive(), tmp_path / "tfds"
    url, _ = serve(path.read_bytes())
    archive = dataclasses.replace(describe(path), url=url)
    message = rf"aclImdb_v1\.tar\.gz needs {archive.size} bytes"
    with largest_file(100), pytest.raises(OSError, match=message) as caught:
        text.load_imdb("tfds", data_dir=data_dir, archive=archive)
    assert not isinstance(caught.value, ConnectionError)
    assert not [found for found in data_dir.rglob("*") if found.is_file()]


@pytest.mark.parametrize("wrong", [{"size": 1}, {"sha256": "0" * 64}], ids=str)
def test_another_archive_is_refused(make_archive, tmp_path, wrong):
    archive, data_dir = describe(make_archive(), **wrong), tmp_path / "tfds"
    settings = {"data_dir": data_dir, "manual_dir": tmp_path, "archive": archive}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(
            ValueError, match="must have .* bytes and SHA-256 .*Found: "
        ):
            text.load_imdb("tfds", **settings)
    assert not list(data_dir.rglob("*array_record*"))
    assert not list(data_dir.rglob("*incomplete*"))


def test_the_original_is_pinned():
    from jaxembed.text.imdb._archive import ORIGINAL

    assert ORIGINAL.name == "aclImdb_v1.tar.gz"
    assert ORIGINAL.size == 84_125_825
    assert ORIGINAL.sha256.startswith("c40f74a18d3b61f9")
