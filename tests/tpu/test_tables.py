"""Programs for TPUs: no copy of a table, and memory that grows with the tokens only.

The programs are compiled ahead of time and inspected, not executed.
"""

import pytest

from benchmarks.tpu.case import Size
from benchmarks.tpu.programs import SIZED, Job

pytestmark = pytest.mark.tpu
ROWS, TEXTS, LENGTH = 400_000, 32, 100
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
LAYOUT = "tables are in XLA's default layout, with the rows on the lanes"
PROGRAMS = [pytest.param(name, marks=pytest.mark.long) for name in KINDS]


def make_job(program, dim, rows=ROWS):
    return Job(program, "v5e", Size(rows, dim, TEXTS, LENGTH), SIZED[program])


def tokens_bytes(dim):
    """Return the bytes of four arrays with a row for each token, in lanes of 128."""
    return 4 * TEXTS * LENGTH * -(-dim // 128) * 128 * 4


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_table_is_copied_and_memory_grows_with_the_tokens(
    find_figures, program, dim, request
):
    if dim > 16:
        request.applymarker(pytest.mark.xfail(strict=True, reason=LAYOUT))
    small = find_figures(make_job(program, dim))
    large = find_figures(make_job(program, dim, 10 * ROWS))
    for found in (small, large):
        assert found["table_copies"] == []
        gradient = 1.4 * found["table_bytes"] if found["dense"] else 0
        assert found["temp_bytes"] <= tokens_bytes(dim) + gradient
    if not small["dense"]:
        assert large["temp_bytes"] <= 1.02 * small["temp_bytes"] + 4096
