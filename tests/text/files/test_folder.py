"""load_folder: a folder for each class, and the errors of bad folders."""

import pytest

from jaxembed import TextModel, text


@pytest.fixture
def make(tmp_path):
    """Return a function that writes ``{name: bytes or text}`` to a folder."""

    def make(files):
        for name, content in files.items():
            path = tmp_path / "reviews" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
        return tmp_path / "reviews"

    return make


def test_texts_and_classes_are_sorted_by_name(make):
    folder = make(
        {
            "pos/b.txt": "joy",
            "pos/a.txt": "\ufeffna\u00efve fun",
            "neg/z.txt": "bore",
            "neg/notes.md": "not a text",
            ".git/config.txt": "hidden",
            "top.txt": "of no class",
        }
    )
    found = text.load_folder(folder)
    assert found.texts == ["bore", "na\u00efve fun", "joy"]
    assert found.labels == ["neg", "pos", "pos"]
    assert TextModel.fit(*found, validation=0).labels == ("neg", "pos")
    some = text.load_folder(make({"so/1.txt": "-"}), class_names=["so", "neg"])
    assert some.labels == ["neg", "so"]


def test_other_encodings_are_named_by_the_user(make):
    folder = make(
        {"neg/1.txt": "bore", "pos/1.txt": "fun\nna\u00efve".encode("cp1252")}
    )
    with pytest.raises(
        ValueError, match=r"pos/1.txt, line 2: the byte 0xef at byte 6 is not utf-8"
    ):
        text.load_folder(folder)
    assert text.load_folder(folder, encoding="cp1252").texts[1] == "fun\nna\u00efve"
    assert text.load_folder(folder, errors="replace").texts[1] == "fun\nna\ufffdve"


def test_empty_texts_are_named(make):
    folder = make({"neg/1.txt": "bore", "neg/2.txt": "", "pos/1.txt": " \n"})
    with pytest.warns(
        UserWarning, match=r"2 of 3 texts are empty: neg/2.txt, pos/1.txt\."
    ):
        assert text.load_folder(folder).texts == ["bore", "", " \n"]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"pos/1.txt": "joy"}, "has one class only, 'pos': texts of two"),
        ({"1.txt": "joy"}, "has no folder: texts of two or more classes"),
        (
            {"pos/1.txt": "joy", "neg/1.md": "bore"},
            r"class 'neg' has no texts \*.txt in .*other files, such as 1.md: give suf",
        ),
        (
            {"train/neg/1.txt": "bore", "test/neg/1.txt": "bore"},
            r"class 'test' has no texts .* has the folders neg: give .*/test itself",
        ),
        (
            {"pos/1.txt": "joy", "neg/1.txt": b"a\0b"},
            r"neg/1.txt has a NUL character at 1: it is not a text",
        ),
        (
            {"pos/1.txt": "joy", "neg/1.txt": "a".encode("utf-16")},
            r"neg/1.txt begins with the byte order mark of utf-16: give enc",
        ),
    ],
)
def test_bad_folders_are_refused(make, files, message):
    with pytest.raises(ValueError, match=message):
        text.load_folder(make(files))


def test_a_class_with_an_empty_folder_is_refused(make):
    folder = make({"pos/1.txt": "joy"})
    (folder / "neg").mkdir()
    with pytest.raises(ValueError, match="'neg' has no texts .*the folder is empty"):
        text.load_folder(folder)


def test_bad_arguments_are_refused(make):
    folder = make({"pos/1.txt": "joy", "neg/1.txt": "bore"})
    with pytest.raises(FileNotFoundError, match="missing does not exist"):
        text.load_folder(folder / "missing")
    with pytest.raises(NotADirectoryError, match="1.txt is not a folder"):
        text.load_folder(folder / "pos/1.txt")
    with pytest.raises(FileNotFoundError, match="no folder 'so'; it has neg, pos"):
        text.load_folder(folder, class_names=["so", "pos"])
    with pytest.raises(ValueError, match="must be a list of names, got 'pos'"):
        text.load_folder(folder, class_names="pos")
    with pytest.raises(ValueError, match="errors must be one of"):
        text.load_folder(folder, errors="ignore")
    for encoding in ("klingon", "base64"):
        with pytest.raises(ValueError, match=f"Python has, .* got '{encoding}'"):
            text.load_folder(folder, encoding=encoding)


def test_a_split_leaves_a_text_of_each_label_for_training():
    labels = [["a"], ["b", "c"], ["a"], ["a", "b"], ["a"], ["a"]]
    data = text.LabelledTexts(list("uvwxyz"), labels)
    for seed in range(10):
        training, test = data.split(0.8, seed)
        assert {x for some in training.labels for x in some} == {"a", "b", "c"}
        assert sorted(training.texts + test.texts) == data.texts
        assert training.texts == sorted(training.texts) and test.texts


def test_a_split_draws_each_class_alike_and_keeps_the_order():
    texts = [f"t{i}" for i in range(100)]
    data = text.LabelledTexts(texts, ["a", "b", "b", "b"] * 25)
    first, second = data.split(0.2, seed=3)
    assert sorted([*first.texts, *second.texts]) == sorted(texts)
    assert second.labels.count("a") == 5 and second.labels.count("b") == 15
    assert second.texts == sorted(second.texts, key=lambda t: int(t[1:]))
    assert data.split(0.2, seed=3) == (first, second)
    assert data.split(0.2, seed=4)[1].texts != second.texts
    assert (
        dict(zip(*second, strict=True)).items() <= dict(zip(*data, strict=True)).items()
    )
    several = text.LabelledTexts(texts, [["a"], []] * 50).split(0.1)
    assert [len(part.texts) for part in several] == [90, 10]
    for share in (0, 1, 1.5, True):
        with pytest.raises(ValueError, match="above 0 and below 1, got"):
            data.split(share)
