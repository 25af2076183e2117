"""Finished draws on disk: name of the file, and refusal of a bad file."""

import dataclasses

import pytest

from experiments import _draws, _resume, replicates
from tests.experiments.test_replicates import SMALL


def test_each_setting_of_a_draw_has_a_file_of_its_own():
    config = replicates.Config(data="synthetic")
    comparison = config.comparison

    def path(config):
        return _draws.journal_path(config, "frozen", 200)

    def change(**settings):
        return path(dataclasses.replace(config, **settings)).name

    same = path(config).name
    assert path(config).parent == config.out / "unfinished"
    fewer = dataclasses.replace(comparison, arms=("frozen",), memory_gib=1.0)
    assert change(draws=3, n_train=7, comparison=fewer) == same
    setup = dataclasses.replace(comparison.setup, epochs=3)
    vectors = dataclasses.replace(comparison.pretrained, ppmi_dim=3)
    others = [
        change(seed=1),
        change(data="tfds"),
        change(comparison=dataclasses.replace(comparison, n_validation=5)),
        change(comparison=dataclasses.replace(comparison, setup=setup)),
        change(comparison=dataclasses.replace(comparison, pretrained=vectors)),
    ]
    assert len({same, *others}) == 6
    assert _draws.journal_path(config, "learned", 200).name != same


@pytest.mark.parametrize("content", ["{", '{"draws": ["x"]}', '{"draws": 3}'])
def test_a_damaged_file_is_named_with_the_remedy(
    run_main, reviews, tmp_path, monkeypatch, capsys, content
):
    journal = tmp_path / "finished.json"
    journal.write_text(content)
    monkeypatch.setattr(_draws, "journal_path", lambda *_: journal)
    with pytest.raises(SystemExit, match=f"error: {journal} (cannot be read|has no)"):
        run_main(replicates, "--data", reviews, *SMALL, "--arms", "learned")
    assert f"resuming from {journal}; to train again" in capsys.readouterr().out
    assert journal.read_text() == content


@pytest.mark.long
def test_draws_of_other_data_are_not_resumed(run_main, reviews, tmp_path, monkeypatch):
    """Check the content: the name of the file depends on the settings only."""
    journal = tmp_path / "finished.json"
    monkeypatch.setattr(_draws, "journal_path", lambda *_: journal)
    monkeypatch.setattr(_draws, "finish", lambda *_: None)
    flags = (*SMALL, "--arms", "learned", "--draws", 2)
    run_main(replicates, "--data", reviews, *flags)
    before = journal.read_bytes()
    message = f"error: {journal} belongs to replicates that differ in draws"
    with pytest.raises(SystemExit, match=message):
        run_main(replicates, "--data", reviews, *flags, "--seed", 1)
    assert journal.read_bytes() == before


def test_finished_files_replace_finished_files_and_unfinished_files_stay(tmp_path):
    config = replicates.Config(data="synthetic", out=tmp_path)
    mine = _draws.journal_path(config, "frozen", 50)
    other = _draws.journal_path(dataclasses.replace(config, seed=1), "frozen", 50)
    mine.parent.mkdir()
    mine.touch()
    other.touch()
    _draws.finish(config, ["frozen", "learned"], [50, 100])
    assert list(mine.parent.iterdir()) == [other]
    finished = tmp_path / "finished"
    assert [path.name for path in finished.iterdir()] == [mine.name]
    _draws.finish(dataclasses.replace(config, seed=1), ["frozen"], [50])
    assert [path.name for path in finished.iterdir()] == [other.name]
    _resume.begin(other)
    assert other.exists() and not list(finished.iterdir())
