"""Tokenizer: equal to that of Keras on random and on real texts."""

import json

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from keras.src.legacy.preprocessing.text import Tokenizer as KerasTokenizer

from jaxembed import text

# Few letters, so that words repeat, and characters that libraries treat differently:
# U+0130 and the final sigma when lower-cased; U+0085 and U+00A0, which are separators
# for str.split; a lone surrogate.
LETTERS = "aAbB' .,!\t\n\u0130\u03a3\u03c3\u00df\u0085\u00a0\u0301\ud800\U0001f600"
TEXTS = st.lists(st.text(LETTERS, max_size=12), min_size=1, max_size=8)
SETTINGS = st.fixed_dictionaries(
    {
        "num_words": st.sampled_from([None, 0, 1, 2, 3, 5]),
        "oov_token": st.sampled_from([None, "<OOV>", "a", ""]),
        "lower": st.booleans(),
        "filters": st.sampled_from(["!.,\t\n", "", "ab", "\u00df!", "A"]),
    }
)


@given(TEXTS, TEXTS, SETTINGS)
@example(["a b", "b a"], ["b c"], {"num_words": 2, "oov_token": "a"})
@example(["\u039f\u0394\u039f\u03a3 A"], ["\u039f\u0394\u039f\u03a3"], {})
def test_equal_to_keras(fitted, encoded, settings):
    ours, theirs = text.Tokenizer(**settings), KerasTokenizer(**settings)
    theirs.fit_on_texts(fitted)
    if not theirs.word_counts:
        with pytest.raises(ValueError, match="texts must contain words to fit on"):
            ours.fit(fitted)
        return
    ours.fit(fitted)
    # Compare as lists, since the order of the words matters.
    assert list(ours.word_counts.items()) == list(theirs.word_counts.items())
    assert list(ours.word_index.items()) == list(theirs.word_index.items())
    ids = theirs.texts_to_sequences(encoded)
    assert ours.encode(encoded).tolist() == ids
    assert ours.decode(ids) == theirs.sequences_to_texts(ids)
    some = [[0, 1, 2, 3, 99]]
    assert ours.decode(some) == theirs.sequences_to_texts(some)


def test_fit_adds_to_what_was_counted_before():
    ours, theirs = text.Tokenizer(), KerasTokenizer()
    for texts in (["a b"], ["b c c c"]):
        ours.fit(texts)
        theirs.fit_on_texts(texts)
    assert list(ours.word_index.items()) == list(theirs.word_index.items())


def test_words_are_counted_across_pieces(monkeypatch):
    from jaxembed.text import _split, _tokenizer

    texts = [f"w{i % 7} common {'x' * (i % 5)}!" for i in range(100)]
    whole = text.Tokenizer().fit(texts)
    monkeypatch.setattr(_split, "PIECE", 25)
    monkeypatch.setattr(_tokenizer, "PIECES_AT_ONCE", 3)
    cut = text.Tokenizer().fit(texts)
    assert list(cut.word_counts.items()) == list(whole.word_counts.items())
    assert cut.encode(texts) == whole.encode(texts)


def public(tokenizer):
    return {name: x for name, x in vars(tokenizer).items() if name[0] != "_"}


@given(TEXTS, SETTINGS)
def test_json_keeps_everything(texts, settings):
    tokenizer = text.Tokenizer(**settings)
    try:
        tokenizer.fit([*texts, "a"])
    except ValueError:
        return
    again = text.Tokenizer.from_json(tokenizer.to_json())
    assert public(again) == public(tokenizer)
    assert again.encode(texts) == tokenizer.encode(texts)


def test_json_of_keras_is_read():
    theirs = KerasTokenizer(num_words=3, oov_token="?")
    theirs.fit_on_texts(["a b b", "c"])
    ours = text.Tokenizer.from_json(theirs.to_json())
    assert ours.word_index == theirs.word_index
    assert ours.encode(["a b c d"]).tolist() == theirs.texts_to_sequences(["a b c d"])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "not the JSON of a Tokenizer: JSONDecodeError"),
        ("[]", "not the JSON of a Tokenizer: TypeError"),
        ("[" * 99_999, "not the JSON of a Tokenizer: RecursionError"),
        ('{"config": {}}', "not the JSON of a Tokenizer: KeyError: 'word_counts'"),
        (
            KerasTokenizer(char_level=True).to_json(),
            "only tokenizers that split texts at",
        ),
        (
            text.Tokenizer().fit(["a"]).to_json().replace("1}", "true}"),
            "TypeError: True is not int",
        ),
    ],
)
def test_json_that_is_none_is_refused(bad, message):
    with pytest.raises(ValueError, match=message):
        text.Tokenizer.from_json(bad)


def test_num_words_is_limit_and_not_count():
    ids = text.Tokenizer(num_words=3).fit(["a a a b b c"]).encode(["a b c"])
    assert ids.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("one text", "must be a list of texts, got one str: put it into a list"),
        (["a", b"b"], "texts must be str, got bytes at index 1: decode it first"),
        (["a", None], "texts must be str, got NoneType at index 1"),
    ],
)
def test_what_is_no_list_of_texts_is_refused(texts, message):
    with pytest.raises(TypeError, match=message):
        text.Tokenizer().fit(texts)
    with pytest.raises(TypeError, match=message):
        text.Tokenizer().fit(["a"]).encode(texts)


