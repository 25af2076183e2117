"""Text: instructions of a compiled program, read from the text that XLA prints."""

import re
from collections.abc import Iterator
from typing import NamedTuple

HEADER = re.compile(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$")
NAME = re.compile(r"^\s+(ROOT )?%?([\w.\-]+) = ")
OPCODE = re.compile(r"\s*([\w\-]+)\(")
ARRAY = re.compile(r"\b([a-z]+[0-9]*(?:e[0-9]m[0-9]\w*)?)\[([0-9,]*)\](\{[^}]*\})?")
CALLED = re.compile(
    r"\b(?:body|condition|to_apply|calls|true_computation|false_computation|"
    r"branch_computations|called_computations)=(\{[^}]*\}|%?[\w.\-]+)"
)
BITS = re.compile(r"[0-9]+")
# Instructions that call computations whose values are not stored in memory.
FUSED = ("fusion", "reduce", "reduce-window", "scatter", "sort", "map", "all-reduce")


class Array(NamedTuple):
    """Array that an instruction returns."""

    dtype: str
    shape: tuple[int, ...]
    layout: str  # as XLA prints it, such as {1,0:T(8,128)}; may be empty

    @property
    def n_bytes(self) -> int:
        """Number of bytes without padding."""
        size = 1
        for n in self.shape:
            size *= n
        bits = BITS.search(self.dtype)
        return size * (int(bits[0]) if bits else 8) // 8

    @property
    def is_in_memory(self) -> bool:
        """Whether the array is in the main memory, not in a faster one such as VMEM."""
        return "S(" not in self.layout

    def __str__(self) -> str:
        """Return the dtype, the shape and the layout without its tiles."""
        order = self.layout.partition(":")[0].rstrip("}")
        axes = ",".join(map(str, self.shape))
        return f"{self.dtype}[{axes}]{order + '}' if order else ''}"


class Instruction(NamedTuple):
    """Instruction of a compiled program."""

    name: str
    opcode: str
    arrays: list[Array]  # results
    operands: tuple[str, ...]  # names of instructions
    called: tuple[str, ...]  # names of computations
    is_root: bool
    words: str  # the whole line


class Program(NamedTuple):
    """Computations of a compiled program.

    Attributes:
      entry: Name of the computation that the program begins with.
      computations: Instructions by the name of their computation.
      sparse_core: Names of the computations that run on the SparseCore.
    """

    entry: str
    computations: dict[str, list[Instruction]]
    sparse_core: frozenset[str] = frozenset()

    def stored(self) -> Iterator[Instruction]:
        """Yield the instructions whose results are stored, not those inside fusions."""
        seen, waiting = set(), [self.entry]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.computations:
                continue
            seen.add(name)
            for instruction in self.computations[name]:
                yield instruction
                if not instruction.opcode.startswith(FUSED):
                    waiting += instruction.called

    def all(self) -> Iterator[Instruction]:
        """Yield all instructions, also those inside fusions."""
        for instructions in self.computations.values():
            yield from instructions

    def find_works(self, instruction: Instruction) -> list[str]:
        """Return, for each result, the opcode that makes it, also inside a fusion."""
        n_results = len(instruction.arrays)
        if instruction.opcode != "fusion" or not instruction.called:
            return n_results * [instruction.opcode]
        inner = self.computations.get(instruction.called[0], [])
        makers = {each.name: each for each in inner}
        root = next((each for each in inner if each.is_root), None)
        if root is None:
            return n_results * ["fusion"]
        names = root.operands if root.opcode == "tuple" else (root.name,)
        return [self._find_maker(makers, name) for name in names]

    def _find_maker(self, makers: dict[str, Instruction], name: str) -> str:
        """Return the opcode of an instruction inside a fusion, past its bitcasts."""
        maker = makers.get(name)
        while maker is not None and maker.opcode == "bitcast":
            maker = makers.get(maker.operands[0])
        return "fusion" if maker is None else self.find_works(maker)[0]


def parse(text: str) -> Program:
    """Parse the text of ``compiled.as_text()``.

    Raises:
      ValueError: If the text has no entry computation.
    """
    computations: dict[str, list[Instruction]] = {}
    entry, name, current = "", "", None
    sparse_core = set()
    for line in text.splitlines():
        header = HEADER.match(line)
        if header:
            name = header[2]
            current = computations.setdefault(name, [])
            entry = name if header[1] else entry
        elif line.startswith("}"):
            current = None
            if 'execution_thread="sparsecore"' in line:
                sparse_core.add(name)
        elif current is not None:
            instruction = parse_instruction(line)
            if instruction is not None:
                current.append(instruction)
    if not entry:
        raise ValueError(f"text must have an ENTRY computation, got {text[:60]!r}.")
    return Program(entry, computations, frozenset(sparse_core))


def parse_instruction(line: str) -> Instruction | None:
    """Parse a line such as ``%a = f32[2]{0} copy(%b)``; None if it is another line."""
    name = NAME.match(line)
    if name is None:
        return None
    rest = line[name.end() :]
    if rest.startswith("("):
        end = _find_close(rest)
    else:
        found = ARRAY.match(rest)
        end = found.end() if found else rest.find(" ")
    opcode = OPCODE.match(rest[end:])
    if opcode is None:
        return None
    arrays = [
        Array(dtype, tuple(int(n) for n in axes.split(",") if n), layout)
        for dtype, axes, layout in ARRAY.findall(rest[:end])
    ]
    body = rest[end + opcode.end() - 1 :]
    close = _find_close(body)
    operands = tuple(re.findall(r"%([\w.\-]+)", body[:close]))
    names = [found[1] for found in CALLED.finditer(body[close:])]
    called = [name for group in names for name in re.findall(r"[\w.\-]+", group)]
    return Instruction(
        name[2], opcode[1], arrays, operands, tuple(called), bool(name[1]), line.strip()
    )


def _find_close(words: str) -> int:
    """Return the position after the parenthesis that closes the first one."""
    depth = 0
    for place, letter in enumerate(words):
        depth += (letter == "(") - (letter == ")")
        if depth == 0:
            return place + 1
    return len(words)
