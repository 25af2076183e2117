"""Foreign: name the format of a file that is not read, and the remedy."""

import re

from jaxembed.vectors.formats._stream import Source

EXPORT = "load it with the tool that wrote it, and save it as word2vec text or binary"
UTF_16 = "text in UTF-16: convert it to UTF-8"
# All have a byte that UTF-8 text never starts with, or a zero.
MAGICS = {
    rb"\x93NUMPY": f"an array of NumPy, which has no words: {EXPORT}",
    rb"\x89HDF": f"an HDF5 file: {EXPORT}",
    rb"\x80[\x02-\x05][\x95}\]c(X]": (
        "a pickle, which is never read, since it can run code: load it with the tool "
        "that wrote it, such as gensim, and call save_word2vec_format"
    ),
    rb"7z\xbc\xaf\x27\x1c": "a .7z archive: unpack it first",
    rb"\x28\xb5\x2f\xfd": "a .zst file: unpack it first",
    rb"Rar!\x1a\x07": "a .rar archive: unpack it first",
    # The name, with zeros after it, and "ustar" at byte 257.
    rb"(?s)(?=.{1,100}\x00).{257}ustar": (
        "a .tar archive: extract the file of word vectors, and give its path"
    ),
    rb"\xff\xfe|\xfe\xff|([ -~]\x00){8}|(\x00[ -~]){8}": UTF_16,
}
FOREIGN = {re.compile(magic): words for magic, words in MAGICS.items()}
# Causes of a text that has no numbers where they are expected.
CAUSES = {
    re.compile(
        rb"\s*<(!doctype|html|\?xml)", re.I
    ): "the tags of a web page: download the file itself",
    re.compile(rb"[^\n]*\t"): "tabs: replace them by spaces",
    re.compile(rb"[^\n]* [+-]?\d+,\d"): "decimal commas: replace them by points",
    re.compile(rb"[^\n]*\x00"): "zero bytes: is it text in UTF-16?",
}
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def refuse_foreign(source: Source) -> None:
    """Raise if the content begins as a known format without word vectors.

    Raises:
      ValueError: names the format and the remedy.
    """
    head = source.peek(512)
    for magic, words in FOREIGN.items():
        if magic.match(head):
            raise ValueError(
                f"{source.name} must be a file of word vectors, got {words}."
            )


def skip_mark(source: Source) -> None:
    """Skip a UTF-8 byte order mark, so that the first word does not begin with it."""
    if source.peek(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK:
        source.skip(len(BYTE_ORDER_MARK))


def explain(line: bytes) -> str:
    r"""Return the likely cause of a line without numbers, for the end of an error.

    Example:
      >>> explain(b"the\t0.1\t0.2\n")
      ' (it has tabs: replace them by spaces)'
      >>> explain(b"the 0.1\n")
      ''
    """
    causes = (words for cause, words in CAUSES.items() if cause.match(line))
    found = next(causes, None)
    return "" if found is None else f" (it has {found})"