def test_unfitted_and_negative_are_refused():
    with pytest.raises(ValueError, match=r"call fit\(texts\) first"):
        text.Tokenizer().encode(["a"])
    with pytest.raises(ValueError, match=r"call fit\(texts\) first"):
        text.Tokenizer().decode([[1]])
    with pytest.raises(ValueError, match="at least 0 or None, got -1"):
        text.Tokenizer(num_words=-1)


def test_texts_may_come_from_anywhere():
    expected = text.Tokenizer().fit(["a b", "b"])
    for texts in (iter(["a b", "b"]), np.array(["a b", "b"], object), ("a b", "b")):
        tokenizer = text.Tokenizer().fit(texts)
        assert public(tokenizer) == public(expected)
    assert expected.encode(t for t in ["b", "a"]).tolist() == [[1], [2]]


def test_an_unfitted_tokenizer_stays_so_through_json():
    tokenizer = text.Tokenizer.from_json(text.Tokenizer(oov_token="?").to_json())
    with pytest.raises(ValueError, match=r"call fit\(texts\) first"):
        tokenizer.encode(["a"])


def test_empty_text_has_no_ids():
    assert text.Tokenizer().fit(["a"]).encode(["", "a", " !"]).tolist() == [[], [1], []]


@pytest.mark.long
@pytest.mark.real_reviews
def test_real_reviews_equal_keras(real_reviews):
    corpus = text.load_imdb(real_reviews)
    ours = text.Tokenizer(num_words=10_000).fit(corpus.train_texts)
    theirs = KerasTokenizer(num_words=10_000)
    theirs.fit_on_texts(corpus.train_texts)
    assert len(ours.word_index) == 88_582
    assert list(ours.word_index.items()) == list(theirs.word_index.items())
    some = corpus.train_texts[::5]
    expected = theirs.texts_to_sequences(some)
    assert ours.encode(some).tolist() == expected
    assert json.loads(ours.to_json())["config"]["num_words"] == 10_000
    np.testing.assert_array_equal(
        ours.encode(corpus.train_texts).lengths,
        [len(ids) for ids in theirs.texts_to_sequences(corpus.train_texts)],
    )


def test_punctuation_of_unicode_separates_words_if_wanted():
    texts = [
        "\u00abA joy\u2026\u00bb\u3000it\u2019s",
        "\u00a1ole! \u00e9t\u00e9\x0bfin \u20ac5 \U0001f600",
    ]
    plain = text.Tokenizer().fit(texts)
    assert (
        "\u00aba" in plain.word_index
        and "joy\u2026\u00bb\u3000it\u2019s" in plain.word_index
    )
    wide = text.Tokenizer(unicode_punctuation=True).fit(texts)
    words = ["a", "joy", "it's", "ole", "\u00e9t\u00e9", "fin", "\u20ac5", "\U0001f600"]
    assert list(wide.word_counts) == words
    again = text.Tokenizer.from_json(wide.to_json())
    assert again.encode(texts) == wide.encode(texts)


def test_composed_and_decomposed_letters_are_equal_if_wanted():
    texts = ["caf\u00e9 cafe\u0301", "\u0130a"]
    assert len(text.Tokenizer().fit(texts).word_index) == 3
    same = text.Tokenizer(normalize="NFC").fit(texts)
    assert same.word_counts["caf\u00e9"] == 2
    # Lower-case \u0130 is decomposed; NFC has no composed form of it.
    assert list(same.word_counts) == ["caf\u00e9", "i\u0307a"]
    assert text.Tokenizer.from_json(same.to_json()).encode(["cafe\u0301"]).tolist() == [
        [1]
    ]
    wide = text.Tokenizer(normalize="NFKC").fit(["\uff21bc abc"])
    assert wide.word_counts == {"abc": 2}
    with pytest.raises(ValueError, match="normalize must be one of .* got 'nfc'"):
        text.Tokenizer(normalize="nfc")


def test_few_words_are_looked_up_as_many_are():
    """Few words are looked up in a dict, many by Arrow."""
    words = [f"w{i}" for i in range(2000)]
    tokenizer = text.Tokenizer(num_words=1500, oov_token="?").fit([" ".join(words)])
    texts = ["w3 new w1999", "", "w0 \ud800"]
    alone = [tokenizer.encode([one]).tolist()[0] for one in texts]
    many = tokenizer.encode([*texts, " ".join(words)]).tolist()
    assert alone == many[:3] == [[5, 1, 1], [], [2, 1]]


def test_a_changed_vocabulary_is_used():
    tokenizer = text.Tokenizer().fit(["a b"])
    assert tokenizer.encode(["a b c"]).tolist() == [[1, 2]]
    tokenizer.fit(["b c"])
    assert tokenizer.encode(["a b c"]).tolist() == [[2, 1, 3]]
    tokenizer.num_words = 2
    assert tokenizer.encode(["a b c"]).tolist() == [[1]]
    tokenizer.num_words, tokenizer.word_index = None, {"c": 7, "b": 8, "a": 9}
    assert tokenizer.encode(["a b c"]).tolist() == [[9, 8, 7]]
