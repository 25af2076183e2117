"""Compiled programs: a function compiled by XLA for one shape, and its costs."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Program(NamedTuple):
    """Function compiled for one shape."""

    call: Callable[..., Any]  # compiled function
    compile_s: float  # seconds of tracing, lowering and compiling
    # Bytes of memory besides inputs and outputs; None if XLA does not report them
    temp_bytes: int | None

    @property
    def details(self) -> dict[str, Any]:
        """Facts for the program's line."""
        return {"compile_s": round(self.compile_s, 4), "temp_bytes": self.temp_bytes}


def compile_program(
    function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()
) -> Program:
    """Compile a function for arguments, or for their shapes."""
    start = time.perf_counter()
    program = jax.jit(function, donate_argnums=donate).lower(*arguments).compile()
    seconds = time.perf_counter() - start
    memory = program.memory_analysis()
    temp_bytes = None if memory is None else memory.temp_size_in_bytes
    return Program(program, seconds, temp_bytes)
