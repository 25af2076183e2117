"""Questions: reading of evaluation files, and the words they may name."""

from pathlib import Path

import numpy as np

from jaxembed import _io
from jaxembed.vectors import WordVectors


def read_text(path: str | Path) -> str:
    r"""Read a UTF-8 text file, without its byte order mark.

    Raises:
      OSError: if the file cannot be read.
      ValueError: if the file is not UTF-8, or is a device or a named pipe.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = Path(folder, "questions.txt")
      ...     _ = path.write_bytes(b"\xef\xbb\xbf: capital")
      ...     read_text(path)
      ': capital'
    """
    _io.check_regular(Path(path))
    data = Path(path).read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"{path}:{line} is not UTF-8: byte {error.object[error.start]:#04x}. "
            "Convert the file to UTF-8; if it is compressed, decompress it."
        ) from error


def number_forms(
    word_vectors: WordVectors, n_words: int, case_insensitive: bool
) -> tuple[dict[str, int], np.ndarray]:
    """Return the row of each form of a word, and the row for each word.

    The form of a word is its upper case, or the word itself if case matters. The row of
    a form is that of the first word with this form.

    Args:
      word_vectors: word vectors.
      n_words: R, number of words to use, from the first row on.
      case_insensitive: whether to ignore case.

    Returns:
      The row of each form, and ``int32[R]``, the row of the form of each word.

    Example:
      >>> vectors = WordVectors(["Us", "it", "us"], np.eye(3, dtype=np.float32))
      >>> number_forms(vectors, 3, case_insensitive=True)
      ({'US': 0, 'IT': 1}, array([0, 1, 0], dtype=int32))
    """
    forms = word_vectors.words[:n_words]
    if case_insensitive:
        forms = [word.upper() for word in forms]
    rows: dict[str, int] = {}
    first = [rows.setdefault(form, row) for row, form in enumerate(forms)]
    return rows, np.array(first, np.int32)


def check_unknown(unknown: str, choices: tuple[str, str]) -> None:
    """Raise unless ``unknown`` is one of the choices.

    Example:
      >>> check_unknown("skip", ("skip", "wrong"))
    """
    if unknown not in choices:
        raise ValueError(f"unknown must be {' or '.join(choices)}, got {unknown!r}.")
