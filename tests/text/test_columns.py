"""Columns of Arrow, and of libraries that are built on it, wherever texts are taken."""

import numpy as np
import pyarrow as pa
import pytest

from jaxembed import TextModel, text

TEXTS = ["good film", "bad film", "a good joy", "a bad bore"] * 5
LABELS = ["pos", "neg"] * 10


class ColumnOfDatasets:
    """Stand-in of ``datasets.arrow_dataset.Column``: a sequence over one column."""

    def __init__(self, values):
        self.values, self.column_name = values, "text"

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return iter(self.values)

    def __getitem__(self, place):
        return self.values[place]


class SeriesOfPolars:
    """Stand-in of ``polars.Series``, by Arrow's C stream."""

    def __init__(self, values):
        self.array = pa.chunked_array([values[:3], values[3:]])

    def __iter__(self):
        raise AssertionError("the stream is read instead")

    def __arrow_c_stream__(self, requested_schema=None):
        return self.array.__arrow_c_stream__(requested_schema)


class ColumnToArrow:
    def __init__(self, values):
        self.values = values

    def to_arrow(self):
        return pa.array(self.values)


class ArrayOfC:
    def __init__(self, values):
        self.array = pa.array(values, pa.large_string())

    def __arrow_c_array__(self, requested_schema=None):
        return self.array.__arrow_c_array__(requested_schema)


def dictionary(values):
    return pa.array(values).dictionary_encode()


COLUMNS = [ColumnOfDatasets, SeriesOfPolars, ColumnToArrow, ArrayOfC, dictionary]
COLUMNS += [np.array, pa.array, lambda x: pa.chunked_array([x]), iter]


@pytest.mark.parametrize("make", COLUMNS)
def test_columns_are_read_as_lists(make):
    tokenizer = text.Tokenizer().fit(make(TEXTS))
    assert tokenizer.word_counts == text.Tokenizer().fit(TEXTS).word_counts
    assert tokenizer.encode(make(TEXTS)) == tokenizer.encode(TEXTS)
    model = TextModel.fit(make(TEXTS), make(LABELS), epochs=2)
    listed = TextModel.fit(TEXTS, LABELS, epochs=2)
    np.testing.assert_array_equal(
        model.predict_proba(make(TEXTS)), listed.predict_proba(TEXTS)
    )


def test_a_table_is_refused_with_its_columns():
    table = pa.table({"text": TEXTS, "label": LABELS})
    message = r"got a table with the columns text, label: .* such as table\[\"text\"\]"
    for given in (table, {"text": TEXTS, "label": LABELS}):
        with pytest.raises(TypeError, match=f"texts must be one column, {message}"):
            text.Tokenizer().fit(given)
    with pytest.raises(TypeError, match=f"labels must be one column, {message}"):
        TextModel.fit(TEXTS, table)


def test_a_missing_text_is_named():
    with pytest.raises(TypeError, match="texts must be str, got NoneType at index 1"):
        text.Tokenizer().fit(pa.array(["a", None]))
