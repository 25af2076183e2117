"""Worker: a process that splits texts into words, for :func:`write_ids`.

Messages go through pipes as arrays of bytes with their lengths: nothing is unpickled.
A process of ``multiprocessing`` would import the main module of the user again.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, NamedTuple

import numpy as np
import pyarrow as pa

from jaxembed.text._split import Rules, split_words

PROGRAM = "from jaxembed.text.files._worker import main; main()"


class Counted(NamedTuple):
    """Words of some texts, by their places in a list of distinct words.

    Attributes:
      words: distinct words in UTF-8, in order of first appearance.
      places: ``int32[T]``, place in ``words`` of each word of the texts.
      lengths: ``int64[N]``, number of words of each text.
    """

    words: pa.Array
    places: np.ndarray
    lengths: np.ndarray


def count_words(texts: Sequence[str], rules: Rules) -> Counted:
    """Return the words of texts.

    Example:
      >>> found = count_words(["a joy, a joy", "so"], Rules(",", lower=True))
      >>> found.words.to_pylist(), found.places.tolist(), found.lengths.tolist()
      ([b'a', b'joy', b'so'], [0, 1, 0, 1, 2], [4, 1])
    """
    pieces = list(split_words(texts, rules))
    words = pa.chunked_array([p.words for p in pieces], pa.large_binary())
    encoded = words.combine_chunks().dictionary_encode()
    places = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    lengths = np.concatenate([np.zeros(0, np.int64), *(p.lengths for p in pieces)])
    return Counted(encoded.dictionary, places, lengths.astype(np.int64))


class Worker:
    """A process that counts words; see :func:`count_words`."""

    def __init__(self, rules: Rules):
        paths = os.pathsep.join(path for path in sys.path if path)
        command = [sys.executable, "-c", PROGRAM, json.dumps(rules)]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": paths},
        )

    def send(self, texts: Sequence[str]) -> None:
        """Send texts to the process; wait while it is busy."""
        stream = self._process.stdin
        assert stream is not None
        encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
        sizes = np.array([len(text) for text in encoded], np.int64)
        write_arrays(stream, [sizes.tobytes(), b"".join(encoded)])

    def receive(self) -> Counted:
        """Return the words of the next texts that were sent.

        Raises:
          ChildProcessError: if the process has ended.
        """
        stream = self._process.stdout
        assert stream is not None
        arrays = read_arrays(stream, 4)
        if arrays is None:
            raise ChildProcessError(
                f"a process that splits texts has ended with {self._process.wait()}: "
                "give processes=0 to split texts in this process."
            )
        words, offsets, places, lengths = arrays
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(words)]
        n = len(offsets) // 8 - 1
        distinct = pa.LargeBinaryArray.from_buffers(pa.large_binary(), n, buffers)
        return Counted(
            distinct, np.frombuffer(places, np.int32), np.frombuffer(lengths, np.int64)
        )

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:  # of bytes that were not sent
                pass
        self._process.wait()


def write_arrays(stream: IO[bytes], arrays: Sequence[bytes]) -> None:
    """Write arrays of bytes, each after its length."""
    for array in arrays:
        stream.write(len(array).to_bytes(8, "little"))
        stream.write(array)
    stream.flush()


def read_arrays(stream: IO[bytes], n: int) -> list[bytes] | None:
    """Return ``n`` arrays of :func:`write_arrays`; None at the end of the stream."""
    arrays = []
    for _ in range(n):
        head = stream.read(8)
        array = stream.read(int.from_bytes(head, "little")) if len(head) == 8 else b""
        if len(head) < 8 or len(array) < int.from_bytes(head, "little"):
            return None
        arrays.append(array)
    return arrays


def main() -> None:
    """Count the words of texts that arrive on the standard input, until it ends."""
    rules = Rules(*json.loads(sys.argv[1]))
    while (message := read_arrays(sys.stdin.buffer, 2)) is not None:
        sizes = np.frombuffer(message[0], np.int64)
        ends = np.concatenate([[0], np.cumsum(sizes)]).tolist()
        texts = [
            message[1][start:end].decode("utf-8", "surrogatepass")
            for start, end in zip(ends[:-1], ends[1:], strict=True)
        ]
        found = count_words(texts, rules)
        joined = found.words.to_pylist()
        offsets = np.cumsum([0, *map(len, joined)], dtype=np.int64)
        parts = [b"".join(joined), offsets.tobytes(), found.places.tobytes()]
        write_arrays(sys.stdout.buffer, [*parts, found.lengths.tobytes()])
