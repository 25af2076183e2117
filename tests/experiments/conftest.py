"""A small archive of synthetic reviews, and experiments run in this process."""

import sys

import pytest

from jaxembed import text


@pytest.fixture
def reviews(make_archive):
    """Enough reviews to train on for a second."""
    parts = text.synthetic_reviews(3, n_train=400, n_test=100, n_unlabelled=0)
    return make_archive(
        {
            f"{split}/{label}/{number}.txt": review
            for (split, label), texts in parts.items()
            for number, review in enumerate(texts)
        }
    )


@pytest.fixture
def run_main(monkeypatch, tmp_path, capsys):
    """Runs an experiment in ``tmp_path`` as its command line does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JAXEMBED_DATA", raising=False)

    def run(module, *flags):
        from experiments import _run

        monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, flags)])
        monkeypatch.setitem(sys.modules, "__main__", module)
        _run.main(module.Config, module.run)
        return capsys.readouterr().out.splitlines()

    return run
