"""IMDB files: read reviews from a folder or a .tar.gz, sorted by file name."""

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

from jaxembed import _io
from jaxembed.text.imdb._tar import Damage, Member, Tar

# The texts of each (split, label), sorted by file name.
Parts: TypeAlias = dict[tuple[str, str], list[str]]
PARTS = (("train", "neg"), ("train", "pos"), ("test", "neg"), ("test", "pos"))
OPTIONAL_PARTS = (("train", "unsup"),)
# Size limit of a review; the longest real review has 14 kB.
MAX_REVIEW_BYTES = 1 << 20
# Reviews compress to 1/4, the tar headers of short reviews to 1/50.
MAX_EXPANSION = 200
END = bytes(1024)  # every tar file ends with two blocks of zeros
REVIEW = re.compile(r"((?:[^/]+/)?)(train|test)/(neg|pos|unsup)/([^/]+\.txt)")
GZIP = b"\x1f\x8b"
PIECE = 1 << 20  # bytes read at once after the last member


@dataclasses.dataclass(frozen=True)
class Archive:
    """Download address of a ``.tar.gz`` of reviews, and its expected size and hash.

    Attributes:
      url: URL of the file.
      size: expected size in bytes.
      sha256: expected SHA-256 in hexadecimal.
    """

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """File name, also of a copy in ``manual_dir``."""
        return self.url.rsplit("/", 1)[-1]


ORIGINAL = Archive(
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    size=84_125_825,
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
)


def read_folder(path: Path) -> Parts:
    """Read the reviews from a folder like ``aclImdb``.

    Raises:
      FileNotFoundError: if ``train/neg``, ``train/pos``, ``test/neg`` or ``test/pos``
        is missing.
      ValueError: if one of these folders does not contain a ``.txt`` file, or a review
        is invalid; see :func:`read_archive`.
    """
    reviews = []
    for part in (*PARTS, *OPTIONAL_PARTS):
        folder = path.joinpath(*part)
        if not folder.is_dir():
            if part in OPTIONAL_PARTS:
                continue
            raise FileNotFoundError(
                f"{path} must contain {', '.join('/'.join(p) for p in PARTS)}, as "
                f"aclImdb does; the folder {'/'.join(part)} is missing."
            )
        for file in folder.glob("*.txt"):
            _io.check_regular(file)
            _check_size(str(file), file.stat().st_size)
            reviews.append((part, file.name, file.read_bytes()))
    return collect(path, reviews)


def read_archive(path: Path) -> Parts:
    """Read the reviews from a ``.tar.gz`` of such a folder, without extracting it.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if the archive is truncated or damaged, or unpacks to more than 200
        times its size; if a member lies outside of the archive's folder; if reviews lie
        in two folders, or one is a link; if a part is without reviews; or if a review
        is empty, not UTF-8, larger than 1 MiB, or appears twice.
    """
    reviews: list[tuple[tuple[str, str], str, bytes]] = []
    with path.open("rb") as file:  # before try: file system errors stay OSError
        head = file.read(20)
        file.seek(0)
        if not head.startswith(GZIP):
            raise ValueError(
                f"{path} must be a .tar.gz of reviews, got a file that starts with "
                f"{head!r}: give a folder or an archive like aclImdb, or download it "
                "again."
            )
        stream = _Measured(_io.Unpacker(file, "gz", str(path), limit=MAX_EXPANSION))
        tar = Tar(stream.read)
        try:
            roots: set[str] = set()
            for member in tar:
                if match := _match_review(member, path):
                    roots.add(match[1])
                    _check_roots(roots, path)
                    reviews.append(((match[2], match[3]), match[4], tar.read()))
            while stream.read(PIECE):  # gzip verifies its checksum at the end
                pass
        except (*_io.DAMAGES, Damage) as error:
            raise ValueError(
                f"{path} is truncated or damaged after {tar.n_members} members: "
                f"{error}. Download it again."
            ) from error
    if len(stream.tail) < len(END) or stream.tail.strip(b"\0"):
        raise ValueError(
            f"{path} is truncated or damaged after {tar.n_members} members: its end is "
            "missing. Download it again."
        )
    return collect(path, reviews)


class _Measured:
    """Stream that keeps its last bytes."""

    def __init__(self, stream: _io.Unpacker):
        self.stream, self.tail = stream, b""

    def read(self, size: int) -> bytes:
        """Return the next bytes, and keep the last bytes read in ``tail``."""
        data = self.stream.read1(size)
        self.tail = (self.tail + data)[-len(END) :]
        return data


def _check_roots(roots: set[str], path: Path) -> None:
    if len(roots) > 1:
        raise ValueError(
            f"{path} must have the reviews of one folder, got reviews in "
            f"{' and '.join(repr(root or './') for root in sorted(roots))}. Do not "
            "trust this file."
        )


def collect(path: Path, reviews: Iterable[tuple[tuple[str, str], str, bytes]]) -> Parts:
    """Check each ``(part, name, UTF-8 bytes)`` review and sort the reviews by name.

    Raises:
      ValueError: if a review is empty, not UTF-8, has a NUL character or appears twice,
        or if a part is without reviews. The message names the review or the part.
    """
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    names = set()
    for part, name, data in reviews:
        place = f"{path}: {'/'.join(part)}/{name}"
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{place} is not UTF-8: {error}.") from error
        if "\0" in text:
            raise ValueError(
                f"{place} has a NUL character at {text.index(chr(0))}: it is not text."
            )
        if not text.strip():
            raise ValueError(f"{place} is empty: remove it, or download it again.")
        if (part, name) in names:
            raise ValueError(f"{place} appears twice: do not trust this file.")
        names.add((part, name))
        found[part].append((name, text))
    for part in PARTS:
        if not found[part]:
            raise ValueError(f"{path} must contain reviews {'/'.join(part)}/*.txt.")
    return {part: [text for _, text in sorted(pairs)] for part, pairs in found.items()}


def _match_review(member: Member, path: Path) -> re.Match[str] | None:
    """Return the root, split, label and name of a review; None for other members."""
    name = member.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError(
            f"{path}: the member {member.name!r} lies outside of the archive's folder. "
            "Do not trust this file."
        )
    match = REVIEW.fullmatch(name)
    if match is None or member.kind == "folder":
        return None
    if member.kind != "file":
        raise ValueError(f"{path}: the member {member.name!r} is a link, not a review.")
    _check_size(f"{path}: {member.name}", member.size)
    return match


def _check_size(place: str, size: int) -> None:
    if size > MAX_REVIEW_BYTES:
        raise ValueError(
            f"{place} has {size} bytes; a review has at most {MAX_REVIEW_BYTES}."
        )
