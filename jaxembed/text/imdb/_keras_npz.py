"""IMDB ids: Keras's encoding of reviews, and a safe reader of its imdb.npz."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from jaxembed import _io
from jaxembed.text._ragged import Ragged

# Limits far above the real file, which has 11.9 million ids in 17 MB.
MAX_MEMBER_BYTES = 1 << 30
MAX_IDS = 1 << 28
NAMES = ("x_train", "y_train", "x_test", "y_test")

Content = np.ndarray | list


def encode_imdb(
    ranks: Ragged,
    num_words: int | None = None,
    *,
    skip_top: int = 0,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> Ragged:
    """Encode reviews with the ids of ``keras.datasets.imdb``.

    The id of a word is its frequency rank plus ``index_from``. By default 0 is padding,
    1 starts a review, and 2 replaces words with an id of ``num_words`` or above. Words
    that are unknown to the tokenizer are dropped, as in Keras.

    Args:
      ranks: frequency ranks of the words: the ids of a :class:`Tokenizer` without
        ``num_words``.
      num_words: ids of ``num_words`` and above become ``oov_char``; None keeps all.
      skip_top: ids below ``skip_top`` become ``oov_char`` too, even ``start_char``.
      start_char: id in front of each review; None to add nothing.
      oov_char: replacement for ids outside of the limits; None drops these ids.
      index_from: number added to each rank.

    Returns:
      :class:`Ragged` with one sequence for each sequence of ``ranks``.

    Example:
      >>> encode_imdb(Ragged.from_lists([[1, 2], [9]]), num_words=6).tolist()
      [[1, 4, 5], [1, 2]]
    """
    values, offsets = ranks.values + np.int32(index_from), ranks.offsets
    if start_char is not None:
        values = np.insert(values, offsets[:-1], start_char)
        offsets = offsets + np.arange(offsets.size)
    kept = values >= skip_top
    if num_words is not None:
        kept &= values < num_words
    if oov_char is None:
        return Ragged(values, offsets).keep(kept)
    return Ragged(np.where(kept, values, np.int32(oov_char)), offsets)


def load_imdb_ids(
    path: str | Path,
    num_words: int | None = None,
    *,
    skip_top: int = 0,
    seed: int = 113,
    start_char: int | None = 1,
    oov_char: int | None = 2,
    index_from: int = 3,
) -> tuple[tuple[Ragged, np.ndarray], tuple[Ragged, np.ndarray]]:
    """Load the reviews of Keras's ``imdb.npz`` without executing code from the file.

    The file stores its lists as pickles. The unpickler used here accepts only the three
    names that a list needs, and replaces each of them by a stand-in that computes
    nothing. Every element must be a list of ints.

    Args:
      path: path of ``imdb.npz``.
      num_words: see :func:`encode_imdb`. None keeps all words; Keras then replaces the
        rarest word by ``oov_char``.
      skip_top: see :func:`encode_imdb`.
      seed: random seed of Keras's shuffling.
      start_char: see :func:`encode_imdb`.
      oov_char: see :func:`encode_imdb`.
      index_from: see :func:`encode_imdb`.

    Returns:
      ``(train_ids, int32[N] labels), (test_ids, int32[M] labels)``.

    Raises:
      FileNotFoundError: if ``path`` is not a file.
      ValueError: if the file is not an ``imdb.npz`` of Keras, exceeds the size limits,
        or holds anything except lists of ints.

    Example:
      >>> import tempfile
      >>> reviews = np.empty(1, object)
      >>> reviews[0] = [1, 14, 2]
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = folder + "/imdb.npz"
      ...     np.savez(path, x_train=reviews, y_train=[1], x_test=reviews, y_test=[1])
      ...     (ids, labels), _ = load_imdb_ids(path, num_words=10)
      >>> ids.tolist(), labels
      ([[1, 4, 2, 5]], array([1], dtype=int32))
    """
    arrays = _read_members(Path(path))
    parts = []
    rng = np.random.RandomState(seed)  # as in Keras, one for both splits
    for split in ("train", "test"):
        ranks = _to_ragged(arrays[f"x_{split}"], f"{path}: x_{split}")
        labels = _to_labels(arrays[f"y_{split}"], len(ranks), f"{path}: y_{split}")
        order = np.arange(len(ranks))
        rng.shuffle(order)
        ids = encode_imdb(
            ranks.take(order),
            num_words,
            skip_top=skip_top,
            start_char=start_char,
            oov_char=oov_char,
            index_from=index_from,
        )
        parts.append((ids, labels[order]))
    return parts[0], parts[1]


class _ObjectArray:
    """Stand-in for a NumPy array of objects that keeps only its list."""

    items: list

    def __setstate__(self, state: object) -> None:
        items = state[-1] if isinstance(state, tuple) and state else None
        if not isinstance(items, list):
            raise pickle.UnpicklingError("it holds an array that is not a list")
        self.items = items


class _Dtype:
    """Stand-in for ``numpy.dtype``; unused, since each element is checked later."""

    def __init__(self, *arguments: object):
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ListUnpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """Unpickler of an array of lists that rejects every other name.

    It extends Python's implementation, which stores its memo in a dict. The C
    implementation allocates an array as long as the largest memo index in the file.
    """

    stand_ins = {
        ("numpy", "ndarray"): _ObjectArray,
        ("numpy", "dtype"): _Dtype,
        # Called with a type, a shape and a type code; returns an empty array.
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: _ObjectArray(),
        ("numpy._core.multiarray", "_reconstruct"): lambda *_: _ObjectArray(),
    }
    # BYTEARRAY8 allocates the size stated in the file before it reads the bytes.
    dispatch = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()  # type: ignore[attr-defined]
        if code != pickle.BYTEARRAY8[0]
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.stand_ins:
            raise pickle.UnpicklingError(f"its pickle asks for {module}.{name}")
        return self.stand_ins[module, name]


def _read_members(path: Path) -> dict[str, Content]:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file: give the path of imdb.npz.")
    arrays: dict[str, Content] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in NAMES:
                info = archive.getinfo(f"{name}.npy")
                size = info.file_size
                packed = min(info.compress_size, path.stat().st_size)
                _io.check_expansion(name, packed, size)
                if size > MAX_MEMBER_BYTES:
                    raise ValueError(
                        f"{name} has {size} bytes, more than {MAX_MEMBER_BYTES}"
                    )
                with archive.open(f"{name}.npy") as member:
                    stream = io.BytesIO(member.read(size))
                arrays[name] = _read_array(stream, may_be_lists=name[0] == "x")
    except Exception as error:  # a damaged or forged file can raise any error
        raise ValueError(
            f"{path} is not a valid imdb.npz of Keras: {error}. Load the raw reviews "
            "with load_imdb, or download the file again."
        ) from error
    return arrays


def _read_array(stream: io.BytesIO, may_be_lists: bool) -> Content:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"npy version {version} is unknown")
    *_, dtype = readers[version](stream)
    if dtype.hasobject and may_be_lists:
        array = _ListUnpickler(stream).load()
        if not isinstance(array, _ObjectArray):
            raise ValueError(f"it holds a {type(array).__name__}, not an array")
        return array.items
    stream.seek(0)
    return np.lib.format.read_array(stream, allow_pickle=False)


def _to_ragged(items: Content, place: str) -> Ragged:
    if not isinstance(items, list):
        raise ValueError(f"{place} must be a list of lists of ints.")
    total = 0
    for row, item in enumerate(items):
        if not isinstance(item, list) or not set(map(type, item)) <= {int}:
            raise ValueError(f"{place}[{row}] must be a list of ints.")
        if item and not 0 <= min(item) <= max(item) < 2**31 - 2**16:
            raise ValueError(f"{place}[{row}] has an id outside of [0, 2**31 - 2**16).")
        # A small pickle can repeat a list many times: count before copying.
        total += len(item)
        if total > MAX_IDS:
            raise ValueError(f"{place} has more than {MAX_IDS} ids.")
    return Ragged.from_lists(items)


def _to_labels(array: Content, n_reviews: int, place: str) -> np.ndarray:
    labels = np.asarray(array)
    if labels.shape != (n_reviews,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{place} must have a label for each of the {n_reviews} reviews, "
            f"got {labels.dtype}{labels.shape}."
        )
    if not np.isin(labels, (0, 1)).all():
        raise ValueError(f"{place} must hold the labels 0 and 1.")
    return labels.astype(np.int32)
