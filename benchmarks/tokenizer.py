"""How long it takes to number the words of the training reviews, against Keras.

Run:     python -m benchmarks.tokenizer --data aclImdb_v1.tar.gz
Prints:  a JSON line for fit, for encode, and for both, of jaxembed and of Keras.
"""

import argparse

from benchmarks import _timing
from jaxembed import text

NUM_WORDS = 10_000


def main(argv: list[str] | None = None) -> None:
    """Checks that both give the same, then times them in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="embedded")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args(argv)
    try:
        from keras.src.legacy.preprocessing.text import Tokenizer as KerasTokenizer
    except ImportError:
        raise SystemExit("keras is missing: pip install jaxembed[bench]") from None
    texts = text.load_imdb(arguments.data).train_texts

    def keras_fit() -> KerasTokenizer:
        tokenizer = KerasTokenizer(NUM_WORDS)
        tokenizer.fit_on_texts(texts)
        return tokenizer

    theirs, ours = keras_fit(), text.Tokenizer(NUM_WORDS).fit(texts)
    if list(ours.word_index.items()) != list(theirs.word_index.items()):
        raise SystemExit("the vocabularies differ: there is nothing to time.")
    if ours.encode(texts).tolist() != theirs.texts_to_sequences(texts):
        raise SystemExit("the ids differ: there is nothing to time.")
    pairs = {
        "fit": (lambda: text.Tokenizer(NUM_WORDS).fit(texts), keras_fit),
        "encode": (
            lambda: ours.encode(texts),
            lambda: theirs.texts_to_sequences(texts),
        ),
        "fit and encode": (
            lambda: text.Tokenizer(NUM_WORDS).fit(texts).encode(texts),
            lambda: keras_fit().texts_to_sequences(texts),
        ),
    }
    for what, (our_call, keras_call) in pairs.items():
        calls = {"jaxembed": our_call, "keras": keras_call}
        seconds = _timing.alternate(calls, arguments.repeats)
        _timing.report(f"tokenizer: {what}", seconds, texts=len(texts))


if __name__ == "__main__":
    main()
