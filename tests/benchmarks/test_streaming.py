"""Benchmark of streams: the memory of processes, and the same bits after a kill."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import streaming

PROC = Path("/proc/self/status").exists()
needs_proc = pytest.mark.skipif(not PROC, reason="needs /proc of Linux")


@needs_proc
@pytest.mark.long
def test_a_killed_training_has_the_same_bits(read_lines, tmp_path):
    arguments = ["--gigabytes", "0.002", "--folder", str(tmp_path), "--no-table"]
    streaming.main(arguments)
    tokenized, trained = read_lines()
    assert tokenized["what"] == "streaming: tokenize" and tokenized["n_texts"] > 1000
    assert trained["same_bits"] and trained["saves_before_kill"] >= 1
    for line in (tokenized, trained):
        assert 50e6 < line["peak_memory_bytes"] < line["limit_bytes"]
    with pytest.raises(SystemExit, match="the peak is"):
        streaming.check([10, 20], 15, {"same_bits": True})
    with pytest.raises(SystemExit, match="bits differ"):
        streaming.check([10], 15, {"same_bits": False})


@needs_proc
def test_memory_of_children_counts():
    program = "import sys; a = bytearray(80_000_000); print(1, flush=True); input()"
    before = streaming.count_memory(os.getpid())
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdout.readline()
    grown = streaming.count_memory(os.getpid()) - before
    process.communicate("\n")
    assert 80e6 < grown < 130e6
    assert streaming.count_memory(2**30) == 0


def test_texts_are_changed_reviews_up_to_a_size():
    labels = []
    reviews = ["a good film", "so bad"]
    found = streaming.make_texts(reviews, np.array([1, 0]), 500, labels)
    texts = list(found)
    assert 500 <= sum(map(len, texts)) < 530
    assert len(set(texts)) > len(texts) / 2
    for text, label in zip(texts, labels, strict=True):
        letters = sorted(
            text.split(" new")[0] + text.split(" new")[1].lstrip("0123456789")[1:]
        )
        assert letters == sorted(reviews[1 - label])
