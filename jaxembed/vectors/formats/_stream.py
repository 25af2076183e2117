"""Source: a file, plain, compressed, or a member of a .zip, as a stream of bytes."""

import bz2
import gzip
import io
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import IO

# What is read at once: memory is bounded by it, not by the file.
BLOCK = 1 << 24
MAGICS: dict[re.Pattern[bytes], ModuleType] = {
    re.compile(rb"\x1f\x8b"): gzip,
    # With more than its first letters, which a word may have.
    re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"): bz2,
    re.compile(rb"\xfd7zXZ\x00"): lzma,
}
ZIP_MAGIC = b"PK\x03\x04"
DAMAGES = (EOFError, OSError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
# What zipfile raises besides, for archives that are made up or not supported.
REFUSALS = (*DAMAGES, ValueError, LookupError, RuntimeError, struct.error)


class Source:
    """A stream of bytes that knows its name and how far it has come.

    Attributes:
      name: of the file, and of the member in it, for errors.
      size: how many bytes it has, or None where that is not known before the end.
      raw_size: how many bytes the file has on disk.
      on_read: called after each read with how many bytes on disk were read so far.
    """

    def __init__(self, name: str, stream: IO[bytes], raw: IO[bytes], size: int | None):
        self.name = name
        self.size = size
        self.raw_size = raw.seek(0, io.SEEK_END)
        raw.seek(0)
        self._stream, self._raw, self._ahead = stream, raw, b""
        self._n_read = 0
        self.on_read: Callable[[int], object] | None = None

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes, at most :data:`BLOCK`; fewer only at the end.

        Raises:
          ValueError: if what is compressed is cut or damaged.
        """
        data = self.peek(size)
        self.skip(len(data))
        return data

    def skip(self, size: int) -> None:
        """Leaves out the next ``size`` bytes, which were looked at before."""
        self._ahead = self._ahead[size:]
        self._n_read += size
        if self.on_read is not None:
            self.on_read(min(self._raw.tell(), self.raw_size))

    def peek(self, size: int) -> bytes:
        """What :meth:`read` would give, which is left to be read."""
        size = min(size, BLOCK)
        parts, n_ahead = [self._ahead], len(self._ahead)
        while n_ahead < size:
            try:
                # What comes before a damage is given out first.
                data = self._stream.read1(size - n_ahead)  # type: ignore[attr-defined]
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
        """How many bytes of the content were read."""
        return self._n_read


@contextmanager
def open_source(path: str | Path) -> Iterator[Source]:
    """Opens a file of vectors; how it is compressed is found from its content.

    Args:
      path: a file; of a ``.zip`` with several members, one of them is named behind it:
        ``glove.6B.zip/glove.6B.100d.txt``.

    Yields:
      :class:`Source`.

    Raises:
      FileNotFoundError: if there is no such file, or no such member.
      IsADirectoryError: if it is a folder.
      ValueError: if it is empty or damaged, or if the member has to be chosen.

    Example:
      >>> import tempfile
      >>> with tempfile.NamedTemporaryFile() as file:
      ...     _ = file.write(gzip.compress(b"good 1 2"))
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
            raise FileNotFoundError(f"there is no {path}: {file} is no .zip.")
        for magic, module in MAGICS.items():
            if magic.match(head):
                yield Source(str(file), module.open(raw), raw, None)
                return
        yield Source(str(file), raw, raw, file.stat().st_size)


def _find_file(path: Path) -> tuple[Path, str]:
    """The file, and the member that is named behind it."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder: give a file of vectors in it.")
    if path.exists():
        return path, ""
    for parent in path.parents:
        if parent.is_file():
            return parent, path.relative_to(parent).as_posix()
    raise FileNotFoundError(f"there is no {path}: give the path of a file of vectors.")


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
        raise ValueError(f"{file} is no whole .zip ({error}): fetch it again.") from (
            error
        )
    with archive:
        if member and member not in names:
            raise FileNotFoundError(f"there is no {member} in {file}, only {names}.")
        if not member and len(names) != 1:
            raise ValueError(
                f"{file} has the members {names}: name one behind the path, as in "
                f"{file}/{names[0] if names else 'NAME'}."
            )
        name = member or names[0]
        try:
            stream = archive.open(name)
        except REFUSALS as error:
            raise ValueError(f"{file}/{name} cannot be read: {error}.") from error
        with stream:
            yield name, stream
