"""The experiments on few reviews, as their users run them."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import imdb_finetune, imdb_glove, imdb_learned, imdb_scratch
from jaxembed import nn, text, train, vectors
from tests.experiments.test_imdb_learned import KEYS

SMALL = ("--n-train", 60, "--num-words", 500, "--epochs", 3, "--length", 30)


@pytest.fixture
def glove(tmp_path, reviews):
    """Vectors of some of the words, as a file of GloVe's."""
    corpus = text.load_imdb(reviews)
    words = list(text.Tokenizer().fit(corpus.train_texts).word_index)[:600:2]
    matrix = np.random.default_rng(0).normal(0, 0.4, (len(words), 12))
    made = vectors.WordVectors(words, matrix.astype(np.float32))
    return vectors.save(made, tmp_path / "glove.6B.100d.txt.gz")


def read(name):
    return json.loads(Path(f"runs/{name}/metrics.json").read_text())


def table_of(name):
    tree, _ = train.restore(f"runs/{name}/checkpoint")
    kept = tree["params"] | tree.get("frozen", {})
    return np.asarray(kept["embed"]["embedding"])


def test_a_frozen_table(run_main, reviews, glove):
    lines = run_main(imdb_glove, "--data", reviews, "--vectors", glove, *SMALL)
    assert lines[0] == f"imdb_glove on {reviews}, vectors {glove}"
    assert lines[1].startswith("validation on the 340 other reviews")
    assert lines[2].startswith("250 of 499 words have a vector, ")
    metrics = read("imdb_glove")
    assert set(metrics) == KEYS | {"vectors"}
    n_head = 30 * 12 * 32 + 32 + 32 + 1
    counts = {"total": 6_000 + n_head, "trainable": n_head, "frozen": 6_000}
    assert metrics["n_params"] == counts
    facts = metrics["vectors"]
    assert facts["source"] == glove.name and facts["n_words_found"] == 250
    assert 0 < facts["n_tokens_found"] < facts["n_tokens"]
    tree, extra = train.restore("runs/imdb_glove/checkpoint")
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    expected, _ = vectors.embedding_matrix(
        tokenizer.word_index, vectors.load(glove), 500
    )
    np.testing.assert_array_equal(table_of("imdb_glove"), expected)
    assert tree["frozen"] and "embed" not in tree["params"]


def test_the_test_accuracy_is_that_of_the_weights_on_disk(run_main, reviews, glove):
    run_main(imdb_glove, "--data", reviews, "--vectors", glove, *SMALL)
    tree, extra = train.restore("runs/imdb_glove/checkpoint")
    corpus = text.load_imdb(reviews)
    ids = text.Tokenizer.from_json(extra["tokenizer"]).encode(corpus.test_texts)
    embed = nn.Embed(500, 12, frozen=True)
    model = nn.TextClassifier(embed, nn.FlattenDense((32,)))
    params = {"params": tree["params"] | tree["frozen"]}
    metrics = train.evaluate(
        model, params, text.pad_sequences(ids, 30), corpus.test_labels
    )
    assert metrics["accuracy"] == read("imdb_glove")["test_accuracy"]


def test_the_arms_differ_in_their_table_alone(run_main, reviews, glove):
    """The same reviews, the same head to start with."""
    flags = ("--data", reviews, *SMALL)
    run_main(imdb_glove, "--vectors", glove, *flags)
    run_main(imdb_finetune, "--vectors", glove, "--unfreeze-after", 2, *flags)
    run_main(imdb_scratch, "--dim", 12, *flags)
    frozen, tuned, scratch = map(read, ("imdb_glove", "imdb_finetune", "imdb_scratch"))
    assert frozen["history"]["loss"][:2] == tuned["history"]["loss"][:2]
    assert frozen["history"]["val_loss"][2] != tuned["history"]["val_loss"][2]
    assert scratch["n_params"]["trainable"] == frozen["n_params"]["total"]
    assert set(scratch) == KEYS
    before, after = table_of("imdb_glove"), table_of("imdb_finetune")
    assert 0 < (before != after).any(axis=1).sum() < 500
    # At a rate of zero, heads stay as they start.
    for module, *more in (
        (imdb_glove, "--vectors", glove),
        (imdb_scratch, "--dim", 12),
    ):
        run_main(module, *more, *flags, "--learning-rate", 0)
    heads = [
        train.restore(f"runs/{name}/checkpoint")[0]["params"]["head"]["logits"][
            "kernel"
        ]
        for name in ("imdb_glove", "imdb_scratch")
    ]
    np.testing.assert_array_equal(*heads)


