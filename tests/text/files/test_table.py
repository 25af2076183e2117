"""load_table: each format, and the errors of bad files with their lines."""

import json

import pyarrow as pa
import pytest
from pyarrow import parquet

from jaxembed import TextModel, text

TEXTS = ["A joy,\na joy.", 'He said "no".', "na\u00efve\u2028fun"]
LABELS = ["pos", "neg", "pos"]
ROWS = [
    {"id": i, "text": content, "label": label, "split": "test" if i else "train"}
    for i, (content, label) in enumerate(zip(TEXTS, LABELS, strict=True))
]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_rows(folder, suffix):
    """Write the same rows in each format, by other code than that under test."""
    if suffix == ".parquet":
        parquet.write_table(pa.Table.from_pylist(ROWS), folder / "a.parquet")
        return folder / "a.parquet"
    if suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
        return write(folder, "a.jsonl", "\n".join(lines))
    sign = {".csv": ",", ".tsv": "\t"}[suffix]
    cells = [
        [f'"{str(c).replace(chr(34), chr(34) * 2)}"' for c in r.values()] for r in ROWS
    ]
    lines = [sign.join(row) for row in [list(ROWS[0]), *cells]]
    return write(folder, f"a{suffix}", "\ufeff" + "\r\n".join(lines) + "\r\n")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".parquet"])
def test_all_formats_give_the_same_rows(tmp_path, suffix):
    path = write_rows(tmp_path, suffix)
    assert text.load_table(path) == (TEXTS, LABELS)
    assert text.load_table(path, split="test") == (TEXTS[1:], LABELS[1:])
    assert list(text.iter_texts(path)) == TEXTS
    both = text.load_table(path, text=["label", "text"], label="split")
    assert both.texts[0] == "pos A joy,\na joy." and both.labels[1] == "test"
    with pytest.raises(
        ValueError, match="has no column 'review'. Its columns are 'id'"
    ):
        text.load_table(path, text="review")
    with pytest.raises(ValueError, match="has no rows with 'dev' in 'split'"):
        text.load_table(path, split="dev")


def test_lines_of_fasttext(tmp_path):
    lines = "__label__pos A joy , a\rjoy .\r\n\n__label__neg a\u0085 bore __label__x_y"
    path = write(tmp_path, "a.txt", lines)
    found = text.load_table(path)
    assert found.texts == ["A joy , a\rjoy .", "a\u0085 bore"]
    assert found.labels == [["pos"], ["neg", "x_y"]]
    single = write(tmp_path, "b.txt", "__label__1 A joy\n__label__2 a bore\n")
    assert text.load_table(single).labels == ["1", "2"]
    with pytest.raises(ValueError, match="has no columns, so it has no split 'test'"):
        text.load_table(single, split="test")
    bare = write(tmp_path, "c.txt", "__label__1 A joy\na bore\n")
    with pytest.raises(ValueError, match="c.txt, line 2: the label is missing"):
        text.load_table(bare)
    assert list(text.iter_texts(bare)) == ["A joy", "a bore"]
    assert list(text.iter_texts(bare, format="lines")) == ["__label__1 A joy", "a bore"]


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        (["1", "-2", "0"], [1, -2, 0]),
        (["01", "2", "3"], [1.0, 2.0, 3.0]),
        (["1.5", "2", "-3e2"], [1.5, 2.0, -300.0]),
        (["1", "b", "2"], ["1", "b", "2"]),
        (["1", "nan", "2"], ["1", "nan", "2"]),
        (["1.", "\u0661", "2"], ["1.", "\u0661", "2"]),
    ],
)
def test_labels_are_numbers_if_all_are(tmp_path, given, labels):
    lines = ["text,label", *(f"a,{label}" for label in given)]
    path = write(tmp_path, "a.csv", "\n".join(lines))
    found = text.load_table(path).labels
    assert found == labels and list(map(type, found)) == list(map(type, labels))


