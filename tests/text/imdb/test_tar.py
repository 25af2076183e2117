"""Tar: the members that Python's tarfile finds, in bounded memory."""

import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxembed import text
from jaxembed.text.imdb._tar import Damage, Tar
from tests.conftest import REVIEWS
from tests.fuzz._rounds import peak_memory, reset_peak

FORMATS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
KINDS = {tarfile.REGTYPE: "file", tarfile.AREGTYPE: "file", tarfile.DIRTYPE: "folder"}


def make(members, form=tarfile.PAX_FORMAT):
    """Return the bytes of an archive of (name, content, type)."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as archive:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            info.type, info.size = kind, len(content)
            info.linkname = "target" * 30 if kind == tarfile.SYMTYPE else ""
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read(data):
    tar = Tar(io.BytesIO(data).read)
    return [(*member, tar.read()) for member in tar]


def read_by_tarfile(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            (
                member.name,
                KINDS.get(member.type, "other"),
                member.size if member.isreg() else 0,
                archive.extractfile(member).read() if member.isreg() else b"",
            )
            for member in archive
        ]


names = st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=130
).map(lambda name: f"aclImdb/{name.strip('/') or 'x'}")
members = st.tuples(
    names, st.binary(max_size=1100), st.sampled_from([*KINDS, tarfile.SYMTYPE])
)


@given(members=st.lists(members, max_size=5), form=st.sampled_from(FORMATS[1:]))
def test_members_are_those_of_tarfile(members, form):
    members = [
        (name, content if KINDS.get(kind) == "file" else b"", kind)
        for name, content, kind in members
    ]
    data = make(members, form)
    assert read(data) == read_by_tarfile(data)


def test_the_oldest_formats():
    members = [
        ("a" * 90 + "/" + "b" * 60, b"long", tarfile.REGTYPE),  # a prefix of ustar
        ("folder/", b"", tarfile.AREGTYPE),
        ("a.txt", b"x" * 513, tarfile.AREGTYPE),
        ("é.txt", b"", tarfile.REGTYPE),
    ]
    data = make(members, tarfile.USTAR_FORMAT)
    assert read(data) == read_by_tarfile(data) and len(read(data)) == 4


def test_a_size_in_bytes_and_one_in_a_record():
    """Read a size as binary (GNU) and as a PAX record, of a member that is skipped."""
    for form, size in ((tarfile.GNU_FORMAT, 8 << 30), (tarfile.PAX_FORMAT, 9 << 30)):
        info = tarfile.TarInfo("a.txt")
        info.size = size
        header = info.tobuf(form)
        tar = Tar(io.BytesIO(header).read)
        assert next(iter(tar)) == ("a.txt", "file", size)


def extended(kind, payload, size=None):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, len(payload) if size is None else size
    return info.tobuf(tarfile.GNU_FORMAT) + payload + bytes(-len(payload) % 512)


def record(key, value):
    length = len(key) + len(value) + 3
    length += len(str(length + len(str(length))))
    return f"{length} {key}={value}\n".encode()


WHOLE = make([("a.txt", b"x", tarfile.REGTYPE)])
PAX = tarfile.XHDTYPE


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (extended(tarfile.GNUTYPE_LONGNAME, b"", 1 << 30), "has 1,073,741,824 bytes"),
        (extended(tarfile.GNUTYPE_LONGLINK, b"", 1 << 30), "has 1,073,741,824 bytes"),
        (extended(PAX, b"", 1 << 30), "extended header has 1,073,741,824 bytes"),
        (extended(tarfile.XGLTYPE, b"", 65_537), "and at most 65,536 are read"),
        (extended(tarfile.GNUTYPE_SPARSE, b""), "is a sparse file"),
        (extended(PAX, record("GNU.sparse.major", "1")) + WHOLE, "is a sparse file"),
        (extended(PAX, b"99 path=a\n") + WHOLE, "has the record"),
        (extended(PAX, b"x path=a\n") + WHOLE, "has the number b'x'"),
        (extended(PAX, b"0 path=a\n") + WHOLE, "has the record"),
        (extended(PAX, record("size", "-1")) + WHOLE, "has the number b'-1'"),
        (WHOLE[:100] + b"8" + WHOLE[101:], "the checksum of a header is wrong"),
        (WHOLE[:124] + b"9" + WHOLE[125:], "the checksum of a header is wrong"),
        (WHOLE[:512], "the archive ends inside a member"),
        (WHOLE[:1024], "the archive ends inside a member, or without an end"),
    ],
)
def test_another_form_is_refused(data, message):
    with pytest.raises(Damage, match=message):
        read(data)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, PAX, tarfile.XGLTYPE])
def test_a_large_header_in_a_small_file_takes_no_memory(tmp_path, kind):
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb", 1) as stream:
        stream.write(extended(kind, b"", 1 << 29))
        for _ in range(128):
            stream.write(b"a" * (1 << 22))
    before = reset_peak()
    with pytest.raises(ValueError, match="damaged after 0 members: an extended header"):
        text.load_imdb(path)
    assert peak_memory() - before < 100_000_000


def test_many_members_take_no_memory():
    """Read a million empty members, of which tarfile keeps two gigabytes."""
    header = tarfile.TarInfo("aclImdb/README").tobuf()
    stream = (header * 2048 for _ in range(100))
    before, tar = reset_peak(), Tar(lambda size: next(stream, b"")[:size])
    with pytest.raises(Damage, match="without an end"):
        for _ in tar:
            pass
    assert tar.n_members == 100
    assert peak_memory() - before < 100_000_000


def test_reviews_of_two_folders_are_refused(make_archive):
    extra = tarfile.TarInfo("other/train/neg/77_1.txt")
    message = "must have the reviews of one folder, got .*'aclImdb/' and 'other/'"
    with pytest.raises(ValueError, match=message):
        text.load_imdb(make_archive(extra=[extra]))


def test_a_review_with_a_nul_is_refused(make_archive, make_folder):
    reviews = REVIEWS | {"train/neg/5_1.txt": "bad\0film"}
    for source in (make_folder(reviews), make_archive(reviews)):
        with pytest.raises(ValueError, match=r"5_1\.txt has a NUL character at 3"):
            text.load_imdb(source)


def test_pipes_are_refused_at_once(make_folder, tmp_path):
    import os

    folder = make_folder()
    os.mkfifo(folder / "train" / "neg" / "5_1.txt")
    with pytest.raises(ValueError, match=r"5_1\.txt must be a file, got a device"):
        text.load_imdb(folder)
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(
            ValueError, match="must be a folder or an archive, got a device"
        ):
            text.load_imdb(path)
