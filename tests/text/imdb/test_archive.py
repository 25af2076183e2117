"""IMDB files: a folder and an archive give the same reviews, or a clear error."""

import gzip
import re
import tarfile

import numpy as np
import pytest

from jaxembed import text
from jaxembed.text.imdb import _archive
from tests.conftest import REVIEWS


def test_folder_and_archive_give_the_same_in_the_order_of_names(
    make_folder, make_archive
):
    folder, archive = text.load_imdb(make_folder()), text.load_imdb(make_archive())
    # 0_2, 10_1, 9_3: sorted by name, not by number or order in the archive
    assert folder.train_texts[:3] == [
        REVIEWS[f"train/neg/{name}.txt"] for name in ("0_2", "10_1", "9_3")
    ]
    np.testing.assert_array_equal(folder.train_labels, [0, 0, 0, 1, 1])
    assert folder.train_labels.dtype == np.int32
    for corpus in (folder, archive):
        assert corpus.train_texts == folder.train_texts
        assert corpus.test_texts == ["A bad bore.", "Such good fun!"]
        assert corpus.unlabelled_texts == []


@pytest.mark.parametrize("prefix", ["aclImdb/", "./aclImdb/", "", "mine/"])
def test_the_top_folder_of_an_archive_may_have_any_name(make_archive, prefix):
    corpus = text.load_imdb(make_archive(prefix=prefix))
    assert len(corpus.train_texts) == 5


def test_unlabelled_reviews_are_read(make_folder, make_archive):
    more = REVIEWS | {"train/unsup/0_0.txt": "So so."}
    assert text.load_imdb(make_folder(more)).unlabelled_texts == ["So so."]
    assert text.load_imdb(make_archive(more)).unlabelled_texts == ["So so."]


def test_other_files_are_passed_over(make_archive):
    more = REVIEWS | {"train/labeledBow.feat": "0:1", "README": "x"}
    assert len(text.load_imdb(make_archive(more)).train_texts) == 5


def test_no_such_path_is_refused(tmp_path):
    message = (
        rf"{tmp_path}/none does not exist: give the path of aclImdb/ or .*synthetic"
    )
    with pytest.raises(FileNotFoundError, match=message):
        text.load_imdb(tmp_path / "none")


def test_a_folder_without_a_part_is_refused(make_folder):
    folder = make_folder({k: v for k, v in REVIEWS.items() if "train/pos" not in k})
    message = rf"{folder} must contain train/neg, .*; the folder train/pos is missing"
    with pytest.raises(FileNotFoundError, match=message):
        text.load_imdb(folder)


def test_an_empty_part_is_refused(make_folder, make_archive):
    some = {k: v for k, v in REVIEWS.items() if "test/pos" not in k}
    folder = make_folder(some)
    (folder / "test/pos").mkdir()
    for source in (folder, make_archive(some)):
        with pytest.raises(ValueError, match=r"must contain reviews test/pos/\*.txt"):
            text.load_imdb(source)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", r"train/neg/5_1.txt is empty: remove it"),
        (" \n", r"train/neg/5_1.txt is empty"),
        (b"caf\xe9", r"train/neg/5_1.txt is not UTF-8: .*position 3"),
        (
            b"a" * (2**20 + 1),
            r"5_1.txt has 1048577 bytes; a review has at most",
        ),
    ],
    ids=["empty", "blank", "latin1", "large"],
)
def test_a_review_that_is_none_is_refused(make_folder, make_archive, data, message):
    reviews = REVIEWS | {"train/neg/5_1.txt": data}
    for source in (make_folder(reviews), make_archive(reviews)):
        with pytest.raises(ValueError, match=message):
            text.load_imdb(source)


@pytest.mark.parametrize("cut", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_refused(make_archive, cut):
    path = make_archive()
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    message = rf"{path} is truncated or damaged after \d+ members: .*Download it again"
    with pytest.raises(ValueError, match=message):
        text.load_imdb(path)


@pytest.mark.parametrize("place", [0.3, 0.6, -8])
def test_a_damaged_archive_is_refused(make_archive, place):
    path = make_archive()
    data = bytearray(path.read_bytes())
    data[place if place < 0 else int(place * len(data))] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is truncated or damaged after"):
        text.load_imdb(path)


def test_what_is_no_archive_is_refused(tmp_path):
    path = tmp_path / "aclImdb_v1.tar.gz"
    path.write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match="must be a .tar.gz of reviews, got .*html"):
        text.load_imdb(path)
    path.write_bytes(gzip.compress(b"no tar" * 1000))
    with pytest.raises(ValueError, match="truncated or damaged after 0 members"):
        text.load_imdb(path)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "aclImdb/../../evil.txt"])
def test_a_member_outside_its_folder_is_refused(make_archive, name):
    path = make_archive(extra=[tarfile.TarInfo(name)])
    message = rf"the member '{re.escape(name)}' lies outside of the archive's folder"
    with pytest.raises(ValueError, match=message):
        text.load_imdb(path)


def test_a_link_in_place_of_a_review_is_refused(make_archive):
    link = tarfile.TarInfo("aclImdb/train/neg/7_1.txt")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with pytest.raises(ValueError, match="7_1.txt' is a link, not a review"):
        text.load_imdb(make_archive(extra=[link]))


def test_a_tar_without_an_end_is_refused(make_archive):
    path = make_archive()
    tar = gzip.decompress(path.read_bytes())
    for size in range(512, len(tar.rstrip(b"\0")), 512):
        path.write_bytes(gzip.compress(tar[:size]))  # truncated, in valid gzip
        with pytest.raises(ValueError, match="is truncated or damaged after"):
            text.load_imdb(path)


def test_a_review_that_is_there_twice_is_refused(make_archive):
    twice = tarfile.TarInfo("aclImdb/train/neg/0_2.txt")
    message = r"train/neg/0_2.txt (appears twice|is empty)"
    with pytest.raises(ValueError, match=message):
        text.load_imdb(make_archive(extra=[twice]))
    path = make_archive()
    tar = gzip.decompress(path.read_bytes())
    members = tar.rstrip(b"\0")
    members += bytes(-len(members) % 512)
    path.write_bytes(gzip.compress(members + tar))
    with pytest.raises(ValueError, match="appears twice: do not trust this file"):
        text.load_imdb(path)


def test_a_bomb_is_refused(make_archive):
    reviews = {f"train/unsup/{i}_0.txt": "a" * 2**20 for i in range(70)}
    with pytest.raises(ValueError, match="unpacks to more than 200 times its size"):
        text.load_imdb(make_archive(REVIEWS | reviews))


def test_a_file_that_cannot_be_read_is_no_damage(make_archive, monkeypatch):
    path = make_archive()

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        text.load_imdb(path)


def test_nothing_is_extracted(make_archive, tmp_path, monkeypatch):
    path = make_archive()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    text.load_imdb(path)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.real_archive
def test_the_real_archive(real_archive):
    parts = _archive.read_archive(real_archive)
    assert {part: len(texts) for part, texts in parts.items()} == {
        part: 12_500 for part in _archive.PARTS
    }
    assert parts["train", "neg"][0].startswith("Story of a man who has unnatural")
