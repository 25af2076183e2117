"""Source: a byte stream from a plain or compressed file, or a member of a .zip."""

import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jaxembed import _io

# Most bytes read at once, so that memory does not grow with the file.
BLOCK = 1 << 24
ZIP_MAGIC = b"PK\x03\x04"
# Methods of compression in a .zip. LZMA would have no limit on memory.
ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)
DAMAGES = (*_io.DAMAGES, zipfile.BadZipFile)
# zipfile also raises these, for malformed or unsupported archives.
REFUSALS = (*DAMAGES, ValueError, LookupError, RuntimeError, struct.error)


class Source:
    """Byte stream with a name and a position.

    Attributes:
      name: path of the file, with the member of a ``.zip``, for errors.
      size: number of bytes in the content; None if unknown (compressed).
      raw_size: number of bytes of the file on disk.
      on_read: called after each read with the number of bytes read from disk so far.
    """

    def __init__(self, name: str, stream: Any, raw: IO[bytes], size: int | None):
        self.name = name
        self.size = size
        self.raw_size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        self._stream, self._raw, self._ahead = stream, raw, b""
        self._n_read = 0
        self.on_read: Callable[[int], object] | None = None

    def read(self, size: int) -> bytes:
        """Read the next ``size`` bytes, at most :data:`BLOCK`; fewer only at the end.

        Raises:
          ValueError: if a compressed file is cut or damaged.
        """
        data = self.peek(size)
        self.skip(len(data))
        return data

    def skip(self, size: int) -> None:
        """Skip the next ``size`` bytes, which :meth:`peek` has returned before."""
        self._ahead = self._ahead[size:]
        self._n_read += size
        if self.on_read is not None:
            self.on_read(min(self._raw.tell(), self.raw_size))

    def peek(self, size: int) -> bytes:
        """Return the bytes that :meth:`read` would return, and leave them unread."""
        size = min(size, BLOCK)
        parts, n_ahead = [self._ahead], len(self._ahead)
        while n_ahead < size:
            try:
                # read1, so that the bytes before damaged data are returned first.
                data = self._stream.read1(size - n_ahead)
            except DAMAGES as error:
                raise ValueError(
                    f"{self.name} is cut or damaged after {self.position + n_ahead} "
                    f"bytes of its content ({type(error).__name__}: {error}): fetch it "
                    "again."
                ) from error
            if not data:
                break
            parts.append(data)
            n_ahead += len(data)
        self._ahead = b"".join(parts) if len(parts) > 1 else self._ahead
        return self._ahead[:size]

    @property
    def position(self) -> int:
        """Number of bytes of the content read so far."""
        return self._n_read


@contextmanager
def open_source(path: str | Path) -> Iterator[Source]:
    """Open a file of vectors; its compression is detected from the content.

    Args:
      path: a file. If a ``.zip`` has several members, append the name of one:
        ``glove.6B.zip/glove.6B.100d.txt``.

    Yields:
      The :class:`Source`.

    Raises:
      FileNotFoundError: if the file, or the member of the ``.zip``, does not exist.
      IsADirectoryError: if ``path`` is a folder.
      ValueError: if the file is empty or damaged, is a device or a named pipe, expands
        too far, or if ``path`` must name one of several members.

    Example:
      >>> import bz2, tempfile
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(bz2.compress(b"good 1 2"))
      ...     file.flush()
      ...     with open_source(file.name) as source:
      ...         source.read(6), source.position
      (b'good 1', 6)
    """
    file, member = _find_file(Path(path))
    with file.open("rb") as raw:
        head = raw.read(10)
        raw.seek(0)
        if not head:
            raise ValueError(f"{path} is empty: fetch it again.")
        if head.startswith(ZIP_MAGIC):
            with _open_member(file, raw, member) as (name, stream):
                yield Source(f"{file}/{name}", stream, raw, None)
            return
        if member:
            raise FileNotFoundError(f"{path} does not exist: {file} is not a .zip.")
        if (kind := _io.find_compression(head)) is not None:
            yield Source(str(file), _io.Unpacker(raw, kind, str(file)), raw, None)
            return
        yield Source(str(file), raw, raw, file.stat().st_size)


def _find_file(path: Path) -> tuple[Path, str]:
    """Return the existing file in a path, and the member named after it."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give a file of vectors in it.")
    if path.is_file():
        return path, ""
    _io.check_regular(path)
    for parent in path.parents:
        if parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    raise FileNotFoundError(f"{path} does not exist: give a file of word vectors.")


@contextmanager
def _open_member(
    file: Path, raw: IO[bytes], member: str
) -> Iterator[tuple[str, IO[bytes]]]:
    try:
        archive = zipfile.ZipFile(raw)
        names = [
            info.filename for info in archive.infolist() if info.filename[-1:] != "/"
        ]
    except REFUSALS as error:
        raise ValueError(f"{file} is a damaged .zip ({error}): fetch it again.") from (
            error
        )
    with archive:
        if member and member not in names:
            raise FileNotFoundError(f"{member} is missing in {file}; it has {names}.")
        if not member and len(names) != 1:
            raise ValueError(
                f"{file} has the members {names}: append one to the path, as in "
                f"{file}/{names[0] if names else 'NAME'}."
            )
        name = member or names[0]
        _check_member(f"{file}/{name}", archive.getinfo(name), raw)
        try:
            stream = archive.open(name)
        except REFUSALS as error:
            raise ValueError(f"{file}/{name} cannot be read: {error}.") from error
        with stream:
            yield name, stream


def _check_member(name: str, info: zipfile.ZipInfo, raw: IO[bytes]) -> None:
    """Raise unless a member can be unpacked in bounded memory and time."""
    if info.compress_type not in ZIP_METHODS:
        raise ValueError(
            f"{name} must be stored, deflated or compressed by bzip2, got method "
            f"{info.compress_type} of .zip: unpack it first."
        )
    size = raw.seek(0, io.SEEK_END)
    _io.check_expansion(name, min(info.compress_size, size), info.file_size)
