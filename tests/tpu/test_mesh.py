"""One table on several chips: the plan of a training step on a small slice."""

import pytest

from benchmarks.tpu.mesh.plans import LENGTH, TEXTS, Job, compile_step

pytestmark = pytest.mark.tpu


def test_a_step_exchanges_rows_and_copies_no_table():
    line = compile_step(Job("step", "v5e:2x2", 1_000_000, 128, "RMSprop"))
    assert line["chips"] == 4 and line["batch_size"] == 4 * TEXTS
    # The table and its moment on a chip, and one number for each row twice.
    shard = line["shard_bytes"]
    assert 2 * shard < line["argument_bytes"] < 2.1 * shard
    assert line["temp_bytes"] <= line["temp_limit_bytes"]
    assert line["shard_copies"] == []
    kinds = {kind for kind, _, _ in line["collectives"]}
    assert kinds == {"all-reduce", "all-to-all"}
    rows = TEXTS * LENGTH * 128 * 4
    large = [n for _, _, n in line["collectives"] if n > rows / 10]
    # The rows of the batch, and their gradients.
    assert len(large) == 2 and max(large) < 1.2 * rows
