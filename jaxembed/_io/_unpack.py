"""Unpack: decompress a stream, with limits on its expansion and on memory."""

import bz2
import lzma
import re
import zlib
from collections.abc import Callable
from typing import IO, Any

PIECE = 1 << 16  # compressed bytes read at once
# Files of word vectors and reviews unpack to 2 to 10 times their size.
MAX_EXPANSION = 50
ALLOWANCE = 1 << 26  # bytes that any file may unpack to, since they cost a second
MAX_MEMORY = 1 << 28  # bytes of a decompressor; the files of "xz -9" need 65 MiB
MAGICS = {
    "gz": re.compile(rb"\x1f\x8b"),
    # More than the magic number BZh, with which a word may start.
    "bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    "xz": re.compile(rb"\xfd7zXZ\x00"),
}
REMEDY = "If you trust this file, unpack it, and give the path of its content"
DAMAGES = (EOFError, OSError, zlib.error, lzma.LZMAError)


def find_compression(head: bytes) -> str | None:
    """Return "gz", "bz2" or "xz" for the first bytes of a file; None if it is plain."""
    return next((kind for kind, magic in MAGICS.items() if magic.match(head)), None)


def check_expansion(
    name: str, packed: int, unpacked: int, *, limit: int = MAX_EXPANSION
) -> None:
    """Raise if compressed data expand as no data of their kind do.

    Args:
      name: name of the file.
      packed: number of compressed bytes.
      unpacked: number of bytes that they unpack to.
      limit: largest quotient of the two.

    Raises:
      ValueError: if the quotient is above ``limit``, and more than 64 MiB come out.

    Example:
      >>> check_expansion("a.gz", 20_000_000, 3_000_000_000)
      Traceback (most recent call last):
      ValueError: a.gz unpacks to more than 50 times its size (20,000,000 to
      3,000,000,000 bytes), far more than such data do. If you trust this file, unpack
      it, and give the path of its content.
    """
    if unpacked > max(ALLOWANCE, limit * packed):
        raise ValueError(
            f"{name} unpacks to more than {limit} times its size ({packed:,} to "
            f"{unpacked:,} bytes), far more than such data do. {REMEDY}."
        )


class Unpacker:
    """Stream of the content of a ``.gz``, ``.bz2`` or ``.xz`` file.

    Attributes:
      name: name of the file, for errors.
      limit: largest quotient of content and compressed bytes, so far.
      n_packed: number of compressed bytes read.
      n_unpacked: number of bytes of the content returned.
    """

    def __init__(
        self, raw: IO[bytes], kind: str, name: str, *, limit: int = MAX_EXPANSION
    ):
        self.name, self.limit = name, limit
        self.n_packed = self.n_unpacked = 0
        self._raw, self._open = raw, DECOMPRESSORS[kind]
        self._decompressor, self._data = self._open(), b""

    def read1(self, size: int) -> bytes:
        """Return at most ``size`` bytes of the content; none at its end.

        Raises:
          EOFError, OSError, zlib.error, lzma.LZMAError: if the file is cut or damaged.
          ValueError: if it expands too far, or needs too much memory.
        """
        while self._find_stream():
            # A decompressor of a full output buffer needs no input.
            if not self._data and getattr(self._decompressor, "needs_input", True):
                self._data = self._read()
            is_end = not self._data and getattr(self._decompressor, "needs_input", True)
            content = self._decompress(size)
            if content:
                self.n_unpacked += len(content)
                check_expansion(
                    self.name, self.n_packed, self.n_unpacked, limit=self.limit
                )
                return content
            if is_end and not self._decompressor.eof:
                raise EOFError("the compressed data end before their end marker")
        return b""

    def _read(self) -> bytes:
        data = self._raw.read(PIECE)
        self.n_packed += len(data)
        return data

    def _find_stream(self) -> bool:
        """Begin the next of several streams in one file; return False at the end."""
        if not self._decompressor.eof:
            return True
        self._data = self._decompressor.unused_data
        while not (rest := self._data.lstrip(b"\0")):  # padding
            self._data = self._read()
            if not self._data:
                self._decompressor = _Ended()
                return False
        self._decompressor, self._data = self._open(), rest
        return True

    def _decompress(self, size: int) -> bytes:
        data, self._data = self._data, b""
        try:
            content = self._decompressor.decompress(data, size)
        except lzma.LZMAError as error:
            if "Memory" not in str(error):
                raise
            raise ValueError(
                f"{self.name} needs more than {MAX_MEMORY:,} bytes of memory to be "
                f"unpacked. {REMEDY}."
            ) from error
        # zlib hands back the input that it did not use.
        self._data = getattr(self._decompressor, "unconsumed_tail", b"")
        return content


class _Ended:
    """Decompressor after the last stream."""

    eof, unused_data = True, b""


DECOMPRESSORS: dict[str, Callable[[], Any]] = {
    "gz": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),  # verifies the checksum
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, MAX_MEMORY),
}
