"""Bags without a row for each id, against take and mean, and torch.

Run:     python -m benchmarks.bag
         python -m benchmarks.bag --batch-size 32 --ids zipf
Prints:  JSON lines for each kind of ids: bags; bags and the dense gradient of the
         table; and logits of a classifier: folded, as it was, and by take.

``temp_bytes`` is what XLA asks for beside inputs and outputs, and ``rows_bytes`` what
the rows of all ids take. ``copy_share`` is the fewest bytes that an implementation
could move, over its median, as a share of ``copy_gb_per_s``. It may be over 1: a small
table stays in the cache, and the array that is copied does not.
"""

import argparse
import functools
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import _bags, _timing
from jaxembed import nn, train

COPY_FLOATS = 2**26  # 256 MB
Run = Callable[[int], Any]  # of the number of a batch; returns when the result is there
Facts = dict[str, Any]


def main(argv: list[str] | None = None) -> None:
    """Checks each implementation, then times them in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--classifier-rows", type=int, default=100_000)
    parser.add_argument("--classifier-dim", type=int, default=300)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--ids", nargs="+", choices=_bags.KINDS, default=_bags.KINDS)
    arguments = parser.parse_args(argv)
    shape = (arguments.batch_size, arguments.length)
    copy = round(measure_copy() / 1e9, 2)
    device = jax.devices()[0].device_kind
    # Without it a GPU multiplies with 10 bits, which the check would refuse.
    with jax.default_matmul_precision("highest"):
        for kind in arguments.ids:
            facts = {"ids": kind, "copy_gb_per_s": copy, "device": device}
            table = _bags.make_table(arguments.rows, arguments.dim)
            ids = _bags.make_ids(kind, arguments.rows, *shape)
            for with_gradient in (False, True):
                time_bags(table, ids, with_gradient, arguments.repeats, facts)
            n_rows = arguments.classifier_rows
            table = _bags.make_table(n_rows, arguments.classifier_dim)
            ids = _bags.make_ids(kind, n_rows, *shape)
            time_classifiers(table, ids, arguments.repeats, facts)


def measure_copy(repeats: int = 9) -> float:
    """Bytes a second, read and written, of adding 1 to a large array."""
    # Donated: a new array each time would mostly time the kernel's page faults.
    add = jax.jit(lambda values: values + 1, donate_argnums=0)
    values = add(jnp.zeros(COPY_FLOATS, jnp.float32)).block_until_ready()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        values = add(values).block_until_ready()
        seconds.append(time.perf_counter() - start)
    return 2 * values.nbytes / float(np.median(seconds))


def time_bags(
    table: np.ndarray, ids: np.ndarray, with_gradient: bool, repeats: int, facts: Facts
) -> None:
    """Means of rows, or the gradient of half their squares, which needs both ways."""
    what = "bag and gradient" if with_gradient else "bag"
    functions: dict[str, Callable[..., jax.Array]] = {
        "jaxembed": nn.embedding_bag,
        "jaxembed, in bounds": functools.partial(
            nn.embedding_bag, mode="promise_in_bounds"
        ),
        "take": lambda table, ids: jnp.take(table, ids, axis=0).mean(1),
    }
    if with_gradient:
        functions = {name: differentiate(call) for name, call in functions.items()}
    on_device = jnp.asarray(table)
    candidates = {name: (call, on_device) for name, call in functions.items()}
    runs, costs = compile_runs(candidates, ids)
    runs |= make_torch_runs(what, table, ids, with_gradient)
    row_bytes = 4 * table.shape[1]
    n_bytes = _bags.count_bytes(ids, row_bytes, row_bytes)
    n_bytes += row_bytes * len(table) * with_gradient  # all of it is written
    fewest = dict.fromkeys(runs, n_bytes)
    check(what, runs, _bags.answer_bags(table, ids, with_gradient))
    report(what, runs, fewest, repeats, facts | costs | describe(table, ids))


def differentiate(bag: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """The dense gradient of half the bags' squares by the table."""
    return jax.grad(lambda table, ids: (bag(table, ids) ** 2).sum() / 2)


