"""Benchmark of saves: equal weights are required, and both kinds are reported."""

import dataclasses

import jax
import pytest

from benchmarks import checkpoint
from jaxembed import train

SMALL = ["--texts", "64", "--epochs", "3", "--turns", "2", "--batch-sizes", "8"]


@pytest.mark.long
def test_both_measurements_are_reported(read_lines):
    checkpoint.main(["--workload", "900x4x5", "300x2x101", *SMALL])
    lines = read_lines()
    assert [line["workload"] for line in lines] == ["900x4x5"] * 4 + ["300x2x101"] * 4
    for without, saving in zip(lines[::2], lines[1::2], strict=True):
        assert without["implementation"] == "jaxembed" and without["ratio"] == 1
        assert saving["implementation"] == "jaxembed, checkpoint="
        assert saving["ratio"] == pytest.approx(
            saving["median_s"] / without["median_s"], rel=0.01
        )
        assert (saving["repeats"], saving["epochs"], saving["texts"]) == (2, 3, 64)
    assert lines[3]["median_s"] >= lines[1]["median_s"]  # with the end of fit


def test_other_weights_stop_it(monkeypatch):
    restore = train.restore

    def change(path):
        saved, extra = restore(path)
        state = saved["state"]
        tables = jax.tree.map(lambda table: table + 1, state.tables)
        return {"state": dataclasses.replace(state, tables=tables)}, extra

    monkeypatch.setattr(train, "restore", change)
    with pytest.raises(SystemExit, match="checkpoint= is wrong"):
        checkpoint.main(["--workload", "900x4x5", *SMALL])


def test_one_epoch_is_refused(capsys):
    with pytest.raises(SystemExit):
        checkpoint.main(["--epochs", "1"])
    assert "--epochs must be at least 2" in capsys.readouterr().err
