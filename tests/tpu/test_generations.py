"""Every program compiles for every generation of TPUs, ahead of time, on one chip."""

import pytest

from benchmarks.tpu.case import Size
from benchmarks.tpu.programs import FIXED, SIZED, Job
from benchmarks.tpu.target import TOPOLOGIES, find_device

pytestmark = pytest.mark.tpu
SIZE = Size(rows=5000, dim=24, batch_size=8, length=20)
KINDS = {"v4": "TPU v4", "v5e": "TPU v5 lite", "v5p": "TPU v5", "v6e": "TPU v6 lite"}


@pytest.mark.parametrize("generation", TOPOLOGIES)
def test_a_topology_is_of_its_generation(generation):
    assert find_device(generation).device_kind == KINDS.get(generation, "TPU7x")


@pytest.mark.parametrize("generation", TOPOLOGIES)
@pytest.mark.parametrize("program", SIZED | {name: None for name in FIXED})
def test_a_program_compiles(find_figures, program, generation):
    size, make = FIXED.get(program) or (SIZE, SIZED[program])
    found = find_figures(Job(program, generation, size, make))
    assert found["argument_bytes"] > 0
    assert found["collectives"] == {}  # one chip