def test_a_table_that_would_never_be_trained_is_refused(run_main, reviews, glove):
    flags = ("--data", reviews, "--vectors", glove, *SMALL)
    with pytest.raises(SystemExit, match="error: --unfreeze-after must be below --ep"):
        run_main(imdb_finetune, *flags)
    run_main(imdb_finetune, *flags, "--frozen")
    assert read("imdb_finetune")["n_params"]["frozen"] == 6_000


def test_missing_words_may_be_drawn(run_main, reviews, glove):
    flags = ("--data", reviews, "--vectors", glove, *SMALL)
    run_main(imdb_glove, *flags, "--missing", "normal")
    table = table_of("imdb_glove")
    assert not table[0].any() and table[1:].any(axis=1).all()


def test_vectors_are_made_from_the_reviews_once(run_main, reviews, monkeypatch):
    flags = ("--data", reviews, "--vectors", "ppmi", "--ppmi-dim", 10, *SMALL)
    lines = run_main(imdb_glove, *flags)
    assert lines[0].endswith("vectors ppmi (made from the reviews)")
    first = read("imdb_glove")
    (made,) = Path("runs/cache").glob("ppmi-10-*.safetensors")
    monkeypatch.setattr(vectors, "ppmi", None)  # nothing is made anew
    run_main(imdb_glove, *flags)
    assert read("imdb_glove")["history"] == first["history"]
    monkeypatch.undo()


def test_a_damaged_cache_is_made_again(run_main, reviews):
    flags = ("--data", reviews, "--vectors", "ppmi", "--ppmi-dim", 10, *SMALL)
    run_main(imdb_glove, *flags)
    first = read("imdb_glove")
    (made,) = Path("runs/cache").glob("ppmi-10-*.safetensors")
    made.write_bytes(made.read_bytes()[:-9])
    run_main(imdb_glove, *flags)
    assert read("imdb_glove")["history"] == first["history"]


def test_vectors_are_what_the_flag_says_else_the_environment(
    run_main, reviews, glove, monkeypatch
):
    from experiments import _vectors

    assert _vectors.choose_vectors("", "embedded") == "ppmi"
    assert _vectors.choose_vectors("mine", "embedded") == "mine"
    with pytest.raises(SystemExit, match="--vectors ppmi to make some from the"):
        run_main(imdb_glove, "--data", reviews, *SMALL)
    monkeypatch.setenv("JAXEMBED_DATA", str(glove.parent))
    assert _vectors.choose_vectors("", str(reviews)) == str(glove)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--vectors", "none.txt"), "error: there is no none.txt: give the path of a"),
        (("--n-train", "400"), "error: --n-train and --n-validation must be at least"),
        (("--n-validation", "0"), "leave some of the 400 reviews for each other"),
        (("--n-train", "20"), "error: batch_size must be from 1 to the number of ex"),
    ],
    ids=str,
)
def test_bad_input_ends_with_one_line(run_main, reviews, glove, flags, message):
    if "--vectors" not in flags:
        flags = ("--vectors", glove, *flags)
    with pytest.raises(SystemExit, match=message):
        run_main(imdb_glove, "--data", reviews, *SMALL[2:], *flags)


def test_the_embedded_corpus_shows_what_vectors_are_good_for(run_main):
    flags = ("--data", "embedded", "--seed", 3)
    run_main(imdb_glove, *flags)
    run_main(imdb_scratch, *flags)
    frozen, scratch = read("imdb_glove"), read("imdb_scratch")
    assert frozen["test_accuracy"] > scratch["test_accuracy"] + 0.05
    assert frozen["n_params"]["frozen"] == 1_000_000


@pytest.mark.real_data
def test_the_notebooks_comparison(run_main, real_reviews):
    """One draw of 200 reviews; test_replicates.py has more of them."""
    glove = real_reviews.parent / "glove.6B.100d.imdb.txt.gz"
    flags = ("--data", real_reviews, "--n-validation", 4_000)
    run_main(imdb_glove, *flags, "--vectors", glove)
    run_main(imdb_scratch, *flags)
    counts = {"total": 1_320_065, "trainable": 320_065, "frozen": 1_000_000}
    frozen, scratch = read("imdb_glove"), read("imdb_scratch")
    assert frozen["n_params"] == counts
    # Of 40 draws: 0.564 and 0.527, with standard deviations of 0.012 and 0.008.
    assert 0.52 < frozen["val_accuracy_best"] < 0.61
    assert 0.50 < scratch["val_accuracy_best"] < 0.555


def test_a_learned_table_says_where_its_ids_start(run_main, reviews):
    run_main(imdb_learned, "--data", reviews, "--epochs", 1, "--num-words", 500)
    assert train.restore("runs/imdb_learned/checkpoint")[1]["index_from"] == 3
