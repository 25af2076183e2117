"""README and guide: blocks give the results they show; files and commands exist."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
DOCUMENTS = (
    README,
    *(ROOT / "docs" / f"{name}.md" for name in ("guide", "results", "reliability")),
)
MAX_WORDS = 900  # of the README
Names = dict[str, Any]


def read_blocks(path: Path) -> dict[str, str]:
    """Return the Python of a document by the heading above it."""
    sections = re.split(r"^## ", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
    blocks = {}
    for section in sections:
        found = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
        assert len(found) <= 1, f"two blocks below one heading: {section[:40]}"
        if found:
            blocks[section.partition("\n")[0]] = found[0]
    return blocks


BLOCKS = {k: v for path in DOCUMENTS for k, v in read_blocks(path).items()}


def check_five_lines(names: Names, out: str) -> None:
    assert len(BLOCKS["Five lines"].strip().splitlines()) == 5
    assert out == "['pos' 'neg']\n"


def check_first_model(names: Names, out: str) -> None:
    assert names["history"].val_accuracy[-1] > 0.75
    assert "80,161" in out  # parameters


def check_ids(names: Names, out: str) -> None:
    words = {"a": 1, "good": 2, "film": 3, "joy": 4, "bore": 5}
    assert names["tokenizer"].word_index == words
    lists = ["[[1, 2]]", "[[0, 0, 1, 2]]", "[[1, 2, 5]]", "[[1, 4, 5, 2]]"]
    assert out.splitlines()[1:] == lists


def check_tables(names: Names, out: str) -> None:
    assert out == "1.0 [5]\n"
    assert len(names["test"].texts) == 20


def check_classes(names: Names, out: str) -> None:
    assert "['praise' 'blame' 'weather']" in out
    assert names["history"].accuracy[-1] == 1


def check_several(names: Names, out: str) -> None:
    assert out.startswith("[['plot'], ['cast', 'plot']]\n")
    best, worst = names["model"].predict(["fun cast", "dull plot"])
    assert best > 4.5 and worst < 1.5


def check_vectors_from_elsewhere(names: Names, out: str) -> None:
    table = names["state"].variables["params"]["embed"]["embedding"]
    np.testing.assert_array_equal(table, names["table"])
    assert float(re.findall(r"'accuracy': ([\d.]+)", out)[0]) > 0.6
    assert names["coverage"].n_words_found > 1_900


def check_stopping(names: Names, out: str) -> None:
    history = names["history"]
    best = history.best_epoch("val_loss")
    assert len(history) == best + 3 < 30
    assert history.val_accuracy[best] > 0.75
    assert out == f"{len(history)} epochs, the best is {best + 1}\n"


def check_freezing(names: Names, out: str) -> None:
    assert out.split() == ["100", "60", "1", "100", "0"]


def check_own_data(names: Names, out: str) -> None:
    lines = [line.split() for line in out.splitlines()]
    assert [line[0] for line in lines] == ["learned", "row-sparse", "frozen"]
    learned, sparse, frozen = (float(line[1]) for line in lines)
    assert min(learned, sparse, frozen) > 0.65
    assert abs(learned - sparse) < 0.01  # the same rule, up to rounding
    assert {line[2] for line in lines} <= {"neg", "pos"}


def check_signals(names: Names, out: str) -> None:
    try:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)
        assert names["received"] == [signal.SIGTERM, signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    saved, _ = names["train"].restore("runs/mine")
    assert int(saved["state"].step) == 5 * 640 // 32  # all epochs


def check_word_order(names: Names, out: str) -> None:
    accuracies = [float(line.split()[1]) for line in out.splitlines()]
    bag, attention, convolution, recurrence = accuracies
    assert max(bag, attention) < 0.6 and min(convolution, recurrence) > 0.95


def check_lengths(names: Names, out: str) -> None:
    assert (names["n_words"] <= 32).sum() == 900
    assert names["history"].accuracy[-1] > 0.95
    np.testing.assert_allclose(names["short"], names["whole"], atol=1e-5)


def check_streams(names: Names, out: str) -> None:
    accuracy, kind, n_steps = out.split()
    assert float(accuracy) > 0.7 and kind == "memmap" and n_steps == "100"
    state, _ = names["train"].restore("runs/stream")
    assert int(state["state"].step) == 2 * len(names["batches"])


def check_large(names: Names, out: str) -> None:
    assert list(names["state"].tables) == ["embed"]
    assert names["history"].val_accuracy[-1] > 0.8
    # No pair has the id of padding, and none the id of a word.
    assert names["pairs"].values.min() >= names["first"] > names["words"].values.max()
    folded = float(re.findall(r"'accuracy': ([\d.]+)", out)[0])
    assert abs(folded - names["history"].val_accuracy[-1]) < 0.002


def check_hosts(names: Names, out: str) -> None:
    assert names["history"].accuracy[-1] > 0.6 and out.endswith("(10000, 8)\n")
    assert list(names["state"].tables) == ["embed"]


def check_pretrained(names: Names, out: str) -> None:
    guide = (ROOT / "docs/guide.md").read_text("utf-8")
    assert "".join(f"    {line}\n" for line in out.splitlines()) in guide
    table, index = np.asarray(names["table"]), names["tokenizer"].word_index
    assert table[index["film"]].tolist() == [1, 0] and not table[index["bad"]].any()


def check_mesh(names: Names, out: str) -> None:
    shapes, is_equal, accuracy = out.splitlines()
    assert f"    {shapes}\n    {is_equal}\n" in (ROOT / "docs/guide.md").read_text(
        "utf-8"
    )
    assert is_equal == "True" and float(accuracy) > 0.85
    assert names["history"].loss[-1] < names["history"].loss[0]


def check_naive_bayes(names: Names, out: str) -> None:
    lines = dict(line.rsplit(" ", 1) for line in out.splitlines()[:-1])
    # 25 texts of the 50 of a class have the pair: (26 / 154) / (1 / 154), with alpha 1.
    ratio = f"{np.log(26):.1f}"
    assert lines == {
        **dict.fromkeys(("good", "film", "not", "bad"), "0.0"),
        **dict.fromkeys(("good film", "not bad"), ratio),
        **dict.fromkeys(("bad film", "not good"), f"-{ratio}"),
    }
    assert names["history"].accuracy[-1] == 1
    assert names["logits"][0] > 0 > names["logits"][1]


def check_intervals(names: Names, out: str) -> None:
    means = [float(mean) for mean in re.findall(r"epoch (0\.\d+)", out)]
    assert len(means) == 2 and min(means) > 0.65
    np.testing.assert_allclose(
        means, [names["best"].mean(), names["last"].mean()], 1e-3
    )
    assert 0.45 < names["labels"][9_000:].mean() < 0.55
    assert "wide - narrow" in out


def check_two_classifiers(names: Names, out: str) -> None:
    gap = names["a"].mean() - names["b"].mean()
    mean, low, high = map(float, re.findall(r"0\.\d+", out.splitlines()[1]))
    np.testing.assert_allclose(mean, gap, atol=5e-4)
    assert 0 < low < mean < high
    assert "# 0.046 (0.025 to 0.070)" in BLOCKS["Two classifiers on the same texts"]
    assert out.splitlines()[1] == "0.046 (0.025 to 0.070)"


def check_files(names: Names, out: str) -> None:
    assert names["table"].tolist() == [[0] * 3, [1, 0, 0], [0] * 3, [0, 0, 1]]
    assert "2 of 3 words have a vector; missing: joy" in out


def check_wide_ids(names: Names, out: str) -> None:
    assert out == "[[nan nan]]\n[[2. 3.]]\n"


CHECKS: dict[str, Callable[[Names, str], None]] = {
    "Five lines": check_five_lines,
    "The notebook's first model, in parts": check_first_model,
    "From text to ids: four routes": check_ids,
    "Texts in folders and tables": check_tables,
    "Labels and classes": check_classes,
    "Several labels, and numbers": check_several,
    "Word vectors from elsewhere": check_vectors_from_elsewhere,
    "Stopping early": check_stopping,
    "Freezing: four forms": check_freezing,
    "Your own data, saved and restored": check_own_data,
    "Long runs and Ctrl-C": check_signals,
    "Word order: convolution and recurrence": check_word_order,
    "Short and long texts": check_lengths,
    "Data larger than memory": check_streams,
    "Large vocabularies": check_large,
    "One table on many devices": check_mesh,
    "Pretrained tables on many devices": check_pretrained,
    "Several hosts": check_hosts,
    "N-grams weighted as in Naive Bayes": check_naive_bayes,
    "Intervals": check_intervals,
    "Two classifiers on the same texts": check_two_classifiers,
    "Files of word vectors": check_files,
    "Ids out of range, and jax.jit": check_wide_ids,
}


# Blocks that take over 4 s on a processor.
LONG = (
    "Data larger than memory",
    "Freezing: four forms",
    "Several labels, and numbers",
    "Word vectors from elsewhere",
    "Intervals",
    "Large vocabularies",
    "One table on many devices",
    "Several hosts",
    "Short and long texts",
    "Word order: convolution and recurrence",
    "Your own data, saved and restored",
)


@pytest.mark.parametrize(
    "heading",
    [
        pytest.param(heading, marks=pytest.mark.long if heading in LONG else [])
        for heading in BLOCKS
    ],
)
def test_a_block_gives_its_results(heading, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names: Names = {}
    exec(compile(BLOCKS[heading], heading, "exec"), names)
    CHECKS[heading](names, capsys.readouterr().out)


def test_each_block_has_a_check():
    assert BLOCKS.keys() == CHECKS.keys()


def test_the_readme_is_short():
    assert len(README.read_text("utf-8").split()) <= MAX_WORDS


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_commands_exist(path):
    document, targets = path.read_text("utf-8"), (ROOT / "Makefile").read_text()
    for target in re.findall(r"(?:`|^ +)make ([\w-]+)", document, re.MULTILINE):
        assert f"\n{target}:" in targets, target
    for folder, name in re.findall(r"-m (experiments|benchmarks)\.(\w+)", document):
        files = [ROOT / folder / f"{name}.py", ROOT / folder / name / "__main__.py"]
        assert any(path.is_file() for path in files), name
    for flags in re.findall(r"'\.\[([\w,]+)\]'", document):
        for extra in flags.split(","):
            assert f"\n{extra} = [" in (ROOT / "pyproject.toml").read_text(), extra


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_and_headings(path):
    document = path.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", document, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
    for target in re.findall(r"\]\(([^)]+)\)", document):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("https://"):
            assert (path.parent / target.partition("#")[0]).exists(), target
    for name in re.findall(r"`((?:tests|benchmarks)/[\w./]+)`", document):
        assert (ROOT / name).exists(), name


PLACEHOLDER = re.compile(r"(?:TEST|LOAD|GEO|EXPECT|SPARSE|BIGRAMS)_[A-Z]+")
EXPERIMENTS = sorted(path.stem for path in ROOT.glob("experiments/[!_]*.py"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_figures_are_filled_in(path):
    assert not PLACEHOLDER.findall(path.read_text("utf-8"))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_experiment_says_how_to_run_it_and_what_to_expect(name):
    text = (ROOT / "experiments" / f"{name}.py").read_text()
    assert not PLACEHOLDER.findall(text)
    lines = text.splitlines()[:12]
    for title in (
        "Notebook:  ",
        f"Run:       python -m experiments.{name}",
        "Expect:    ",
        f"Writes:    runs/{name}/",
    ):
        assert any(line.startswith(title) for line in lines), title
