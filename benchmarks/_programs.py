"""Programs: what is timed, compiled for one shape, and what that costs."""

import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax


class Program(NamedTuple):
    """A function compiled for one shape.

    Attributes:
      call: the compiled function.
      compile_s: seconds to trace, lower and compile it.
      temp_bytes: of memory that it takes beside what goes in and comes out; None where
        XLA does not say.
    """

    call: Callable[..., Any]
    compile_s: float
    temp_bytes: int | None

    @property
    def details(self) -> dict[str, Any]:
        """For its line."""
        return {"compile_s": round(self.compile_s, 4), "temp_bytes": self.temp_bytes}


def compile_program(
    function: Callable[..., Any], *arguments: Any, donate: tuple[int, ...] = ()
) -> Program:
    """Compiles a function for arguments, or for their shapes."""
    start = time.perf_counter()
    jitted = jax.jit(function, donate_argnums=donate)
    program = jitted.lower(*arguments).compile()
    seconds = time.perf_counter() - start
    memory = program.memory_analysis()
    temp_bytes = None if memory is None else memory.temp_size_in_bytes
    return Program(program, seconds, temp_bytes)


def rotate(run: Callable[[int], Any], n: int) -> Callable[[], Any]:
    """A call with the next of n numbers, and after the last with the first."""
    numbers = itertools.cycle(range(n))
    return lambda: run(next(numbers))
