"""IMDB files: the reviews in a folder or in a .tar.gz, in an order of their own."""

import dataclasses
import gzip
import re
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias

# The texts of each (split, label), sorted by the names of their files.
Parts: TypeAlias = dict[tuple[str, str], list[str]]
PARTS = (("train", "neg"), ("train", "pos"), ("test", "neg"), ("test", "pos"))
OPTIONAL_PARTS = (("train", "unsup"),)
# The longest review has 14 kB; more than this is no review.
MAX_REVIEW_BYTES = 1 << 20
# Reviews pack to a fourth; headers, mostly zeros, of the shortest ones to a fiftieth.
MAX_EXPANSION = 200
END = bytes(1024)  # two empty blocks end every tar
REVIEW = re.compile(r"(?:[^/]+/)?(train|test)/(neg|pos|unsup)/([^/]+\.txt)")


@dataclasses.dataclass(frozen=True)
class Archive:
    """A ``.tar.gz`` of reviews that is fetched only if size and hash are these.

    Attributes:
      url: where it is.
      size: in bytes.
      sha256: in hexadecimal.
    """

    url: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The name of the file, also in the folder of files fetched by hand."""
        return self.url.rsplit("/", 1)[-1]


ORIGINAL = Archive(
    url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    size=84_125_825,
    sha256="c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
)


def read_folder(path: Path) -> Parts:
    """The reviews below a folder like ``aclImdb``.

    Raises:
      FileNotFoundError: if ``train/neg``, ``train/pos``, ``test/neg`` or ``test/pos``
        is missing.
      ValueError: if one of them has no ``.txt`` file, or a review is not one; see
        :func:`read_archive`.
    """
    reviews = []
    for part in (*PARTS, *OPTIONAL_PARTS):
        folder = path.joinpath(*part)
        if not folder.is_dir():
            if part in OPTIONAL_PARTS:
                continue
            raise FileNotFoundError(
                f"{path} has no folder {'/'.join(part)}: it must have "
                f"{', '.join('/'.join(p) for p in PARTS)}, as aclImdb has."
            )
        for file in folder.glob("*.txt"):
            _check_size(str(file), file.stat().st_size)
            reviews.append((part, file.name, file.read_bytes()))
    return collect(path, reviews)


def read_archive(path: Path) -> Parts:
    """The reviews in a ``.tar.gz`` of such a folder, streamed and never extracted.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if the archive is cut, damaged, or unpacks to far too much; if a
        member lies outside of the archive's folder or is a link where a review should
        be; if a part has no reviews, or a review is empty, not UTF-8, there twice, or
        larger than 1 MiB.
    """
    reviews = []
    n_members = 0
    with path.open("rb") as file:  # an error of the file system stays what it is
        stream = _Measured(gzip.GzipFile(fileobj=file), path)
        try:
            with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
                for member in tar:
                    n_members += 1
                    if part := _part_of(member, path):
                        content = tar.extractfile(member)
                        data = content.read() if content else b""
                        reviews.append((part, Path(member.name).name, data))
            while stream.read(1 << 20):  # to the end, where the checksum is
                pass
        except (EOFError, OSError, RecursionError, tarfile.TarError, zlib.error) as e:
            raise ValueError(
                f"{path} is cut or damaged after {n_members} members: {e}. "
                "Fetch it again."
            ) from e
    if len(stream.tail) < len(END) or stream.tail.strip(b"\0"):
        raise ValueError(
            f"{path} is cut or damaged after {n_members} members: it has no end. "
            "Fetch it again."
        )
    return collect(path, reviews)


class _Measured:
    """A stream that stops where an archive unpacks to far more than reviews do."""

    def __init__(self, stream: gzip.GzipFile, path: Path):
        self.stream, self.path = stream, path
        self.limit = MAX_EXPANSION * path.stat().st_size + len(END)
        self.size, self.tail = 0, b""

    def read(self, size: int) -> bytes:
        """The next bytes, of which the last ones are kept as ``tail``."""
        data = self.stream.read(size)
        self.size += len(data)
        if self.size > self.limit:
            raise ValueError(
                f"{self.path} unpacks to more than {MAX_EXPANSION} times its size, "
                "which reviews do not. Do not trust this file."
            )
        self.tail = (self.tail + data)[-len(END) :]
        return data


def collect(path: Path, reviews: Iterable[tuple[tuple[str, str], str, bytes]]) -> Parts:
    """Sorts ``(part, name, UTF-8 bytes)`` by name and checks each review.

    Raises:
      ValueError: names the review that is empty, not UTF-8 or there twice, or the
        part that has no reviews.
    """
    found: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    names = set()
    for part, name, data in reviews:
        place = f"{path}: {'/'.join(part)}/{name}"
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{place} is not UTF-8: {error}.") from error
        if not text.strip():
            raise ValueError(f"{place} is empty: take it out, or fetch it again.")
        if (part, name) in names:
            raise ValueError(f"{place} is there twice: do not trust this file.")
        names.add((part, name))
        found[part].append((name, text))
    for part in PARTS:
        if not found[part]:
            raise ValueError(f"{path} has no review {'/'.join(part)}/*.txt.")
    return {part: [text for _, text in sorted(pairs)] for part, pairs in found.items()}


def _part_of(member: tarfile.TarInfo, path: Path) -> tuple[str, str] | None:
    """The (split, label) of a review; None for a member that is none."""
    name = member.name.removeprefix("./")
    if name.startswith("/") or ".." in name.split("/"):
        raise ValueError(
            f"{path}: the member {member.name!r} lies outside of the archive's folder. "
            "Do not trust this file."
        )
    match = REVIEW.fullmatch(name)
    if match is None or member.isdir():
        return None
    if not member.isreg():
        raise ValueError(f"{path}: the member {member.name!r} is a link, not a review.")
    _check_size(f"{path}: {member.name}", member.size)
    return match[1], match[2]


def _check_size(place: str, size: int) -> None:
    if size > MAX_REVIEW_BYTES:
        raise ValueError(
            f"{place} has {size} bytes; a review has at most {MAX_REVIEW_BYTES}."
        )