def test_several_labels_in_a_cell(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\na,"x, y"\nb,x\n')
    found = text.load_table(path, label_separator=",")
    assert found.labels == [["x", "y"], ["x"]]
    lines = '{"text": "a", "label": ["x", "y"]}\n{"text": "b", "label": []}\n'
    assert text.load_table(write(tmp_path, "a.jsonl", lines)).labels == [["x", "y"], []]


def test_a_file_without_a_header_and_with_bare_quotes(tmp_path):
    path = write(tmp_path, "a.tsv", '1\t"A joy\n0\tso "bad"\n')
    names = ["label", "text"]
    found = text.load_table(path, names=names, quote=None)
    assert found == (['"A joy', 'so "bad"'], [1, 0])
    with pytest.raises(ValueError, match=r"a.tsv, line 1: .* give quote=None"):
        text.load_table(path, names=names)
    semicolons = write(tmp_path, "b.csv", "text;label\na, b;1\n")
    assert text.load_table(semicolons, delimiter=";").texts == ["a, b"]


def test_a_cell_may_be_long(tmp_path):
    import csv

    before = csv.field_size_limit()
    path = write(tmp_path, "a.csv", f"text,label\n{'word ' * 40_000},1\nb,0\n")
    assert len(text.load_table(path).texts[0]) == 200_000
    assert csv.field_size_limit() == before


def test_a_bad_byte_is_named_with_its_line(tmp_path):
    content = 'text,label\n"two\nlines",1\nna\u00efve,0\n'
    path = write(tmp_path, "a.csv", content.encode("cp1252"))
    with pytest.raises(
        ValueError, match=r"a.csv, line 4: the byte 0xef at byte 27 is not utf-8. Give"
    ):
        text.load_table(path)
    assert text.load_table(path, encoding="cp1252").texts[1] == "na\u00efve"
    assert text.load_table(path, errors="replace").texts[1] == "na\ufffdve"
    wide = write(tmp_path, "b.csv", content.encode("utf-16"))
    with pytest.raises(ValueError, match="mark of utf-16: give encoding='utf-16'"):
        text.load_table(wide)
    assert text.load_table(wide, encoding="utf-16").texts[1] == "na\u00efve"
    cut = write(tmp_path, "c.csv", "text,label\nfun,1\nna\u00ef".encode()[:-1])
    with pytest.raises(ValueError, match="c.csv, line 3: an incomplete character"):
        text.load_table(cut)


def test_a_bad_byte_far_inside_is_found(tmp_path):
    lines = ["text,label", *["\u00e9" * 50 + ",1"] * 2000]
    data = "\n".join(lines).encode()
    path = write(tmp_path, "a.csv", data + b"\n\xff,1\n")
    place = rf"line 2002: the byte 0xff at byte {len(data) + 1} "
    with pytest.raises(ValueError, match=place):
        text.load_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "", "a.csv is empty: it has no byte"),
        ("a.csv", "text,label\n", "a.csv has no rows"),
        ("a.csv", "\ntext,label\n", "a.csv has an empty line 1: write the names"),
        ("a.csv", "body,label\n", "'body', 'label': give one of them as text=."),
        ("a.csv", "text,stars\n", "'text', 'stars': give one of them as label=."),
        ("a.csv", "text;label\na;1\n", "are 'text;label': give delimiter=';'."),
        ("a.csv", "text,label\na,1\n\nb\n", "line 4: the row has 1 cells, and there"),
        ("a.csv", "text,label\na,b,1\n", "line 2: the row has 3 cells, .* 2 columns"),
        ("a.csv", "text,text,label\na,b,1\n", "has 2 columns 'text': rename one"),
        ("a.csv", 'text,label\na,1\n"b,1\nc,0\n', "line 3: .*end of data"),
        ("a.csv", "text,label\na,1\nb,\n", "line 3: the label is missing"),
        ("a.csv", "text,label\na\0b,1\n", "line 2: the text has a NUL character"),
        ("a.jsonl", '{"text": "a", "label": 1}\n{\n', "line 2: not JSON"),
        ("a.json", '[{"text": "a"}]', "line 1: must be a JSON object, got list"),
        ("a.jsonl", '\n{"text": "a"}', "line 2 has no column 'label'. .* 'text'"),
        (
            "a.jsonl",
            '{"text": 5, "label": 1}',
            "line 1: 'text' must be a text, got int",
        ),
        ("a.jsonl", '{"text": null, "label": 1}', "must be a text, got nothing"),
        ("a.jsonl", '{"text": "a", "label": null}', "line 1: the label is missing"),
        ("a.parquet", "PAR1 no table PAR1", "cannot be read as Parquet after 0 rows"),
        ("a.xls", "text", "unknown suffix: give format= as one of csv, tsv, jsonl,"),
    ],
)
def test_bad_files_are_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        text.load_table(write(tmp_path, name, content))


def test_a_text_of_parquet_that_is_not_utf8_is_refused(tmp_path):
    table = pa.table({"text": ["a good film"], "label": [1]})
    parquet.write_table(table, tmp_path / "a.parquet", compression="none")
    data = (tmp_path / "a.parquet").read_bytes().replace(b"good", b"\xff\xffod")
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(ValueError, match="a.parquet cannot be read as Parquet after 0"):
        text.load_table(tmp_path / "a.parquet")


def test_bad_arguments_are_refused(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\na,1\n")
    with pytest.raises(FileNotFoundError, match="b.csv does not exist"):
        text.load_table(tmp_path / "b.csv")
    (tmp_path / "c.csv").mkdir()
    with pytest.raises(IsADirectoryError, match="read the folder with load_folder"):
        text.load_table(tmp_path / "c.csv")
    with pytest.raises(ValueError, match="delimiter must be one character, got '::'"):
        text.load_table(path, delimiter="::")
    with pytest.raises(ValueError, match="got 'excel': give format= as one of csv"):
        text.load_table(path, format="excel")
    with pytest.raises(ValueError, match="text must name one column or more, got none"):
        text.load_table(path, text=[])
    with pytest.raises(ValueError, match="label_separator must have a character"):
        text.load_table(path, label_separator="")


def test_empty_texts_are_named(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\na,1\n,0\n   ,1\n")
    with pytest.warns(UserWarning, match="2 of 3 texts are empty: line 3, line 4"):
        assert text.load_table(path).texts == ["a", "", "   "]


def test_one_class_only_is_refused_by_fit(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\na,1\nb,1\n")
    with pytest.raises(ValueError, match=r"two or more classes, got \[1\] in 2 texts"):
        TextModel.fit(*text.load_table(path))
