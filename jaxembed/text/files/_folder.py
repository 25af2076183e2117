"""Folder: texts in one folder for each class."""

from collections.abc import Sequence
from pathlib import Path

from jaxembed.text.files._decode import check_encoding, open_text
from jaxembed.text.files._labelled import LabelledTexts, warn_empty


def load_folder(
    path: str | Path,
    *,
    class_names: Sequence[str] | None = None,
    suffix: str = ".txt",
    encoding: str = "utf-8",
    errors: str = "strict",
) -> LabelledTexts:
    r"""Load texts from a folder with one folder for each class.

    The label of a text is the name of its folder. The classes, and the texts of a
    class, are sorted by name, so that their order does not depend on the file system.
    If the texts have given parts, such as ``reviews/train`` and ``reviews/test``, load
    each; otherwise draw them with ``split``.

    Args:
      path: the folder.
      class_names: names of the folders to read; None for all.
      suffix: end of the names of the files to read.
      encoding: encoding of the files; necessary if it is not UTF-8.
      errors: "strict" to raise for a byte that is not of the encoding, "replace" to
        read it as U+FFFD.

    Returns:
      :class:`LabelledTexts` with labels of type ``str``.

    Raises:
      FileNotFoundError: if the folder, or that of a class, does not exist.
      NotADirectoryError: if ``path`` is a file.
      ValueError: if there are fewer than two classes, a class has no texts, a text has
        a NUL character or a byte that is not of the encoding, or an argument is
        invalid.

    Warns:
      UserWarning: if texts are empty; names their files.

    Example:
      >>> import tempfile
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     for name, review in [("pos/1", "A joy."), ("neg/1", "A bore.")]:
      ...         file = Path(folder, name + ".txt")
      ...         file.parent.mkdir()
      ...         _ = file.write_text(review)
      ...     load_folder(folder)
      LabelledTexts(texts=['A bore.', 'A joy.'], labels=['neg', 'pos'])
    """
    folder = Path(path)
    check_encoding(encoding, errors)
    if not folder.is_dir():
        kind = NotADirectoryError if folder.exists() else FileNotFoundError
        words = "is not a folder" if folder.exists() else "does not exist"
        raise kind(f"{folder} {words}: give a folder with one folder for each class.")
    names = _find_classes(folder, class_names)
    texts: list[str] = []
    labels: list[str] = []
    empty = []
    for name in names:
        files = _find_files(folder / name, suffix)
        for file in files:
            text = _read(file, encoding, errors)
            if not text.strip():
                empty.append(f"{name}/{file.name}")
            texts.append(text)
            labels.append(name)
    warn_empty(str(folder), empty, len(texts))
    return LabelledTexts(texts, labels)


def _find_classes(folder: Path, given: Sequence[str] | None) -> list[str]:
    if isinstance(given, str):
        raise ValueError(f"class_names must be a list of names, got {given!r}.")
    entries = (e for e in folder.iterdir() if e.is_dir() and e.name[0] != ".")
    found = sorted(entry.name for entry in entries)
    missing = [name for name in given or [] if name not in found]
    if missing:
        raise FileNotFoundError(
            f"{folder} has no folder {missing[0]!r}; it has {', '.join(found) or '-'}."
        )
    names = found if given is None else sorted(set(given))
    if len(names) < 2:
        has = f"has one class only, {names[0]!r}" if names else "has no folder"
        raise ValueError(
            f"{folder} {has}: texts of two or more classes are needed, each class in a "
            "folder of its own."
        )
    return names


def _find_files(folder: Path, suffix: str) -> list[Path]:
    """Return the text files of a class, sorted by name; raise if it has no file."""
    entries = sorted(folder.iterdir())
    files = [entry for entry in entries if entry.name.endswith(suffix)]
    files = [file for file in files if file.is_file()]
    if files:
        return files
    inner = [entry.name for entry in entries if entry.is_dir()]
    if inner:
        remedy = f"it has the folders {', '.join(inner[:5])}: give {folder} itself"
    elif entries:
        remedy = f"it has other files, such as {entries[0].name}: give suffix="
    else:
        remedy = "the folder is empty: remove it, or add texts"
    raise ValueError(
        f"the class {folder.name!r} has no texts *{suffix} in {folder}; {remedy}."
    )


def _read(file: Path, encoding: str, errors: str) -> str:
    if not file.stat().st_size:
        return ""
    with open_text(file, encoding, errors) as stream:
        text = stream.read()
    if "\0" in text:
        raise ValueError(
            f"{file} has a NUL character at {text.index(chr(0))}: it is not a text."
        )
    return text
