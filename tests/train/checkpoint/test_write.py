"""write: a step is on the disk whole, or not at all; a full disk is one plain line."""

import errno
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from jaxembed import train

RNG = np.random.default_rng(0)


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 3 MB, where the user may do so."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_disk(small_disk):
    path = small_disk / "model"
    small, large = {"a": RNG.random(100_000)}, {"a": RNG.random(450_000)}
    train.save(path, small)
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is full: ") as caught:
            train.save(path, large, {"n": 1}, overwrite=True)
        assert caught.value.errno == errno.ENOSPC
        message = str(caught.value)
        assert (
            message.endswith(
                "The earlier saves are unchanged. Free some space, or "
                "give another path."
            )
            and "\n" not in message
        )
        pattern = f"{path} needs ([0-9,]+) bytes, and ([0-9,]+) are free"
        (numbers,) = re.findall(pattern, message)
        needed, free = (int(number.replace(",", "")) for number in numbers)
        assert 3_600_000 < needed < 3_601_000 and free < 3 << 20
        assert [entry.name for entry in path.iterdir()] == ["0"]
        np.testing.assert_array_equal(train.restore(path)[0]["a"], small["a"])
    train.save(path, {"a": RNG.random(9)}, {"n": 2}, overwrite=True)
    assert train.restore(path)[1] == {"n": 2}


LIMITED = """
    import resource, signal, sys
    import numpy as np
    from jaxembed import train
    state = {"a": np.random.default_rng(0).random(300_000)}
    train.save(sys.argv[1], {"a": np.ones(9)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, 1_500_000))
    try:
        train.save(sys.argv[1], state, overwrite=True)
    except OSError as error:
        print(error.errno, error)
    print(train.restore(sys.argv[1])[0]["a"].tolist())
"""


def test_a_limit_of_the_size_of_files(tmp_path):
    """Print the error only: the threads of Orbax print and log nothing."""
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{errno.EFBIG} [Errno {errno.EFBIG}] the file is larger")
    assert "x needs 2,400," in first and second == str([1.0] * 9)
    assert done.stderr == ""


def test_a_step_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """Record which files are flushed, and when the folder is renamed."""
    path, events = tmp_path / "model", []
    fsync, rename = os.fsync, os.rename

    def record_fsync(descriptor):
        events.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        fsync(descriptor)

    def record_rename(source, target, **settings):
        events.append((str(source), str(target)))
        rename(source, target, **settings)

    train.save(path, {"a": np.ones(9)})
    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "rename", record_rename)
    train.save(path, {"a": np.ones(9)}, overwrite=True)
    unfinished, step = f"{path}/1.orbax-checkpoint-tmp", path / "1"
    place = events.index((unfinished, str(step)))
    files = {str(file.relative_to(step)) for file in step.rglob("*")}
    flushed = {os.path.relpath(name, unfinished) for name in events[:place]}
    assert files | {"."} == flushed and str(path) in events[place:]
