"""Facts: figures of a compiled program, from its text and its memory plan."""

import collections
import math
from collections.abc import Iterable
from typing import Any

from benchmarks.tpu.case import Case, Size
from benchmarks.tpu.target import Compiled
from benchmarks.tpu.text import Array, Instruction, Program, parse

# Instructions that pass arrays on without a copy.
PASSED_ON = set(
    """parameter get-tuple-element tuple bitcast while conditional call opt-barrier
    copy-done async-start async-update async-done""".split()
)
PADDED = 1024  # XLA pads an axis of rows or ids to a multiple of it
COPIES = {"copy", "copy-start", "transpose", "pad", "slice", "reshape", "concatenate"}
OFFLOADED = ("gather", "scatter", "sort")  # to the SparseCore of v5p, v6e and 7x
COLLECTIVES = (
    "all-gather", "all-reduce", "all-to-all", "collective-permute", "reduce-scatter",
)  # fmt: skip


def find_facts(case: Case, compiled: Compiled) -> dict[str, Any]:
    """Return the figures of a compiled program for its line."""
    program = parse(compiled.text)
    stored, everything = list(program.stored()), list(program.all())
    opcodes = collections.Counter(each.opcode for each in everything)
    facts: dict[str, Any] = {
        "argument_bytes": compiled.argument_bytes,
        "output_bytes": compiled.output_bytes,
        "alias_bytes": compiled.alias_bytes,
        "temp_bytes": compiled.temp_bytes,
        "table_bytes": case.size.table_bytes,
        **find_tables(case.size, program, stored),
        "gathers": opcodes["gather"],
        "scatters": opcodes["scatter"],
        "sorts": opcodes["sort"],
        "loops": opcodes["while"],
        "collectives": find_collectives(stored),
        "sparse_core": find_sparse_core(program),
        "compile_s": round(compiled.seconds, 2),
        "compile_cpu_s": round(compiled.cpu_seconds, 2),
        "modelled_bytes": _whole(compiled.modelled_bytes),
        "fewest_bytes": case.fewest_bytes,
    }
    return facts


def find_tables(
    size: Size, program: Program, stored: Iterable[Instruction]
) -> dict[str, list[str]]:
    """Return the arrays with the rows of a table that a program makes.

    Args:
      size: Sizes of the table.
      program: The program.
      stored: Its instructions whose results are stored.

    Returns:
      ``table_copies``, arrays that a copy makes in the main memory; ``table_moves``,
      copies to or from a faster memory; and ``table_values``, arrays of other
      instructions, such as a gradient or an update in place. Each is
      ``opcode array``, with the opcode inside of a fusion.
    """
    found: dict[str, list[str]] = {
        "table_copies": [], "table_moves": [], "table_values": []
    }  # fmt: skip
    for each in stored:
        if each.opcode in PASSED_ON:
            continue
        pairs = list(zip(program.find_works(each), each.arrays, strict=False))
        if each.opcode == "copy-start":  # returns the copy, the original and a flag
            pairs = pairs[:1]
        for work, array in pairs:
            if not has_rows(array, size):
                continue
            if work not in COPIES:
                kind = "table_values"
            elif array.is_in_memory and each.opcode != "copy-start":
                kind = "table_copies"
            else:
                kind = "table_moves"
            found[kind].append(f"{work} {array}")
    return found


def has_rows(array: Array, size: Size) -> bool:
    """Return whether an array has an axis of V, or holds as many numbers as a table.

    The axis may be padded to the next multiple of ``PADDED``.
    """
    padded = -(-size.rows // PADDED) * PADDED
    n_numbers = math.prod(array.shape)
    is_flat = n_numbers == size.rows * size.dim and size.dim > 1
    return is_flat or any(size.rows <= n <= padded for n in array.shape)


def find_collectives(stored: Iterable[Instruction]) -> dict[str, int]:
    """Return the bytes that each kind of collective returns."""
    found: collections.Counter[str] = collections.Counter()
    for each in stored:
        for kind in COLLECTIVES:
            if each.opcode in (kind, f"{kind}-start"):
                found[kind] += sum(array.n_bytes for array in each.arrays)
    return dict(found)


def find_sparse_core(program: Program) -> dict[str, int]:
    """Return the number of gathers, scatters and sorts on the SparseCore."""
    opcodes = collections.Counter(
        each.opcode
        for name in program.sparse_core
        for each in program.computations[name]
    )
    return {kind: opcodes[kind] for kind in OFFLOADED if opcodes[kind]}


def _whole(number: float | None) -> int | None:
    """Return a modelled number of bytes; None if XLA did not count them."""
    return None if number is None or number < 0 else int(number)
