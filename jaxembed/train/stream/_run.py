"""Run: the epochs of a training on a stream of batches."""

import dataclasses
import hashlib
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from jaxembed.train._history import History
from jaxembed.train._run import Run
from jaxembed.train._step import Batch
from jaxembed.train.checkpoint._identity import fingerprint
from jaxembed.train.checkpoint._resume import Progress, Saver
from jaxembed.train.sharded._parts import find_share
from jaxembed.train.sharded._shards import settle
from jaxembed.train.sharded._words import in_words, to_shapes
from jaxembed.train.stream._checker import Checker
from jaxembed.train.stream._prefetch import prefetch
from jaxembed.train.stream._program import (
    StreamPrograms,
    are_finite,
    start_sums,
)
from jaxembed.train.stream._source import Item, Source
from jaxembed.train.stream._spread import Spreader

# Steps between two looks at the losses and at ``stop``, without ``save_every``.
STEPS = 256


@dataclasses.dataclass
class StreamRun(Run):
    """Epochs of a run whose batches come from an iterable.

    Attributes:
      programs: the compiled steps.
      source: the batches.
      checker: checks of the batches.
      spreader: copies of the batches to the devices.
    """

    source: Source = None  # type: ignore[assignment]
    checker: Checker = None  # type: ignore[assignment]
    spreader: Spreader = Spreader()
    _batches: Iterator | None = None
    _is_resumed: bool = True  # until the first batch was read

    @property
    def streams(self) -> StreamPrograms:
        """The compiled steps."""
        return self.programs  # type: ignore[return-value]

    def prepare(self, run: Progress) -> None:
        """Unfreeze tables if the next steps train them."""
        if 0 < self.plan.unfreeze_after <= len(run.history) and self._is_frozen(
            run.state
        ):
            self._unfreeze(run)

    def advance(self, run: Progress) -> bool:
        """Train on the next ``save_every`` batches, or to the end of the epoch.

        Returns:
          Whether the epoch is finished. Its metrics are then in the history.
        """
        history, epoch, start = run.history, len(run.history), time.perf_counter()
        compile_s, sums, n, is_end = 0.0, start_sums(), 0, False
        most = self.streams.save_every or STEPS
        if self._batches is None:
            self._batches = self._read(run)
        try:
            while n < most and not is_end:
                found = next(self._batches, None)
                if found is None:
                    is_end = True
                    break
                batch, is_end, state = found
                program, name = self.streams.find(run.state, batch, epoch)
                if program is None:
                    begin = time.perf_counter()
                    traced = self.streams.trace(run.state, batch, epoch)
                    program = self.streams.compiled[name] = traced.lower().compile()
                    compile_s += time.perf_counter() - begin
                arguments = self.streams.arguments(run.state, sums, batch, epoch)
                frozen = run.state.frozen
                after, sums = settle(program(*arguments))
                run.state, n = after.replace(frozen=frozen), n + 1
                run.place = {"n_batches": run.n_batches + 1, "state": state}
        except BaseException:
            self.close()
            raise
        self._count(run, sums, n, is_end)
        if is_end:
            self.close()
            found = self._validate(run.state)
            history.append(**{f"val_{name}": x for name, x in found.items()})
        history.seconds["compile"] += compile_s
        history.seconds["run"] += time.perf_counter() - start - compile_s
        return is_end

    def close(self) -> None:
        """End the thread that reads ahead."""
        if self._batches is not None:
            self._batches.close()  # type: ignore[attr-defined]
            self._batches = None

    def _read(self, run: Progress) -> Iterator:
        """Yield batches on the device, whether each is the last, and the place after.

        The place is that of the iterator, where the run will be saved.
        """
        place = run.place or {}
        epoch, n_done = len(run.history), run.n_steps
        n_before = place.get("n_batches", 0) if self._is_resumed else 0
        is_inside = n_done > 0 or self.source.reads_on
        state = place.get("state") if self._is_resumed and is_inside else None
        self._is_resumed = False
        every = self.streams.save_every
        n_read = n_done

        def prepare(item: Item) -> tuple[Batch, bool, Any]:
            nonlocal n_read
            n_read += 1
            name = f"batch {n_read} of epoch {epoch + 1}:"
            batch = self.checker.check(item.arrays, name)
            is_save = item.is_last or every is not None and n_read % every == 0
            after = self.source.get_state() if is_save else None
            return self.spreader.put(batch, name), item.is_last, after

        return prefetch(self.source.read(epoch, n_done, state, n_before), prepare)

    def _count(self, run: Progress, sums: tuple, n: int, is_end: bool) -> None:
        """Add the sums of ``n`` steps to the run, and check that they are finite."""
        metrics, _, first_bad = jax.device_get(sums)
        pairs = zip(run.sums, metrics, strict=True)
        totals = tuple(before + float(found) for before, found in pairs)
        bad = int(first_bad)
        masks = self.streams.inputs.trainable_rows
        if bad < 0 and not are_finite(run.state.replace(frozen={}), masks):
            bad = n
        if is_end or bad >= 0:
            loss, correct, n_examples = totals
            run.history.append(loss=loss / n_examples, accuracy=correct / n_examples)
            self._check_finite(run.history, bad if bad < 0 else run.n_steps + bad)
        n_steps = run.n_steps + n
        run.n_steps, run.sums = (0, Progress.sums) if is_end else (n_steps, totals)

    def _check_finite(self, history: History, first_bad: int) -> None:
        if not history.is_finite(first_bad):
            remedy = "lower the learning rate, or check the initial weights for NaN"
            raise FloatingPointError(history.describe_nan(first_bad, remedy))

    def make_saver(
        self, checkpoint: str | Path | None, stopping: Mapping[str, object]
    ) -> Saver:
        """Return the :class:`Saver` of the run, with the identity of the run."""
        if checkpoint is None:
            return Saver()
        first = self.checker.check(self.source.first, "the first batch:")
        first = self.spreader.join(first)
        streams, initial = self.streams, in_words(self.initial)
        settings = {
            "program": self._describe_step(first),
            "unfreeze_after": self.plan.unfreeze_after,
            "save_every": streams.save_every,
            "steps_per_epoch": self.source.steps_per_epoch,
            "sparse": sorted(map(list, self.sparse)),
            **stopping,
        }
        arrays = {
            "first batch": first,
            "validation and masks": streams.inputs.in_words(self.plan.shards),
            "initial weights": initial.variables,
            "initial optimizer state": (initial.opt_state, initial.table_states),
        }
        path = Path(checkpoint).absolute()  # as Orbax needs
        identity = fingerprint(streams.key, arrays, settings)
        return Saver(
            path, identity, self.spreader.is_joint, find_share(self.plan.rules)
        )

    def _describe_step(self, first: Batch) -> str:
        """Return a digest of the step as a program of one device."""
        streams, initial = self.streams, self.initial
        if self.plan.shards is not None:
            plan = dataclasses.replace(self.plan, shards=None)
            inputs = to_shapes(streams.inputs.in_words(self.plan.shards))
            streams = streams._replace(plan=plan, inputs=inputs)
            initial = to_shapes(in_words(initial)).replace(shards=None)
        program = streams.trace(initial, to_shapes(first), 0)
        text = program.lower(lowering_platforms=("cpu",)).as_text()
        return hashlib.sha256(text.encode()).hexdigest()
