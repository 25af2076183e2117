"""Programs for TPUs: no copy of a table, and memory that grows with the tokens only.

The programs are compiled ahead of time and inspected, not executed.
"""

import pytest

from benchmarks.tpu.case import Size
from benchmarks.tpu.programs import SIZED, Job

pytestmark = pytest.mark.tpu
ROWS, TEXTS, LENGTH = 300_000, 32, 100  # ten times the rows fit into 16 GB
DIMS = (16, 100, 300)
KINDS = (
    "lookup",
    "lookup: gradient",
    "bag mean",
    "bag mean, weights, mask: gradient",
    "bag max",
    "bag mean, offsets",
    "step, dense RMSprop",
    "step, row-sparse RMSprop",
    "head flattened rows",
    "head attention: gradient",
)
REST = sorted(SIZED.keys() - set(KINDS))
NARROW_STEPS = ["step, dense RMSprop", "step, row-sparse RMSprop"]
PROGRAMS = [pytest.param(name, marks=pytest.mark.long) for name in KINDS]


def make_job(program, dim, rows=ROWS):
    return Job(program, "v5e", Size(rows, dim, TEXTS, LENGTH), SIZED[program])


def tokens_bytes(dim):
    """Return the bytes of four arrays with a row for each token, in lanes of 128."""
    return 4 * TEXTS * LENGTH * -(-dim // 128) * 128 * 4


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_table_is_copied_and_memory_grows_with_the_tokens(
    find_figures, program, dim
):
    small = find_figures(make_job(program, dim))
    large = find_figures(make_job(program, dim, 10 * ROWS))
    for found in (small, large):
        assert found["table_copies"] == []
        gradient = 1.4 * found["table_bytes"] if found["dense"] else 0
        assert found["temp_bytes"] <= tokens_bytes(dim) + gradient
    if not small["dense"]:
        # One array of the tokens more, where the larger table leaves less room in VMEM.
        assert large["temp_bytes"] <= small["temp_bytes"] + tokens_bytes(dim) / 4


@pytest.mark.parametrize("program", REST)
def test_no_other_program_copies_a_table(find_figures, program):
    assert find_figures(make_job(program, 300))["table_copies"] == []


# XLA copied such a table, of which the copy in padded rows takes 128 MB, to rows and
# back at each step.
@pytest.mark.long
@pytest.mark.parametrize("program", ["lookup", "lookup: gradient", *NARROW_STEPS])
def test_a_narrow_table_of_fewer_rows_is_not_copied(find_figures, program):
    found = find_figures(make_job(program, 16, 250_000))
    assert found["table_copies"] == []
    gradient = 250_000 * 128 * 4 if found["dense"] else 0
    assert found["temp_bytes"] <= tokens_bytes(16) + gradient


@pytest.mark.long
@pytest.mark.parametrize("dim", DIMS)
def test_tables_and_moments_are_stored_with_little_padding(find_figures, dim):
    found = find_figures(make_job("step, row-sparse RMSprop", dim))
    # table and moment; two numbers for each row; ids
    least = 2 * found["table_bytes"] + 2 * 4 * ROWS + 4 * TEXTS * LENGTH
    assert least <= found["argument_bytes"] <= 1.4 * least
    # All of the state is updated in place.
    assert found["alias_bytes"] > 0.99 * (found["argument_bytes"] - 8 * TEXTS * LENGTH)


@pytest.mark.long
def test_a_row_sparse_update_of_many_ids(find_figures):
    # It took 2.3 GB of memory and 15.4 GB of traffic by the model before.
    program = "update, row-sparse RMSprop"
    size = Size(400_000, 300, 1024, 100)
    found = find_figures(Job(program, "v5e", size, SIZED[program]))
    assert found["table_copies"] == []
    assert found["temp_bytes"] <= 4 * size.n_ids * 3 * 128 * 4
    assert found["modelled_bytes"] <= 5e9
