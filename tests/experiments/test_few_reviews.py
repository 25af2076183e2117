"""Experiment few_reviews, run as a command."""

import json
from pathlib import Path

import numpy as np
import pytest

from experiments import few_reviews, imdb_learned
from jaxembed import nn, text, train, vectors
from tests.experiments.test_imdb_learned import KEYS

SMALL = ("--n-train", 60, "--num-words", 500, "--epochs", 3, "--length", 30)


def read(table):
    return json.loads(Path(f"runs/few_reviews/{table}/metrics.json").read_text())


def rows_of(table):
    state, _ = train.restore(f"runs/few_reviews/{table}/checkpoint")
    return state.variables["params"]["embed"]["embedding"]


@pytest.mark.long
def test_a_frozen_table(run_main, reviews, glove):
    lines = run_main(few_reviews, "--data", reviews, "--vectors", glove, *SMALL)
    sources = f"reviews {reviews}, vectors {glove}, table glove, seed 0"
    assert lines[0] == f"few_reviews: {sources}"
    assert lines[1] == "validating on all 340 other reviews"
    assert lines[2].startswith("250 of 499 words have a vector, ")
    metrics = read("glove")
    assert set(metrics) == KEYS | {"vectors"}
    assert metrics["config"]["table"] == "glove" and metrics["config"]["epochs"] == 3
    n_head = 30 * 12 * 32 + 32 + 32 + 1
    counts = {"total": 6_000 + n_head, "trainable": n_head, "frozen": 6_000}
    assert metrics["n_params"] == counts
    facts = metrics["vectors"]
    assert facts["source"] == glove.name and facts["n_words_found"] == 250
    assert 0 < facts["n_tokens_found"] < facts["n_tokens"]
    state, extra = train.restore("runs/few_reviews/glove/checkpoint")
    tokenizer = text.Tokenizer.from_json(extra["tokenizer"])
    expected, _ = vectors.embedding_matrix(
        tokenizer.word_index, vectors.load(glove), 500
    )
    np.testing.assert_array_equal(rows_of("glove"), expected)
    assert state.frozen and "embed" not in state.params


@pytest.mark.long
def test_the_test_accuracy_is_that_of_the_weights_on_disk(run_main, reviews, glove):
    run_main(few_reviews, "--data", reviews, "--vectors", glove, *SMALL)
    state, extra = train.restore("runs/few_reviews/glove/checkpoint")
    corpus = text.load_imdb(reviews)
    ids = text.Tokenizer.from_json(extra["tokenizer"]).encode(corpus.test_texts)
    embed = nn.Embed(500, 12, frozen=True)
    model = nn.TextClassifier(embed, nn.DenseHead((32,)))
    metrics = train.evaluate(
        model, state.variables, text.pad_sequences(ids, 30), corpus.test_labels
    )
    assert metrics["accuracy"] == read("glove")["test_accuracy"]


@pytest.mark.long
def test_the_arms_differ_in_their_table_alone(run_main, reviews, glove):
    """Compare losses of equal tables, and heads that are not trained."""
    flags = ("--data", reviews, *SMALL)
    run_main(few_reviews, "--vectors", glove, *flags)
    tuning = ("--table", "fine-tuned", "--unfreeze-after", 2)
    run_main(few_reviews, "--vectors", glove, *tuning, *flags)
    learning = ("--table", "learned", "--dim", 12)
    lines = run_main(few_reviews, *learning, *flags)
    assert lines[0] == f"few_reviews: reviews {reviews}, learned vectors, seed 0"
    frozen, tuned, scratch = map(read, ("glove", "fine-tuned", "learned"))
    assert frozen["history"]["loss"][:2] == tuned["history"]["loss"][:2]
    assert frozen["history"]["val_loss"][2] != tuned["history"]["val_loss"][2]
    assert scratch["n_params"]["trainable"] == frozen["n_params"]["total"]
    assert set(scratch) == KEYS
    before, after = rows_of("glove"), rows_of("fine-tuned")
    assert 0 < (before != after).any(axis=1).sum() < 500
    # At a learning rate of 0, heads keep their initial weights.
    for more in (("--vectors", glove), learning):
        run_main(few_reviews, *more, *flags, "--learning-rate", 0)
    heads = [
        train.restore(f"runs/few_reviews/{table}/checkpoint")[0].params["head"]
        for table in ("glove", "learned")
    ]
    heads = [head["logits"]["kernel"] for head in heads]
    np.testing.assert_array_equal(*heads)


