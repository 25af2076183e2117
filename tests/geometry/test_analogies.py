"""evaluate_analogies: the answers of gensim to each question, refused arguments."""

import warnings

import numpy as np
import pytest

from jaxembed import geometry
from jaxembed.geometry import _analogies, _search
from tests.geometry.conftest import as_of_gensim, assert_equal, both_of

FORMS = (str.lower, str.title, str.upper)


@pytest.fixture(scope="module")
def forms():
    """Return 30 pairs of words with similar differences, in up to three cases."""
    rng = np.random.default_rng(0)
    words, rows = [], []
    centres = rng.normal(size=(60, 6))
    centres[1::2] = centres[::2] + 2
    for number, centre in enumerate(centres):
        for form in FORMS[: rng.integers(1, 4)]:
            words.append(form(f"word{number}"))
            rows.append(centre + 0.3 * rng.normal(size=6))
    order = rng.permutation(len(words))
    return both_of([words[i] for i in order], np.array(rows)[order])


def make_questions(n_questions, seed=0, ends="\n"):
    """Write questions with and without a right answer, and malformed lines."""
    rng = np.random.default_rng(seed)
    lines = [": first section"]
    for number in range(n_questions):
        a, c = 2 * rng.integers(0, 30, 2)
        numbers = (a, a + 1, c, c + 1) if number % 2 else rng.integers(0, 60, 4)
        four = [FORMS[max(0, rng.integers(-5, 3))](f"word{i}") for i in numbers]
        if number % 5 == 0:  # the expected answer is a word of the question
            four[3] = four[rng.integers(3)]
        if number % 7 == 0:
            four[rng.integers(4)] = "nowhere"
        if number % 40 == 20:
            lines += [f": section {number}", "only three words", "or all of these five"]
        lines.append("\t".join(four) if number % 2 else "  ".join(four) + " ")
    return ends.join(lines) + ends


@pytest.mark.parametrize("case_insensitive", [True, False])
@pytest.mark.parametrize("restrict_vocab", [300_000, 70, None])
@pytest.mark.parametrize("unknown", ["skip", "wrong"])
def test_the_answers_equal_gensims(
    forms, write, case_insensitive, restrict_vocab, unknown
):
    ours, theirs = forms
    settings = {"restrict_vocab": restrict_vocab, "case_insensitive": case_insensitive}
    path = str(write(make_questions(2_000)))
    found = geometry.evaluate_analogies(ours, path, unknown=unknown, **settings)
    dummy = unknown == "wrong"
    expected = theirs.evaluate_word_analogies(path, dummy4unknown=dummy, **settings)
    assert_equal(found, expected)
    assert found.n_malformed == 2 * 50
    assert found.n_questions + found.n_skipped == 2_000
    assert (found.n_skipped == 0) == dummy
    n_correct = sum(len(section.correct) for section in found.sections.values())
    assert n_correct == found.n_correct > (5 if restrict_vocab == 70 else 50)


def test_windows_line_ends_and_a_byte_order_mark(forms, write):
    text = make_questions(100, ends="\r\n")
    found = geometry.evaluate_analogies(forms[0], write(text))
    assert_equal(found, forms[1].evaluate_word_analogies(str(write(text))))
    assert geometry.evaluate_analogies(forms[0], write("\ufeff" + text)) == found


def test_the_method_mul_equals_gensims_cosmul(forms, write):
    ours, theirs = forms
    path = write(make_questions(400))
    found = geometry.evaluate_analogies(
        ours, path, method="mul", case_insensitive=False
    )
    section_of = {q: s for s in found.sections.values() for q in s.correct}
    asked = [q for s in found.sections.values() for q in (*s.correct, *s.incorrect)]
    assert len(asked) == found.n_questions > 100
    for a, b, c, expected in asked:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            [(best, _)] = theirs.most_similar_cosmul([b, c], [a], topn=1)
        assert ((a, b, c, expected) in section_of) == (best == expected)
    sums = geometry.evaluate_analogies(ours, path, case_insensitive=False)
    assert as_of_gensim(sums) != as_of_gensim(found)


def test_many_words_are_evaluated_in_parts(forms, write, monkeypatch):
    path = write(make_questions(300))
    whole = geometry.evaluate_analogies(forms[0], path)
    monkeypatch.setattr(_search, "MAX_SCORES", 20 * 128)  # twenty words, two blocks
    shapes = []

    def cosines(rows, queries):
        shapes.append((len(queries), len(rows)))
        return _search.cosines(rows, queries)

    monkeypatch.setattr(_analogies, "_cosines_of_rows", lambda r, p: cosines(r, r[p]))
    assert geometry.evaluate_analogies(forms[0], path) == whole
    assert len(shapes) > 3
    assert max(shapes) == (32, 128)  # padded to a power of two


