"""Experiment replicates, run as a command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from experiments import replicates
from jaxembed import plot, stats

OUT = Path("runs/replicates")
SMALL = ("--vectors", "ppmi", "--ppmi-dim", 6, "--num-words", 200, "--length", 10)
SMALL += ("--n-train", 40, "--draws", 4, "--hidden", 4, "--epochs", 2)
SMALL += ("--unfreeze-after", 1, "--n-parallel", 2)


def read_csv():
    """Return ``float[K, E]`` for each metric of each arm."""
    with (OUT / "replicates.csv").open() as file:
        rows = list(csv.DictReader(file))
    shape = -1, max(int(row["epoch"]) for row in rows)
    return {
        arm: {
            name: np.reshape(
                [float(row[name]) for row in rows if row["arm"] == arm], shape
            )
            for name in replicates.COLUMNS[1:]
        }
        for arm in dict.fromkeys(row["arm"] for row in rows)
    }


@pytest.mark.long
def test_an_interrupted_run_resumes_and_writes_its_files(
    run_main, reviews, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(plot, "replicates", lambda *_, **__: 1 / 0)
        with pytest.raises(SystemExit, match="error: division by zero"):
            flags = ("--arms", "learned", "--draws", 2)
            run_main(replicates, "--data", reviews, *SMALL, *flags)
    before = read_csv()["learned"]
    assert len(list((OUT / "unfinished").glob("learned-40-*.json"))) == 1
    lines = run_main(replicates, "--data", reviews, *SMALL)
    assert "learned, 40 reviews: draws finished: 2 of 4" in lines
    for name, values in read_csv()["learned"].items():
        np.testing.assert_array_equal(values[:2], before[name])
    check_files(lines)


def check_files(lines):
    """Check the files and the output of a run of all arms and 4 draws."""
    assert "160 reviews to validate on, 240 to draw from" in lines
    names = ("metrics.json", "replicates.csv", "replicates.png")
    files = [path.name for path in OUT.iterdir() if path.is_file()]
    assert lines[-1] == f"results in {OUT}: {', '.join(names)}"
    assert sorted(files) == list(names) and not (OUT / "unfinished").exists()
    metrics = json.loads((OUT / "metrics.json").read_text())
    table = read_csv()
    assert list(table) == list(metrics["arms"]) == ["frozen", "learned", "fine-tuned"]
    for arm, columns in table.items():
        np.testing.assert_array_equal(columns["draw"][:, 0], range(4))
        np.testing.assert_array_equal(columns["epoch"][0], [1, 2])
        best, last = columns["val_accuracy"].max(1), columns["val_accuracy"][:, -1]
        found = metrics["arms"][arm]
        assert found["val_accuracy_best"]["mean"] == stats.mean_interval(best)._asdict()
        assert found["val_accuracy_final"]["median"]["estimate"] == np.median(last)
        mean = columns["accuracy"][:, -1].mean()
        assert found["accuracy_final"]["mean"]["estimate"] == pytest.approx(mean)
        assert metrics["n_parallel"][arm] == 2
        assert {"compile", "run", "per_replicate"} == set(metrics["seconds"][arm])
        mean = found["val_accuracy_best"]["mean"]["estimate"]
        assert any(line.startswith(f"  {arm:<24}{mean:.3f} (") for line in lines)
    first, second = (table[arm]["val_accuracy"][:, -1] for arm in ("frozen", "learned"))
    difference = metrics["differences"]["frozen - learned"]["val_accuracy_final"]
    assert difference["mean"] == stats.paired_difference(first, second)._asdict()
    assert difference["share_better"] == (first > second).mean()
    # The same draws, heads and tables until one of the tables is trained.
    frozen, tuned = table["frozen"]["val_loss"], table["fine-tuned"]["val_loss"]
    np.testing.assert_allclose(frozen[:, 0], tuned[:, 0], rtol=1e-6)
    assert (frozen[:, 1] != tuned[:, 1]).all() and len(set(frozen[:, 0])) == 4


@pytest.mark.long
@pytest.mark.real_archive
def test_the_notebooks_comparison(run_main, real_archive):
    """Compare frozen with learned vectors on the same draws of 200 reviews."""
    glove = real_archive.parent / "glove.6B.100d.imdb.txt.gz"
    flags = ("--data", real_archive, "--vectors", glove, "--n-validation", 4_000)
    run_main(replicates, *flags, "--arms", "frozen", "learned", "--draws", 12)
    metrics = json.loads((OUT / "metrics.json").read_text())
    # Mean of 100 draws: 0.559 and 0.527, with a difference of 0.032.
    means = [
        metrics["arms"][arm]["val_accuracy_best"]["mean"]["estimate"]
        for arm in ("frozen", "learned")
    ]
    assert 0.545 < means[0] < 0.58 and 0.515 < means[1] < 0.54
    found = metrics["differences"]["frozen - learned"]["val_accuracy_best"]
    assert 0.01 < found["mean"]["low"] < 0.032 < found["mean"]["high"] + 0.01


def test_one_draw_has_no_interval(run_main, reviews):
    flags = ("--data", reviews, *SMALL, "--arms", "frozen", "--draws", 1)
    lines = run_main(replicates, *flags, "--n-parallel", 1)
    assert sum("(no interval: one draw)" in line for line in lines) == 3
    metrics = json.loads((OUT / "metrics.json").read_text())
    assert metrics["arms"]["frozen"]["val_accuracy_best"]["mean"]["low"] is None
    assert metrics["differences"] == {}


@pytest.mark.long
def test_more_draws_at_a_time_than_fit_into_memory_are_refused(run_main, reviews):
    flags = ("--data", reviews, *SMALL, "--n-parallel", 4, "--arms", "learned")
    flags += ("--hidden", 20_000, "--memory-gib", 0.1)
    with pytest.raises(
        SystemExit, match="error: 4 replicates .* n_parallel=[1-3] fits"
    ):
        run_main(replicates, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--dim", 5), "error: --dim must be 6, the length of the vectors ppmi, got 5"),
        (("--n-train", 241), "at most 240 reviews, since 160 of 400 .* got 241:"),
        (
            ("--n-validation", 400),
            "error: --n-validation must be from 1 to 399, .* 400",
        ),
        (("--draws", 0), "error: --draws must be at least 1, got 0"),
        (("--unfreeze-after", 2), "error: --unfreeze-after must be below --epochs 2"),
        (("--arms", "frozen", "frozen"), "error: --arms must name each arm once"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_training(
    run_main, reviews, monkeypatch, flags, message
):
    monkeypatch.setattr("jaxembed.replicates.run", None)
    with pytest.raises(SystemExit, match=message):
        run_main(replicates, "--data", reviews, *SMALL, *flags)


def test_the_synthetic_reviews_have_fewer_draws():
    assert replicates.count_draws(replicates.Config(data="synthetic")) == 64
    assert replicates.count_draws(replicates.Config(data="aclImdb")) == 100
