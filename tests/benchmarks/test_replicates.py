"""The benchmark of replicates: checked, then timed in turns."""

import json

import jax
import pytest

from benchmarks import replicates

SIZES = ["--draws", "3", "--n-validation", "60", "--epochs", "1", "--repeats", "1"]


@pytest.fixture
def _small(monkeypatch):
    for name, value in {"NUM_WORDS": 300, "LENGTH": 6, "N_TRAIN": 40}.items():
        monkeypatch.setattr(replicates, name, value)
    monkeypatch.setattr(replicates, "CLOSE", 0.5)


@pytest.mark.usefixtures("_small")
def test_lines(tmp_path, capsys):
    pytest.importorskip("keras")
    with jax.numpy_rank_promotion("allow"):  # Keras's layers need it
        replicates.main([*SIZES, "--cache", str(tmp_path)])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    found = [(line["what"], line["implementation"]) for line in lines]
    assert found == [
        (f"replicate, {arm}", name)
        for arm in ("frozen", "learned")
        for name in ("jaxembed", "keras")
    ]
    for line in lines:
        assert line["draws"] == 3 and line["validation"] == 60
        assert line["median_s"] > 0 and line["peak_gib"] > 0


@pytest.mark.usefixtures("_small")
def test_wrong_replicates_are_not_timed(tmp_path, monkeypatch):
    pytest.importorskip("keras")
    replicate = replicates.train.replicate

    def wrong(*arguments, **options):
        histories = replicate(*arguments, **options)
        histories.val_loss += 1e-3
        return histories

    monkeypatch.setattr(replicates.train, "replicate", wrong)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        replicates.main([*SIZES, "--cache", str(tmp_path)])
