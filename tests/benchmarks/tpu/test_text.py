"""The text of compiled programs: instructions, fusions, and arrays with a table's rows.

The texts are shortened from programs that libtpu compiled.
"""

import pytest

from benchmarks.tpu.case import Case, Size
from benchmarks.tpu.facts import find_facts, has_rows
from benchmarks.tpu.target import Compiled
from benchmarks.tpu.text import Array, parse, parse_instruction

SIZE = Size(rows=4000, dim=300, batch_size=2, length=5)
TEXT = """\
HloModule jit_step, is_scheduled=true

%fused_computation (param_0: f32[4000,300], param_1: s32[10]) -> f32[10,300] {
  %param_0 = f32[4000,300]{1,0:T(8,128)} parameter(0)
  %param_1 = s32[10]{0:T(1024)S(1)} parameter(1)
  ROOT %gather.2 = f32[10,300]{1,0:T(8,128)} gather(%param_0, %param_1), offset_dims={1}
}

%fused_computation.1 (p: f32[4000,300], q: f32[4000,300]) -> (f32[4000,300], f32[4000,300]) {
  %p = f32[4000,300]{1,0:T(8,128)} parameter(0)
  %q = f32[4000,300]{1,0:T(8,128)} parameter(1)
  %add.1 = f32[4000,300]{1,0:T(8,128)} add(%p, %q)
  %bitcast.1 = f32[4000,300]{1,0:T(8,128)} bitcast(%add.1)
  %multiply.1 = f32[4000,300]{1,0:T(8,128)} multiply(%p, %q)
  ROOT %tuple.1 = (f32[4000,300]{1,0:T(8,128)}, f32[4000,300]{1,0:T(8,128)}) tuple(%bitcast.1, %multiply.1)
}

%offloaded (t: f32[4000,300], i: s32[10], u: f32[10,300]) -> f32[4000,300] {
  %t = f32[4000,300]{1,0:T(8,128)} parameter(0)
  %i = s32[10]{0:T(1024)} parameter(1)
  %u = f32[10,300]{1,0:T(8,128)} parameter(2)
  ROOT %scatter.1 = f32[4000,300]{1,0:T(8,128)} scatter(%t, %i, %u), to_apply=%add
}, execution_thread="sparsecore"

%body (arg: (s32[], f32[4000,300])) -> (s32[], f32[4000,300]) {
  %arg = (s32[]{:T(128)}, f32[4000,300]{0,1:T(8,128)}) parameter(0)
  %gte.0 = s32[]{:T(128)} get-tuple-element(%arg), index=0
  %gte.1 = f32[4000,300]{0,1:T(8,128)} get-tuple-element(%arg), index=1
  %transpose.9 = f32[300,4000]{1,0:T(8,128)} transpose(%gte.1), dimensions={1,0}
  ROOT %tuple.2 = (s32[]{:T(128)}, f32[4000,300]{0,1:T(8,128)}) tuple(%gte.0, %gte.1)
}

%condition (arg.1: (s32[], f32[4000,300])) -> pred[] {
  %arg.1 = (s32[]{:T(128)}, f32[4000,300]{0,1:T(8,128)}) parameter(0)
  ROOT %constant.1 = pred[]{:T(128)} constant(false)
}

ENTRY %main.3 (table: f32[4000,300], ids: s32[10]) -> f32[10,300] {
  %table = f32[4000,300]{0,1:T(8,128)} parameter(0), metadata={op_name="table"}
  %ids = s32[10]{0:T(1024)} parameter(1)
  %copy-start = (s32[10]{0:T(1024)S(1)}, s32[10]{0:T(1024)}, u32[]{:S(2)}) copy-start(%ids)
  %copy-done = s32[10]{0:T(1024)S(1)} copy-done(%copy-start)
  %copy.3 = f32[4000,300]{1,0:T(8,128)} copy(%table), metadata={op_name="copy(table)"}
  %copy.4 = f32[4000,300]{1,0:T(8,128)S(1)} copy(%table)
  %fusion.1 = (f32[4000,300]{1,0:T(8,128)}, /*index=1*/f32[4000,300]{1,0:T(8,128)}) fusion(%copy.3, %copy.4), kind=kLoop, calls=%fused_computation.1
  %tuple.5 = (s32[]{:T(128)}, f32[4000,300]{0,1:T(8,128)}) tuple(%ids, %table)
  %while.1 = (s32[]{:T(128)}, f32[4000,300]{0,1:T(8,128)}) while(%tuple.5), condition=%condition, body=%body
  %sort.1 = s32[10]{0:T(1024)} sort(%copy-done), dimensions={0}, to_apply=%compare
  %call-start.1 = ((s32[10]{0}), s32[10]{0}, u32[]) async-start(%sort.1), async_execution_thread="sparsecore", calls=%offloaded
  %all-reduce.1 = f32[2,300]{1,0:T(8,128)} all-reduce(%copy.3), to_apply=%compare
  ROOT %gather_fusion = f32[10,300]{1,0:T(8,128)} fusion(%copy.3, %copy-done), kind=kCustom, calls=%fused_computation
}
"""  # noqa: E501


