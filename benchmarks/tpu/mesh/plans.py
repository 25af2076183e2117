"""Plans: a training step on a mesh, and the memory plan and collectives of its program.

The step is that of ``train.fit(mesh=)``, for the state that it makes.
"""

import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.tpu import target
from benchmarks.tpu.case import Size, shape_of
from benchmarks.tpu.facts import COLLECTIVES, find_tables
from benchmarks.tpu.mesh.links import copy_seconds, exchange_seconds, find_axes
from benchmarks.tpu.text import Instruction, parse
from jaxembed import dist, nn, optim, train

WHAT = "compiled for TPUs, not executed"
TEXTS, LENGTH = 256, 100  # texts for each chip, and ids of a text
RATE = 1e-3
OPTIMIZERS = {
    "Adagrad": optim.sparse_adagrad(RATE),
    "RMSprop": optim.sparse_rmsprop(RATE),
}


class Job(NamedTuple):
    """Step to compile.

    Attributes:
      program: Name of the series.
      topology: Name of a slice, such as "v5e:16x16".
      rows: Number of words, V.
      dim: Length of a row, D.
      optimizer: Key of ``OPTIMIZERS``.
      texts: Number of texts for each chip.
      data: Number of copies of the table.
    """

    program: str
    topology: str
    rows: int
    dim: int
    optimizer: str
    texts: int = TEXTS
    data: int = 1

    @property
    def n_chips(self) -> int:
        """Number of chips."""
        return int(np.prod(find_axes(self.topology)))

    @property
    def batch_size(self) -> int:
        """Number of texts of all chips, B."""
        return self.texts * self.n_chips


BIG, WIDE = (100_000_000, 128), (1_000_000_000, 32)
SLICES = ("v5e:4x4", "v5e:8x8", "v5e:16x16")
JOBS = [
    *[
        Job("large table", topology, *BIG, name)
        for topology in ("v5e:16x16", "v6e:16x16")
        for name in OPTIMIZERS
    ],
    *[Job("large table", "v6e:16x16", *WIDE, name) for name in OPTIMIZERS],
    *[Job("copies of a table", "v5e:16x16", *BIG, name, data=4) for name in OPTIMIZERS],
    # More rows than VMEM holds, so that the plan of the main memory has all of them.
    Job("large batch", "v5e:2x2", 4_000_000, 128, "RMSprop", 16 * TEXTS),
    *[
        Job("weak scaling", name, BIG[0] // 256 * int(np.prod(find_axes(name))), 128,
            "RMSprop")
        for name in SLICES
    ],
]  # fmt: skip


def compile_step(job: Job) -> dict[str, Any]:
    """Return the line of a job."""
    line: dict[str, Any] = {"what": WHAT, **job._asdict(), "chips": job.n_chips}
    line |= {"batch_size": job.batch_size, "length": LENGTH}
    start, cpu_start = time.perf_counter(), time.process_time()
    try:
        compiled = lower(job).compile()
    except Exception as error:  # XLA may refuse a program, and the next one compiles
        words = " ".join(str(error).split())[:300]
        return line | {"left_out": f"XLA does not compile it: {words}"}
    memory: Any = compiled.memory_analysis()
    seconds = time.perf_counter() - start, time.process_time() - cpu_start
    stored = list(parse(compiled.as_text() or "").stored())
    n_shards = job.n_chips // job.data
    size = Size(make_rules(job).pad(job.rows) // n_shards, job.dim, job.texts, LENGTH)
    program = parse(compiled.as_text() or "")
    collectives = list_collectives(stored)
    moved, copied = (
        sum(n for kind, _, n in collectives if kind == wanted)
        for wanted in ("all-to-all", "all-gather")
    )
    return line | {
        "argument_bytes": memory.argument_size_in_bytes,
        "alias_bytes": memory.alias_size_in_bytes,
        "temp_bytes": memory.temp_size_in_bytes,
        "temp_limit_bytes": 8 * size.n_ids * size.row_bytes,
        "shard_bytes": size.table_bytes,
        "shard_copies": find_tables(size, program, stored)["table_copies"],
        "collectives": collectives,
        "exchanged_bytes": moved,
        "copied_bytes": copied,
        "exchange_s": exchange_seconds(job.topology, moved, job.data)
        + copy_seconds(job.topology, copied, job.data),
        "compile_s": round(seconds[0], 1),
        "compile_cpu_s": round(seconds[1], 1),
        "versions": target.find_versions(),
    }


def make_rules(job: Job) -> dist.Rules:
    """Return the rules of a mesh of all chips."""
    devices = target.find_devices(job.topology)
    return dist.Rules(dist.make_mesh(data=job.data, devices=devices))


def lower(job: Job) -> Any:
    """Return the lowered step, with the state and a batch as shapes on the mesh."""
    rules = make_rules(job)
    model = nn.TextClassifier(nn.Embed(job.rows, job.dim), nn.DenseHead(), pool="mean")
    ids = shape_of((job.batch_size, LENGTH), jnp.int32)
    labels, mask = (shape_of((job.batch_size,), t) for t in (jnp.int32, jnp.bool_))
    table_tx = OPTIMIZERS[job.optimizer]
    plan, _ = train.make_plan(
        model, optax.sgd(RATE), ids, table_tx=table_tx, mesh=rules
    )

    def create(key: jax.Array) -> train.TrainState:
        return train.create_state(plan, ids, key=key, sparse=plan.tables)

    state = put(jax.eval_shape(create, jax.random.key(0)), rules, job.rows)
    batch = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=rules.batch),
        train.Batch(ids, labels, mask),
    )
    key = jax.eval_shape(lambda: jax.random.key(0))
    forms = jax.tree.map(lambda x: x.format, state)

    def step(state: Any, batch: train.Batch, key: jax.Array) -> Any:
        return train.step(plan, state, state.frozen, batch, key)

    jitted = jax.jit(step, donate_argnums=0, out_shardings=(forms, rules.whole))
    return jitted.lower(state, batch, key)


def put(state: Any, rules: dist.Rules, n_rows: int) -> Any:
    """Return shapes of a state on a mesh, in the memory formats of ``train.fit``."""

    def put_one(leaf: Any) -> Any:
        places = {1: rules.rows, 2: rules.table}
        is_stored = leaf.ndim > 0 and leaf.shape[0] == rules.pad(n_rows)
        place = places[leaf.ndim] if is_stored else rules.whole
        form = train.choose_formats({"embedding": leaf}, place)["embedding"]
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=form)

    return jax.tree.map(put_one, state)


def list_collectives(stored: Iterable[Instruction]) -> list[tuple[str, str, int]]:
    """Return kind, shape and bytes of the result of each collective of a program."""
    return [
        (kind, " ".join(map(str, each.arrays)), sum(x.n_bytes for x in each.arrays))
        for each in stored
        for kind in COLLECTIVES
        if each.opcode in (kind, f"{kind}-start")
    ]