def time_classifiers(
    table: np.ndarray, ids: np.ndarray, repeats: int, facts: Facts
) -> None:
    """Logits of one model: from folded logits, from bags, and from the rows."""
    model = nn.TextClassifier(nn.Embed(*table.shape), nn.PooledDense())
    params = model.init(jax.random.key(0), ids[0, :1])["params"]
    layer = params["head"]["logits"]
    params = {"embed": {"embedding": jnp.asarray(table)}, "head": {"logits": layer}}
    folded, folded_variables = train.fold(model, {"params": params})

    def take(params: Any, ids: jax.Array) -> jax.Array:
        bags = jnp.take(params["embed"]["embedding"], ids, axis=0).mean(1)
        layer = params["head"]["logits"]
        return bags @ layer["kernel"][:, 0] + layer["bias"][0]

    candidates = {
        "jaxembed, folded": (folded.apply, folded_variables),
        "jaxembed": (model.apply, {"params": params}),
        "take": (take, params),
    }
    runs, costs = compile_runs(candidates, ids)
    fewest = dict.fromkeys(runs, _bags.count_bytes(ids, 4 * table.shape[1], 4))
    fewest["jaxembed, folded"] = _bags.count_bytes(ids, 4, 4)
    kernel, bias = np.asarray(layer["kernel"]), np.asarray(layer["bias"])
    check("classifier", runs, _bags.answer_logits(table, ids, kernel, bias))
    report("classifier", runs, fewest, repeats, facts | costs | describe(table, ids))


def compile_runs(
    candidates: dict[str, tuple[Callable[..., Any], Any]], ids: np.ndarray
) -> tuple[dict[str, Run], Facts]:
    """Compiles functions of their first argument and of ids, and says what it costs."""
    batches = [jnp.asarray(batch) for batch in ids]
    runs: dict[str, Run] = {}
    compile_s, temp_bytes = {}, {}
    for name, (function, first) in candidates.items():
        jax.clear_caches()  # else what another has compiled costs nothing here
        start = time.perf_counter()
        program = jax.jit(function).lower(first, batches[0]).compile()
        compile_s[name] = round(time.perf_counter() - start, 3)
        memory: Any = program.memory_analysis()
        temp_bytes[name] = memory.temp_size_in_bytes

        def run(number: int, program: Any = program, first: Any = first) -> Any:
            return program(first, batches[number]).block_until_ready()

        runs[name] = run
    return runs, {"compile_s": compile_s, "temp_bytes": temp_bytes}


def make_torch_runs(
    what: str, table: np.ndarray, ids: np.ndarray, with_gradient: bool
) -> dict[str, Run]:
    """Torch's bags on the CPU; none, and a line that says why, if it cannot be."""
    reason = None
    # Threads that wait in a loop take the cores from JAX's; where the machine has other
    # work they make torch itself 20 times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import torch
    except ImportError:
        reason = "torch is missing: pip install jaxembed[bench]"
    if reason is None and jax.default_backend() != "cpu":
        reason = "torch is timed on a CPU only, and JAX is not on one"
    if reason is not None:
        line = {"what": what, "implementation": "torch", "left_out": reason}
        print(json.dumps(line), flush=True)
        return {}
    weights = torch.tensor(table, requires_grad=with_gradient)
    batches = [torch.tensor(batch) for batch in ids]

    def run(number: int, n_threads: int) -> Any:
        torch.set_num_threads(n_threads)
        bags = torch.nn.functional.embedding_bag(batches[number], weights, mode="mean")
        if not with_gradient:
            return bags
        return torch.autograd.grad((bags**2).sum() / 2, weights)[0]

    # One, since more do not pay for a batch this small.
    threads = {"torch": os.cpu_count() or 1, "torch, 1 thread": 1}
    return {name: functools.partial(run, n_threads=n) for name, n in threads.items()}


def describe(table: np.ndarray, ids: np.ndarray) -> Facts:
    """The sizes; ``rows_bytes`` are those of a row for each id."""
    (n_rows, dim), (_, batch_size, length) = table.shape, ids.shape
    sizes = {"batch_size": batch_size, "length": length, "rows": n_rows, "dim": dim}
    return sizes | {"rows_bytes": ids[0].size * dim * 4}


def check(what: str, runs: dict[str, Run], answers: Iterable[_bags.Answer]) -> None:
    """Refuses a wrong answer to any of the batches."""
    for number, (answer, allowed) in enumerate(answers):
        for name, run in runs.items():
            found = np.asarray(run(number)).astype(np.float64)
            is_near = abs(found - answer) <= allowed  # False where it is NaN
            if found.shape != answer.shape or not is_near.all():
                raise SystemExit(f"{what}: {name} is wrong: there is nothing to time.")


def rotate(run: Run) -> Callable[[], object]:
    """A call of the next batch, and after the last of the first."""
    numbers = itertools.cycle(range(_bags.N_BATCHES))
    return lambda: run(next(numbers))


def report(
    what: str,
    runs: dict[str, Run],
    fewest: dict[str, int],
    repeats: int,
    facts: Facts,
) -> None:
    """Times all in turns."""
    calls = {name: rotate(run) for name, run in runs.items()}
    seconds = _timing.alternate(calls, repeats)
    copy_share = {}
    for name, samples in seconds.items():
        rate = fewest[name] / np.median(samples) / 1e9
        copy_share[name] = round(float(rate / facts["copy_gb_per_s"]), 4)
    _timing.report(what, seconds, fewest_bytes=fewest, copy_share=copy_share, **facts)


if __name__ == "__main__":
    main()