def find(text=TEXT, size=SIZE):
    compiled = Compiled(text, 1.234, 2.351, 10, 20, 5, 30, 99.0)
    return find_facts(Case(size, abs, (), 33), compiled)


def test_copies_of_a_table_are_told_from_moves_and_other_values():
    found = find()
    # the transpose is in the body of a loop
    assert sorted(found["table_copies"]) == [
        "copy f32[4000,300]{1,0}",
        "transpose f32[300,4000]{1,0}",
    ]
    assert found["table_moves"] == ["copy f32[4000,300]{1,0}"]
    assert sorted(found["table_values"]) == [
        "add f32[4000,300]{1,0}",
        "multiply f32[4000,300]{1,0}",
        "scatter f32[4000,300]{1,0}",
    ]


def test_operations_are_counted_inside_of_fusions_and_loops():
    found = find()
    names = ("gathers", "scatters", "sorts", "loops")
    assert [found[name] for name in names] == [1, 1, 1, 1]
    assert found["collectives"] == {"all-reduce": 2 * 300 * 4}
    assert found["sparse_core"] == {"scatter": 1}


def test_the_memory_plan_is_passed_on():
    found = find()
    names = ("argument_bytes", "output_bytes", "alias_bytes", "temp_bytes")
    assert [found[name] for name in names] == [10, 20, 5, 30]
    assert (found["compile_s"], found["compile_cpu_s"]) == (1.23, 2.35)
    assert found["modelled_bytes"] == 99
    assert (found["fewest_bytes"], found["table_bytes"]) == (33, 4000 * 300 * 4)


def test_a_negative_number_of_modelled_bytes_is_none():
    compiled = Compiled(TEXT, 1, 1, 1, 1, 1, 1, -2.0)
    assert find_facts(Case(SIZE, abs, ()), compiled)["modelled_bytes"] is None


@pytest.mark.parametrize(
    ("shape", "has"),
    [
        ((4000, 300), True),
        ((300, 4000), True),
        ((4096, 384), True),  # padded
        ((1_200_000,), True),  # flat
        ((8, 500, 300), True),
        ((5000,), False),
        ((10, 300), False),
        ((), False),
    ],
    ids=str,
)
def test_an_array_has_the_rows_of_a_table(shape, has):
    assert has_rows(Array("f32", shape, ""), SIZE) == has


def test_an_instruction_is_parsed():
    line = (
        "  ROOT %while.1 = (s32[]{:T(128)}, bf16[2,3]{1,0:T(8,128)(2,1)S(1)}) while("
        '%tuple.5), condition=%cond.1, body=%body.2, metadata={op_name="a(b)"}'
    )
    found = parse_instruction(line)
    assert (found.name, found.opcode, found.is_root) == ("while.1", "while", True)
    assert found.operands == ("tuple.5",) and found.called == ("cond.1", "body.2")
    scalar, array = found.arrays
    assert (scalar.shape, array.shape) == ((), (2, 3))
    assert (scalar.n_bytes, array.n_bytes) == (4, 12)
    assert str(array) == "bf16[2,3]{1,0}" and not array.is_in_memory
    assert Array("pred", (8,), "").n_bytes == 8


def test_another_line_is_no_instruction():
    assert parse_instruction('  stack_frame_id=3, "x = y"') is None


def test_a_text_without_a_program_is_refused():
    with pytest.raises(ValueError, match="must have an ENTRY computation, got 'x'"):
        parse("x")
