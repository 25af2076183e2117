"""write_ids: the ids of the tokenizer, from processes and files; Batches of them."""

import json
import os

import numpy as np
import pytest

from jaxembed import text
from jaxembed.text.files import _ids, _worker

RNG = np.random.default_rng(0)
TEXTS = [
    " ".join(f"w{n}" for n in RNG.zipf(1.5, k) % 500) + "! \u00e9t\u00e9 \ud800"
    for k in RNG.integers(0, 30, 300)
] + ["", "...", "new\u0085word"]


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(_ids, "LETTERS", 900)
    monkeypatch.setattr(_ids, "BLOCK", 37)


@pytest.mark.parametrize("processes", [0, 1, 3])
@pytest.mark.parametrize(
    "settings", [{}, {"num_words": 20}, {"num_words": 20, "oov_token": "?"}], ids=len
)
def test_ids_equal_those_of_the_tokenizer(tmp_path, processes, settings):
    expected = text.Tokenizer(**settings).fit(TEXTS)
    tokenizer = text.Tokenizer(**settings)
    how = {"processes": processes, "overwrite": True}
    for _ in range(2):  # not fitted, and fitted
        found = text.write_ids(iter(TEXTS), tokenizer, tmp_path / "ids", **how)
        assert tokenizer.to_json() == expected.to_json()
        assert found == expected.encode(TEXTS)
    some = text.write_ids(["w1 nobody w2"], tokenizer, tmp_path / "more", **how)
    assert some == expected.encode(["w1 nobody w2"])
    assert isinstance(found.values.base, np.memmap) or isinstance(
        found.values, np.memmap
    )
    assert sorted(os.listdir(tmp_path)) == ["ids", "more"]


def test_options_of_the_tokenizer_reach_the_processes(tmp_path):
    settings = {"lower": False, "filters": "x", "unicode_punctuation": True}
    tokenizer = text.Tokenizer(normalize="NFC", **settings)
    texts = ["AxB caf\u00e9\u2026 cafe\u0301"]
    expected = text.Tokenizer(normalize="NFC", **settings).fit(texts)
    found = text.write_ids(texts, tokenizer, tmp_path / "ids", processes=2)
    assert found == expected.encode(texts) and tokenizer.word_index["caf\u00e9"] == 1


@pytest.mark.parametrize("processes", [0, 2])
def test_bad_texts_are_named_and_leave_nothing(tmp_path, processes):
    how = {"processes": processes}
    with pytest.raises(TypeError, match="texts must be str, got int at index 303"):
        text.write_ids([*TEXTS, 5], text.Tokenizer(), tmp_path / "ids", **how)
    with pytest.raises(ValueError, match="must contain words to fit on"):
        text.write_ids(["", "!"], text.Tokenizer(), tmp_path / "ids", **how)
    with pytest.raises(TypeError, match="iterable of texts, got one str"):
        text.write_ids("a text", text.Tokenizer(), tmp_path / "ids", **how)
    with pytest.raises(ValueError, match="processes must be at least 0, got -1"):
        text.write_ids(TEXTS, text.Tokenizer(), tmp_path / "ids", processes=-1)
    assert os.listdir(tmp_path) == []


def test_a_process_that_ends_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(_worker, "PROGRAM", "raise SystemExit(3)")
    with pytest.raises((ChildProcessError, BrokenPipeError)):
        text.write_ids(TEXTS, text.Tokenizer(), tmp_path / "ids", processes=2)
    assert os.listdir(tmp_path) == []


def test_files_are_checked(tmp_path):
    tokenizer = text.Tokenizer().fit(["a b"])
    folder = tmp_path / "ids"
    assert text.write_ids([], tokenizer, folder, processes=0).tolist() == []
    with pytest.raises(FileExistsError, match="already contains ids: .*overwrite=True"):
        text.write_ids(["a"], tokenizer, folder, processes=0)
    text.write_ids(["a b", "b"], tokenizer, folder, processes=0, overwrite=True)
    assert text.open_ids(folder).tolist() == [[1, 2], [2]]
    values = folder / "values.int32"
    values.write_bytes(values.read_bytes()[:-1])
    with pytest.raises(ValueError, match="values.int32 has 11 bytes, and had 12 when"):
        text.open_ids(folder)
    values.unlink()
    with pytest.raises(FileNotFoundError, match="incomplete: values.int32 is missing"):
        text.open_ids(folder)
    meta = json.loads((folder / "meta.json").read_text())
    for changed, message in (
        ({"version": 2}, "has ids of version 2, and this jaxembed reads version 1"),
        ({"n_ids": -1}, "is damaged, or not of text.write_ids"),
        ({"format": "else"}, "is damaged, or not of text.write_ids"),
    ):
        (folder / "meta.json").write_text(json.dumps(meta | changed))
        with pytest.raises(ValueError, match=message):
            text.open_ids(folder)
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="contains other files than ids"):
        text.write_ids(["a"], tokenizer, folder, processes=0, overwrite=True)
    with pytest.raises(FileNotFoundError, match="does not contain ids"):
        text.open_ids(tmp_path)