def test_a_unit_table_is_accepted(forms, write):
    path = write(make_questions(300))
    table = geometry.unit_table(forms[0])
    for n_words in (None, 50):
        ours = geometry.evaluate_analogies(table, path, n_words)
        assert ours == geometry.evaluate_analogies(forms[0], path, n_words)


def test_files_of_similar_size_share_a_program(forms, write):
    first = ": one\nword1 word2 word3 word4\nword5 word6 word7 word8\n"
    geometry.evaluate_analogies(forms[0], write(first + "word1 word2 word3 word5"))
    n_programs = _search._best._cache_size()
    for more in ("", "word9 word1 word2 word3"):
        more = first + "word5 word6 word7 word8\n" + more
        geometry.evaluate_analogies(forms[0], write(more))
    assert _search._best._cache_size() == n_programs


def test_sections_of_the_same_name_are_merged(forms, write):
    words = forms[0].words
    lines = [": one", " ".join(words[:4]), ": two", ": one", " ".join(words[4:8]), ""]
    found = geometry.evaluate_analogies(forms[0], write("\n".join(lines)))
    assert list(found.sections) == ["one", "two"]
    one, two = found.sections.values()
    assert len(one.correct) + len(one.incorrect) == found.n_questions == 2
    assert (two.accuracy, two.correct, two.incorrect) == (0.0, (), ())


@pytest.mark.parametrize("text", ["", "\n\n", ": one\n", ": one\nnot one is known\n"])
def test_without_a_question_the_accuracy_is_0(forms, write, text):
    found = geometry.evaluate_analogies(forms[0], write(text))
    assert (found.accuracy, found.n_questions) == (0.0, 0)
    assert found.n_skipped == ("not" in text)


def test_empty_lines_are_not_malformed(forms, write):
    found = geometry.evaluate_analogies(forms[0], write("\n \n: one\n\n\t\na b c\n"))
    assert found.n_malformed == 1


def test_the_repr_is_short(forms, write):
    path = write(make_questions(300))
    found = geometry.evaluate_analogies(forms[0], path)
    assert "correct), 'section 20': Section(" in repr(found)
    assert len(repr(found)) < 600


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "\nword1 word2 word3 word4\n: one\n",
            r"questions.txt:2 must be a line ': section', got 'word1 .*a section above",
        ),
        (
            ":one\nword1 word2 word3 word4\n",
            r"questions.txt:1 must be a line ': section', got ':one'",
        ),
        (b": one\nword1\nna\xefve\n", r"questions.txt:3 is not UTF-8: byte 0xef"),
        (b"\x1f\x8b\x08\x00", r"questions.txt:1 is not UTF-8: byte 0x8b"),
    ],
)
def test_malformed_files_are_refused(forms, write, text, message):
    with pytest.raises(ValueError, match=message):
        geometry.evaluate_analogies(forms[0], write(text))


def test_a_file_that_cannot_be_read_is_named(forms, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.txt"):
        geometry.evaluate_analogies(forms[0], tmp_path / "nowhere.txt")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"method": "max"}, ValueError, "method must be add or mul, got 'max'"),
        ({"unknown": "zero"}, ValueError, "unknown must be skip or wrong, got 'zero'"),
        (
            {"restrict_vocab": 0},
            ValueError,
            "restrict_vocab must be at least 1 or None",
        ),
    ],
)
def test_other_settings_are_refused(forms, write, settings, error, message):
    with pytest.raises(error, match=message):
        geometry.evaluate_analogies(forms[0], write(": one\n"), **settings)


@pytest.mark.long
@pytest.mark.real_archive
@pytest.mark.parametrize("settings", [{}, {"restrict_vocab": 3_000}], ids=str)
def test_the_real_questions_are_answered_as_by_gensim(real, evaluation, settings):
    ours, theirs = real
    path = str(evaluation / "questions-words.txt")
    found = geometry.evaluate_analogies(ours, path, **settings)
    assert_equal(found, theirs.evaluate_word_analogies(path, **settings))
    assert found.n_malformed == 0
    assert found.n_questions + found.n_skipped == 19_544
    if not settings:
        assert found.n_questions == 3_606
        assert round(found.accuracy, 4) == 0.7094