def test_a_table_that_would_never_be_trained_is_refused(run_main, reviews, glove):
    flags = ("--data", reviews, "--vectors", glove, *SMALL)
    with pytest.raises(SystemExit, match="error: --unfreeze-after must be below --ep"):
        run_main(few_reviews, *flags, "--table", "fine-tuned")
    run_main(few_reviews, *flags)
    assert read("glove")["n_params"]["frozen"] == 6_000


def test_vectors_for_a_table_that_reads_none_are_refused(run_main, reviews, glove):
    flags = ("--data", reviews, "--vectors", glove, *SMALL, "--table", "learned")
    with pytest.raises(SystemExit, match="error: --table learned reads no vectors"):
        run_main(few_reviews, *flags)


def test_the_folder_is_of_the_table_unless_the_flag_says_otherwise(tmp_path):
    def find(**settings):
        config = few_reviews.Config(data="synthetic", table="fine-tuned", **settings)
        return few_reviews.resolve(config).out

    assert find() == Path("runs/few_reviews/fine-tuned")
    assert find(out=tmp_path / "TABLE" / "a") == tmp_path / "fine-tuned" / "a"
    assert find(out=tmp_path / "TABLES") == tmp_path / "TABLES"


def test_missing_words_may_be_drawn(run_main, reviews, glove):
    flags = ("--data", reviews, "--vectors", glove, *SMALL)
    run_main(few_reviews, *flags, "--missing", "normal")
    table = rows_of("glove")
    assert not table[0].any() and table[1:].any(axis=1).all()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (
            ("--vectors", "none.txt"),
            "error: --vectors none.txt does not exist: give a file of",
        ),
        (
            ("--n-train", "400"),
            "error: --n-train must be from 1 to 399, .* got 400 and",
        ),
        (("--n-validation", "0"), "and --n-validation at least 1, got 200 and 0"),
        (("--n-train", "20"), "error: batch_size must be from 1 to the number of ex"),
        (("--epochs", "0"), "error: --epochs must be at least 1, got 0"),
        (
            ("--dim", "5"),
            "--dim must be 12, the length of the vectors .*, got 5: leave out",
        ),
    ],
    ids=str,
)
def test_bad_input_ends_with_one_line(run_main, reviews, glove, flags, message):
    if "--vectors" not in flags:
        flags = ("--vectors", glove, *flags)
    with pytest.raises(SystemExit, match=message):
        run_main(few_reviews, "--data", reviews, *SMALL[2:], *flags)


@pytest.mark.long
def test_the_synthetic_corpus_shows_what_vectors_are_good_for(run_main):
    flags = ("--data", "synthetic", "--seed", 3)
    run_main(few_reviews, *flags)
    run_main(few_reviews, *flags, "--table", "learned")
    frozen, scratch = read("glove"), read("learned")
    assert frozen["test_accuracy"] > scratch["test_accuracy"] + 0.05
    assert frozen["n_params"]["frozen"] == 1_000_000


@pytest.mark.long
@pytest.mark.real_archive
def test_the_notebooks_comparison(run_main, real_archive):
    """One draw of 200 reviews; test_replicates.py has more of them."""
    glove = real_archive.parent / "glove.6B.100d.imdb.txt.gz"
    flags = ("--data", real_archive, "--n-validation", 4_000)
    run_main(few_reviews, *flags, "--vectors", glove)
    run_main(few_reviews, *flags, "--table", "learned")
    counts = {"total": 1_320_065, "trainable": 320_065, "frozen": 1_000_000}
    frozen, scratch = read("glove"), read("learned")
    assert frozen["n_params"] == counts
    # Mean of 40 draws: 0.564 and 0.527, with standard deviations 0.012 and 0.008.
    assert 0.52 < frozen["val_accuracy_best"] < 0.61
    assert 0.50 < scratch["val_accuracy_best"] < 0.555


def test_a_learned_table_says_where_its_ids_start(run_main, reviews):
    run_main(imdb_learned, "--data", reviews, "--epochs", 1, "--num-words", 500)
    assert train.restore("runs/imdb_learned/checkpoint")[1]["index_from"] == 3
