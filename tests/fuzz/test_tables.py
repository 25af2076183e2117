"""Tables of a user's texts, and folders of ids, under random damage."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jaxembed import text
from tests.fuzz._mutations import mutate

TEXTS = ["good, film", 'a "good" joy', "bad\nfilm", "a naïve bore"]
LABELS = list("pnpn")
PAIRS = list(zip(TEXTS, LABELS, strict=True))


def write_parquet(path):
    pq.write_table(pa.table({"text": TEXTS, "label": LABELS}), path)


def quote(cell):
    return '"' + cell.replace('"', '""') + '"'


WRITERS = {
    "a.csv": lambda path: path.write_text(
        "text,label\n" + "".join(f"{quote(t)},{x}\n" for t, x in PAIRS), "utf-8"
    ),
    "a.tsv": lambda path: path.write_text(
        "text\tlabel\n" + "".join(f"{quote(t)}\t{x}\n" for t, x in PAIRS), "utf-8"
    ),
    "a.jsonl": lambda path: path.write_text(
        "".join(json.dumps({"text": t, "label": x}) + "\n" for t, x in PAIRS), "utf-8"
    ),
    "a.txt": lambda path: path.write_text(
        "".join(f"__label__{x} {t.split()[0]}\n" for t, x in PAIRS), "utf-8"
    ),
    "a.parquet": write_parquet,
}


@pytest.mark.filterwarnings("ignore:.*texts are empty")  # which damage may make them
@pytest.mark.parametrize("name", WRITERS)
def test_a_damaged_table(name, rounds, tmp_path):
    """Damage may change a text, which has no checksum, and gives no other error."""
    path = tmp_path / name
    WRITERS[name](path)
    form = {"format": "fasttext"} if name == "a.txt" else {}
    assert text.load_table(path, **form).labels == LABELS
    whole = path.read_bytes()
    for rng in rounds(seed=80):
        path.write_bytes(mutate(whole, rng))
        with rounds.refusals(ValueError, OSError):
            found = text.load_table(path, **form)
            assert len(found.texts) == len(found.labels) > 0
            assert all(isinstance(content, str) for content in found.texts)


@pytest.mark.parametrize("name", ["values.int32", "offsets.int64", "meta.json"])
def test_a_damaged_folder_of_ids(name, rounds, tmp_path):
    """Damage may change an id, which has no checksum, but not its number of bits."""
    tokenizer = text.Tokenizer().fit(TEXTS)
    text.write_ids(TEXTS, tokenizer, tmp_path / "ids", processes=0)
    right, path = text.open_ids(tmp_path / "ids").tolist(), tmp_path / "ids" / name
    assert right == tokenizer.encode(TEXTS).tolist()
    whole = path.read_bytes()
    for rng in rounds(seed=81):
        path.write_bytes(mutate(whole, rng))
        with rounds.refusals(ValueError, OSError):
            ids = text.open_ids(tmp_path / "ids")
            assert ids.values.dtype == np.int32 and ids.offsets[-1] == ids.values.size
            assert sum(map(len, ids)) == ids.values.size
