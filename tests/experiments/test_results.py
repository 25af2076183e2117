"""Results: files replaced in one step, flat JSON, titles of plots."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest

from experiments import _cli, _results
from jaxembed import stats


def test_json_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    _results.write_json(path, {"a": 1})

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        _results.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_csv_has_a_header_and_plain_line_ends(tmp_path):
    path = tmp_path / "a.csv"
    _results.write_csv(path, ("arm", "loss"), [("frozen", 0.5), ("a,b", None)])
    assert path.read_bytes() == b'arm,loss\nfrozen,0.5\n"a,b",\n'
    assert list(tmp_path.iterdir()) == [path]


@dataclasses.dataclass(frozen=True)
class Inner:
    epochs: int = 10
    sizes: tuple[int, ...] = (1, 2)


@dataclasses.dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    out: Path = Path("runs/x")


def test_settings_are_flat_and_intervals_are_dicts():
    interval = stats.mean_interval([0.1, 0.2, 0.4])
    found = _results.as_json({"config": Outer(), "means": [interval]})
    assert found["config"] == {"epochs": 10, "sizes": [1, 2], "out": "runs/x"}
    assert found["means"] == [interval.to_dict()]
    assert json.loads(json.dumps(found)) == found


def test_a_title_says_model_data_and_seed():
    config = _cli.Options(data="data/aclImdb_v1.tar.gz", seed=3)
    title = _results.make_title("Learned vectors", config)
    assert title == "Learned vectors; aclImdb_v1.tar.gz; seed 3"
    title = _results.make_title("Learned vectors", _cli.Options(data="synthetic"))
    assert title == "Learned vectors; synthetic reviews; seed 0"


def test_the_environment_names_device_and_versions():
    environment = _results.environment()
    assert environment["device"].startswith(("cpu", "gpu", "tpu"))
    assert {"jaxembed", "jax", "flax", "optax", "numpy"} <= set(environment["versions"])


@pytest.mark.parametrize("copies", [[False, False, False], [True, False, False]])
def test_copies_are_counted_if_there_are_any(tmp_path, monkeypatch, capsys, copies):
    logits, labels = np.array([-1.0, 2.0, 3.0]), np.array([1, 1, 0])
    monkeypatch.setattr(_results.train, "predict", lambda *_, mesh: logits)
    test = np.zeros((3, 1), int), labels
    facts = _results.write_test(tmp_path, None, None, test, np.array(copies))
    assert facts["n_test_copies"] == sum(copies)
    assert facts["test_accuracy_without_copies"] == (1 / 2 if any(copies) else 1 / 3)
    words = "without 1 test reviews that are also training reviews: 0.5000"
    assert (words in capsys.readouterr().out) == any(copies)
