"""IMDB ids: Keras's encoding of the reviews, and its file imdb.npz read safely."""

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np

from jaxembed.text._ragged import Ragged

# Sizes far above the real file's, which has 11.9 million ids in 17 MB.
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
    """The ids that ``keras.datasets.imdb`` gives to reviews.

    A word's id is its rank by frequency plus ``index_from``; 0 pads, 1 starts a
    review, 2 stands for a word whose id is not below ``num_words``. Words that the
    tokenizer has never seen are left out, as in Keras.

    Args:
      ranks: what a :class:`Tokenizer` without ``num_words`` makes of the texts.
      num_words: ids are below it; None keeps all words.
      skip_top: ids below it become ``oov_char`` too, also the start.
      start_char: the id put in front of each review; None for none.
      oov_char: the id of the words cut away; None drops them.
      index_from: what is added to each rank.

    Returns:
      :class:`Ragged`, a sequence for each of ``ranks``.

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
    """The reviews of Keras's ``imdb.npz``, without running what the file says.

    The file keeps its lists as a pickle. It is read by an unpickler that knows only
    the three names such a list needs, each replaced by a stand-in that computes
    nothing; every element is checked to be a list of ints.

    Args:
      path: the file.
      num_words: as in :func:`encode_imdb`, like the arguments not named here. None
        keeps all words, also the rarest, which Keras makes unknown.
      skip_top: see :func:`encode_imdb`.
      seed: of the shuffling that Keras does.
      start_char: see :func:`encode_imdb`.
      oov_char: see :func:`encode_imdb`.
      index_from: see :func:`encode_imdb`.

    Returns:
      ``(train_ids, int32[N] labels), (test_ids, int32[M] labels)``.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is no such archive, is larger than it may be, or holds
        anything but lists of ints.

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
    rng = np.random.RandomState(seed)  # Keras's generator, for both parts in turn
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
    """Stands in for a NumPy array of objects; keeps its list and nothing else."""

    items: list

    def __setstate__(self, state: object) -> None:
        items = state[-1] if isinstance(state, tuple) and state else None
        if not isinstance(items, list):
            raise pickle.UnpicklingError("an array that is no list of objects")
        self.items = items


class _Dtype:
    """Stands in for ``numpy.dtype``; the elements are checked one by one anyway."""

    def __init__(self, *arguments: object):
        self.arguments = arguments

    def __setstate__(self, state: object) -> None:
        self.state = state


class _ListUnpickler(pickle._Unpickler):  # type: ignore[name-defined]
    """Reads a pickled array of lists; every other name is refused.

    The one written in Python: its memo is a dict, where that in C is an array as long
    as the largest index that the file names.
    """

    stand_ins = {
        ("numpy", "ndarray"): _ObjectArray,
        ("numpy", "dtype"): _Dtype,
        # Called with the type, a shape and a code; makes an array without a state.
        ("numpy.core.multiarray", "_reconstruct"): lambda *_: _ObjectArray(),
        ("numpy._core.multiarray", "_reconstruct"): lambda *_: _ObjectArray(),
    }
    # It would make room for as many bytes as the file names, before it reads them.
    dispatch = {
        code: load
        for code, load in pickle._Unpickler.dispatch.items()  # type: ignore[attr-defined]
        if code != pickle.BYTEARRAY8[0]
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.stand_ins:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return self.stand_ins[module, name]


def _read_members(path: Path) -> dict[str, Content]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}: give the path of imdb.npz.")
    arrays: dict[str, Content] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in NAMES:
                size = archive.getinfo(f"{name}.npy").file_size
                if size > MAX_MEMBER_BYTES:
                    raise ValueError(
                        f"{name} has {size} bytes, more than {MAX_MEMBER_BYTES}"
                    )
                with archive.open(f"{name}.npy") as member:
                    stream = io.BytesIO(member.read(size))
                arrays[name] = _read_array(stream, may_be_lists=name[0] == "x")
    except Exception as error:  # whatever a cut or made-up file makes readers raise
        raise ValueError(
            f"{path} is refused as Keras's imdb.npz: {error}. Load the raw reviews "
            "with load_imdb, or fetch the file again."
        ) from error
    return arrays


def _read_array(stream: io.BytesIO, may_be_lists: bool) -> Content:
    version = np.lib.format.read_magic(stream)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise ValueError(f"npy version {version} is not known")
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
            raise ValueError(f"{place}[{row}] has an id outside of [0, 2**31).")
        # One list can stand in many places: count before copying.
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
