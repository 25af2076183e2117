"""Experiment learning_curve, run as a command."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from experiments import learning_curve
from jaxembed import replicates, stats

OUT = Path("runs/learning_curve")
SMALL = ("--vectors", "ppmi", "--ppmi-dim", 6, "--num-words", 200, "--length", 10)
SMALL += ("--sizes", 80, 40, "--draws", 3, "--large", 40, "--draws-large", 2)
SMALL += ("--hidden", 4, "--epochs", 2, "--unfreeze-after", 1, "--batch-size", 20)
SMALL += ("--arms", "frozen", "learned")


def read_csv():
    """Return the rows of each arm and size."""
    with (OUT / "learning_curve.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {
        key: [row for row in rows if (row["arm"], row["size"]) == key]
        for key in dict.fromkeys((row["arm"], row["size"]) for row in rows)
    }


@pytest.mark.long
def test_files_crossings_and_pairs(run_main, reviews, monkeypatch):
    train_all, draws = replicates.run, []

    def note(*args, **settings):
        draws.append(settings["examples"])
        return train_all(*args, **settings)

    monkeypatch.setattr(replicates, "run", note)
    lines = run_main(learning_curve, "--data", reviews, *SMALL)
    assert [examples.shape for examples in draws] == [(3, 40)] * 2 + [(2, 80)] * 2
    np.testing.assert_array_equal(draws[0], draws[1])  # the same in both arms
    assert not np.array_equal(draws[0][:2], draws[2][:, :40])  # others for each size
    pictures = ["learning_curve.png", "learning_curve_final.png"]
    names = ["finished", "learning_curve.csv", *pictures, "metrics.json"]
    assert sorted(path.name for path in OUT.iterdir()) == names
    metrics = json.loads((OUT / "metrics.json").read_text())
    assert (metrics["sizes"], metrics["draws"]) == ([40, 80], [3, 2])
    table = read_csv()
    assert [len(rows) for rows in table.values()] == [3, 2, 3, 2]
    for name in ("val_accuracy_best", "val_accuracy_final", "accuracy_final"):
        values = {
            key: [float(row[name]) for row in rows] for key, rows in table.items()
        }
        for (arm, size), draws in values.items():
            found = metrics["arms"][arm][name][["40", "80"].index(size)]
            assert found == stats.mean_interval(draws)._asdict()
        if name in learning_curve.PICTURES:
            differences = [
                np.subtract(values["learned", size], values["frozen", size])
                for size in ("40", "80")
            ]
            crossing = stats.crossover([40, 80], differences)
            found = metrics["crossovers"][name]["learned over frozen"]
            assert found == crossing.to_dict()
            assert any(str(crossing) in line for line in lines)
    assert all(row["best_epoch"] in "12" for rows in table.values() for row in rows)
    starts = [line.split(":")[0].split() for line in lines if ", last " in line]
    assert starts == [
        [arm, n, "draws", "of", size, "reviews"]
        for n, size in (("3", "40"), ("2", "80"))
        for arm in ("frozen", "learned")
    ]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--sizes", 40, 321), "at most 320 reviews, since 80 of 400 .* got 321:"),
        (("--sizes", 0, 40), "error: --sizes must be one or more numbers of at least"),
        (("--draws-large", 0), "error: --draws and --draws-large must be at least 1"),
        (("--dim", 5), "error: --dim must be 6, the length of the vectors ppmi, got 5"),
    ],
    ids=str,
)
def test_bad_input_is_refused_before_training(
    run_main, reviews, monkeypatch, flags, message
):
    monkeypatch.setattr(replicates, "run", None)
    with pytest.raises(SystemExit, match=message):
        run_main(learning_curve, "--data", reviews, *SMALL, *flags)


def test_the_answer_is_told_in_words(capsys):
    found = [(1840.2, 1200.0, 2600.0), (None, 1200.0, None), (50.0, 50.0, 60.0)]
    for ends in found:
        crossing = stats.crossover([50, 20_000], [[-1], [1]])._replace(
            **dict(zip(("size", "low", "high"), ends, strict=True)), missing=0.0
        )
        told = {"val_accuracy_final": {"learned over frozen": crossing}}
        learning_curve.print_crossovers(told)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()[1::2]] == [
        "learned overtakes frozen at 1,840 (1,200 to 2,600) reviews",
        "learned does not overtake frozen up to 20,000 reviews "
        "(1,200 to beyond 20,000)",
        "learned is above frozen from 50 reviews on (at most 50 to 60)",
    ]


def test_sizes_double_up_to_all_reviews():
    sizes = learning_curve.list_sizes(learning_curve.Config(data="aclImdb"))
    assert (sizes[0], sizes[-1], len(sizes)) == (50, 20_000, 10)
    config = learning_curve.Config(data="aclImdb")
    assert [learning_curve.count_draws(config, n) for n in (6_400, 12_800)] == [10, 3]