def test_batches_have_each_text_once_in_an_order_of_the_epoch():
    ids = text.Ragged.from_lists([[i, i + 1, i + 2][: i % 4] for i in range(50)])
    batches = text.Batches(ids, np.arange(50), batch_size=8, maxlen=2, seed=1)
    assert len(batches) == 7
    orders = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        found = list(batches)
        assert [len(labels) for _, labels in found] == [8] * 6 + [2]
        order = np.concatenate([labels for _, labels in found])
        rows = np.concatenate([rows for rows, _ in found])
        expected = [([i, i + 1][: i % 4] + [0, 0])[:2] for i in order.tolist()]
        assert rows.tolist() == expected
        orders.append(order.tolist())
    assert sorted(orders[0]) == list(range(50))
    assert orders[0] == orders[2] != orders[1]


def test_an_iterator_goes_to_a_place():
    ids = text.Ragged.from_lists([[i] for i in range(20)])
    batches = text.Batches(ids, range(20), batch_size=3, maxlen=1)
    batches.set_epoch(4)
    first = iter(batches)
    for _ in range(2):
        next(first)
    state = json.loads(json.dumps(first.get_state()))
    again = iter(text.Batches(ids, range(20), batch_size=3, maxlen=1))
    again.set_state(state)
    for (_, ours), (_, theirs) in zip(again, first, strict=True):
        assert ours.tolist() == theirs.tolist()


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_parts_of_all_processes_are_the_batch(tmp_path, n):
    tokenizer = text.Tokenizer()
    text.write_ids(TEXTS, tokenizer, tmp_path / "ids", processes=0)
    settings = {"batch_size": 8, "maxlen": 5, "seed": 3}
    labels = np.arange(len(TEXTS))
    hosts = []
    for i in range(n):
        ids = text.open_ids(tmp_path / "ids")  # each process maps the file itself
        hosts.append(text.Batches(ids, labels, part=(i, n), **settings))
    whole = text.Batches(ids, labels, **settings)
    for epoch in (0, 1):
        for batches in [*hosts, whole]:
            batches.set_epoch(epoch)
        for batch, *parts in zip(whole, *hosts, strict=True):
            joined = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
            assert {len(part.ids) for part in parts} == {8 // n}
            n_real = joined[2].sum()
            assert n_real == len(batch[0]) and joined[2][:n_real].all()
            for ours, theirs in zip(joined[:2], batch, strict=True):
                np.testing.assert_array_equal(ours[:n_real], theirs)
                # Padding is the last text, so that it reads no other rows of a table.
                np.testing.assert_array_equal(ours[n_real:], ours[[-1] * (8 - n_real)])
    assert n_real == len(TEXTS) % 8 != 0


def test_a_part_reads_only_its_texts(monkeypatch):
    ids = text.Ragged.from_lists([[i] for i in range(20)])
    seen = []
    take = text.Ragged.take
    monkeypatch.setattr(
        text.Ragged, "take", lambda self, p: seen.extend(p) or take(self, p)
    )
    settings = {"batch_size": 4, "maxlen": 1, "shuffle": False, "part": (1, 2)}
    assert len(list(text.Batches(ids, range(20), **settings))) == 5
    assert seen == [2, 3, 6, 7, 10, 11, 14, 15, 18, 19]


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"part": (0, 2)}, ValueError, "multiple of the 2 processes, got 1: give 2"),
        ({"part": (1, 1)}, ValueError, r"i below n, got \(1, 1\)"),
        ({"part": 3}, TypeError, r"part must be a pair \(i, n\), got 3"),
        ({"part": (-1, 2)}, ValueError, r"part\[0\] must be at least 0, got -1"),
        ({"ids": [[1]]}, TypeError, "ids must be a Ragged, got list"),
        ({"labels": [1]}, ValueError, r"labels of the shape \[1\] and 2 texts"),
        ({"batch_size": 0}, ValueError, "batch_size must be at least 1, got 0"),
        ({"maxlen": 0}, ValueError, "maxlen must be at least 1, got 0"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
    ],
)
def test_bad_arguments_of_batches(changed, error, message):
    settings = {"ids": text.Ragged.from_lists([[1], [2]]), "labels": [0, 1]}
    settings |= {"batch_size": 1, "maxlen": 1} | changed
    with pytest.raises(error, match=message):
        text.Batches(**settings)
