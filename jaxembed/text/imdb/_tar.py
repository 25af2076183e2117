"""Tar: the members of an archive, read one after the other in bounded memory.

Python's ``tarfile`` keeps all members, reads extended headers of any size into memory,
and ends without an error at a damaged header. This reader does neither. It reads the
formats ustar, GNU (long names) and PAX (paths and sizes), and refuses sparse files.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

BLOCK = 512
MAX_EXTENDED = 1 << 16  # bytes of a long name or of PAX records
PIECE = 1 << 20  # bytes skipped at once
FILES, OLD_FILE, FOLDER = (b"0", b"\0", b"7"), b"\0", b"5"
EMPTY = (b"1", b"2", b"3", b"4", b"5", b"6")  # links, devices, folders and pipes
LONG_NAME, LONG_LINK, SPARSE = b"L", b"K", b"S"
PAX, PAX_GLOBAL, PAX_SUN = b"x", b"g", b"X"
EXTENDED = (LONG_NAME, LONG_LINK, PAX, PAX_GLOBAL, PAX_SUN)
USTAR = b"ustar\0"
OCTAL, DECIMAL = re.compile(rb"[0-7]{1,12}"), re.compile(rb"[0-9]{1,18}")
SPARSE_FILE = "a member is a sparse file, as no review is"


class Damage(ValueError):
    """Error of an archive that is cut, damaged or of another form."""


class Member(NamedTuple):
    """One member of an archive.

    Attributes:
      name: its path.
      kind: "file", "folder" or "other", such as a link or a device.
      size: number of bytes of its content.
    """

    name: str
    kind: str
    size: int


class Tar:
    """Archive whose members are read in order. Iterate it for the members.

    Attributes:
      n_members: number of members found so far.
    """

    def __init__(self, read: Callable[[int], bytes]):
        """Create from a function that reads at most a number of bytes."""
        self._read = read
        self._n_left = 0  # bytes of the current member and its padding
        self._size = 0
        self.n_members = 0

    def __iter__(self) -> Iterator[Member]:
        """Yield each member, whose content :meth:`read` returns until the next one.

        Raises:
          Damage: if the archive is cut, a header is damaged or larger than 64 KiB, or a
            member is a sparse file.
        """
        name, size = None, None  # from extended headers
        while any(header := self._take(BLOCK)):  # a block of zeros is the end
            kind = _check(header)
            if kind == SPARSE:
                raise Damage(SPARSE_FILE)
            if kind in EXTENDED:
                data = self._take_extended(_number(header[124:136]))
                if kind == LONG_NAME:
                    name = data.split(b"\0")[0]
                elif kind in (PAX, PAX_SUN):
                    records = _read_records(data)
                    name = records.get(b"path", name)
                    size = _decimal(records[b"size"]) if b"size" in records else size
                continue
            name = _find_name(header) if name is None else name
            size = _number(header[124:136]) if size is None else size
            yield self._begin(name.decode("utf-8", "surrogateescape"), kind, size)
            self._skip()
            name, size = None, None

    def read(self) -> bytes:
        """Return the content of the current member."""
        data = self._take(self._size)
        self._n_left -= self._size
        self._size = 0
        return data

    def _begin(self, name: str, kind: bytes, size: int) -> Member:
        # In the oldest form, a folder is a file whose name ends with a slash.
        is_folder = kind == FOLDER or kind == OLD_FILE and name.endswith("/")
        is_file = kind in FILES and not is_folder
        has_content = is_file or not is_folder and kind not in EMPTY
        self._size = size if is_file else 0
        self._n_left = _pad(size) if has_content else 0
        self.n_members += 1
        form = "folder" if is_folder else "file" if is_file else "other"
        return Member(name.rstrip("/") if is_folder else name, form, self._size)

    def _take_extended(self, size: int) -> bytes:
        if size > MAX_EXTENDED:
            raise Damage(
                f"an extended header has {size:,} bytes, and at most {MAX_EXTENDED:,} "
                "are read"
            )
        return self._take(_pad(size))[:size]

    def _skip(self) -> None:
        while self._n_left:
            self._n_left -= len(self._take(min(self._n_left, PIECE)))

    def _take(self, size: int) -> bytes:
        parts, n_left = [], size
        while n_left:
            data = self._read(n_left)
            if not data:
                raise Damage("the archive ends inside a member, or without an end")
            parts.append(data)
            n_left -= len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def _pad(size: int) -> int:
    return size + -size % BLOCK


def _check(header: bytes) -> bytes:
    """Return the kind of a header whose checksum is right."""
    # The sum counts the field of the sum itself, bytes 148 to 155, as blanks.
    found = _number(header[148:156])
    summed = header[:148] + b" " * 8 + header[156:]
    expected = sum(summed)
    if found != expected and found != expected - 256 * sum(b > 127 for b in summed):
        raise Damage("the checksum of a header is wrong")
    return header[156:157]


def _number(field: bytes) -> int:
    """Return the number in a field: octal digits, or bytes after 0x80."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.split(b"\0")[0].strip(b" ") or b"0"
    if not OCTAL.fullmatch(digits):
        raise Damage(f"a header has the number {field!r}")
    return int(digits, 8)


def _find_name(header: bytes) -> bytes:
    name = header[:100].split(b"\0")[0]
    prefix = header[345:500].split(b"\0")[0]
    return prefix + b"/" + name if prefix and header[257:263] == USTAR else name


def _read_records(data: bytes) -> dict[bytes, bytes]:
    r"""Return the records ``LENGTH KEY=VALUE`` of a PAX header.

    Example:
      >>> _read_records(b"12 path=a/b\n9 size=7\n")
      {b'path': b'a/b', b'size': b'7'}
    """
    records, start = {}, 0
    while start < len(data):
        space = data.find(b" ", start, start + 8)
        end = start + _decimal(data[start:space]) if space > 0 else 0
        if not space < end <= len(data) or data[end - 1 : end] != b"\n":
            raise Damage(f"a PAX header has the record {data[start:][:20]!r}")
        key, _, value = data[space + 1 : end - 1].partition(b"=")
        if key.startswith(b"GNU.sparse"):
            raise Damage(SPARSE_FILE)
        records[key], start = value, end
    return records


def _decimal(digits: bytes) -> int:
    if not DECIMAL.fullmatch(digits):
        raise Damage(f"a PAX header has the number {digits[:20]!r}")
    return int(digits)
