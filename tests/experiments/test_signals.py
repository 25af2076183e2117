"""Signals: an interrupted experiment ends with one line, and resumes."""

import json
import random
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTHING = "interrupted: nothing is saved, and the same command starts again\n"
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}
SYNTHETIC = ("--data", "synthetic", "--num-words", "300", "--epochs", "5")
COMMANDS = {
    "imdb_learned": SYNTHETIC,
    "few_reviews": (*SYNTHETIC, "--table", "fine-tuned", "--unfreeze-after", "2")
    + ("--vectors", "ppmi", "--ppmi-dim", "8", "--keep-best"),
    "replicates": (*SYNTHETIC, "--arms", "learned", "--draws", "24", "--dim", "8")
    + ("--n-train", "50", "--n-parallel", "1", "--vectors", "ppmi", "--ppmi-dim", "8"),
}


pytestmark = pytest.mark.usefixtures("handle_interrupts")


def run_code(code):
    """Run lines of a process that has begun as ``python -m experiments.NAME``."""
    start = "import os, signal, sys, time; sys.argv = ['-m']; import experiments\n"
    return subprocess.run(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("number", STATUS, ids=lambda number: number.name)
def test_a_signal_before_training_ends_the_process_at_once(number):
    done = run_code(f"""
        print("before")
        assert "jax" not in sys.modules and "numpy" not in sys.modules
        os.kill(os.getpid(), {number})
        time.sleep(60)
    """)
    assert (done.returncode, done.stdout, done.stderr) == (
        *(STATUS[number], "before\n", NOTHING),
    )


def test_the_first_signal_waits_for_the_save_and_the_second_does_not(tmp_path):
    code = f"""
        from pathlib import Path
        from experiments import _process
        path = Path({str(tmp_path / "journal.json")!r})
        with _process.training(path):
            os.kill(os.getpid(), signal.SIGTERM)
            while not _process.is_interrupted():
                time.sleep(0.01)
            path.write_text("saved")
    """
    resumes = f"interrupted: the same command resumes from {tmp_path}/journal.json\n"
    done = run_code(code)
    assert (done.returncode, done.stderr) == (143, resumes)
    assert (tmp_path / "journal.json").read_text() == "saved"
    second = "            os.kill(os.getpid(), signal.SIGINT); time.sleep(60)\n"
    done = run_code(f"{code.rstrip()}\n{second}")
    assert (done.returncode, done.stderr) == (130, resumes)


def test_a_signal_that_the_parent_ignores_is_ignored():
    """Check the case of ``nohup`` and of a command in the background of a script."""
    code = "import signal, os; signal.signal(2, signal.SIG_IGN); os.execv({0!r}, {1!r})"
    child = [sys.executable, "-c", "import sys; sys.argv = ['-m']; import experiments"]
    child[-1] += "; import os; os.kill(os.getpid(), 2); print('lives')"
    done = subprocess.run(
        [sys.executable, "-c", code.format(sys.executable, child)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "lives\n", "")


def test_a_signal_after_the_results_is_ignored():
    """Check the end of Python, which restores the default handlers."""
    done = run_code("""
        from experiments import _process
        _process.ignore_signals()
        for number in _process.SIGNALS:
            os.kill(os.getpid(), number)
        class Late:
            def __del__(self, kill=os.kill, pid=os.getpid()):
                kill(pid, 15)
        sys.late = Late()
    """)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("package", ["jax", "optax"])
def test_a_missing_package_is_one_line(package):
    done = run_code(f"sys.modules[{package!r}] = None; import experiments.imdb_learned")
    message = f"error: {package} is not installed: pip install '.[cli,plot]'\n"
    assert (done.returncode, done.stderr) == (1, message)


def start(name, folder):
    command = [sys.executable, "-m", f"experiments.{name}", *COMMANDS[name]]
    return subprocess.Popen(
        [*command, "--out", folder / "out", "--cache", folder.parent / "cache"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_handler(process):
    """Wait until the process handles SIGTERM, which Python alone does not."""
    status = Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        caught = re.search(r"SigCgt:\s*(\w+)", status.read_text())
        if caught and int(caught[1], 16) >> (signal.SIGTERM - 1) & 1:
            return


def finish(name, folder):
    """Run an experiment to its end, and return its results without seconds."""
    process = start(name, folder)
    printed, errors = process.communicate()
    assert (process.returncode, errors) == (0, ""), printed
    metrics = json.loads((folder / "out" / "metrics.json").read_text())
    assert metrics.pop("seconds") and metrics["config"].pop("out")
    return metrics, printed


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "number", "line"),
    [
        ("imdb_learned", signal.SIGINT, "epoch  2"),
        ("few_reviews", signal.SIGTERM, "epoch  3"),
        ("replicates", signal.SIGINT, "4,000"),
    ],
)
def test_an_interrupted_experiment_resumes(tmp_path, name, number, line):
    process = start(name, tmp_path / "interrupted")
    for printed in process.stdout:
        if printed.startswith(line):
            break
    save = tmp_path / "interrupted" / "out" / "unfinished"
    while name == "replicates" and not list(save.glob("*.json")):
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == STATUS[number]
    resumes = "interrupted: the same command resumes from "
    assert errors.startswith(f"{resumes}{save}/")
    assert errors.count("\n") == 1
    resumed, printed = finish(name, tmp_path / "interrupted")
    assert "epoch  1" not in printed
    assert resumed == finish(name, tmp_path / "whole")[0]
    # A finished run is reported without training.
    again, printed = finish(name, tmp_path / "whole")
    assert again == resumed
    line = re.search(r"trained before: (.*); to train again, remove it", printed)
    assert line and Path(line[1]).parent == tmp_path / "whole" / "out" / "finished"
    assert Path(line[1]).exists()
    assert "\nepoch " not in printed


@pytest.mark.long
@pytest.mark.parametrize("name", COMMANDS)
def test_signals_at_random_moments(tmp_path, name):
    """Interrupt one run again and again, until it has ended."""
    whole, _ = finish(name, tmp_path / "whole")
    rng, statuses = random.Random(0), []
    while not statuses or statuses[-1]:  # later signals let more of the run pass
        number = (signal.SIGINT, signal.SIGTERM)[len(statuses) % 2]
        process = start(name, tmp_path / "interrupted")
        wait_for_handler(process)
        time.sleep(rng.uniform(0.0, 2.0 * len(statuses) + 2.0))
        process.send_signal(number)
        _, errors = process.communicate()
        statuses.append(process.returncode)
        if process.returncode:
            assert process.returncode == STATUS[number], errors
            assert errors.startswith("interrupted: ") and errors.count("\n") == 1
    assert len(statuses) > 1
    metrics = json.loads((tmp_path / "interrupted/out/metrics.json").read_text())
    assert metrics.pop("seconds") and metrics["config"].pop("out")
    assert metrics == whole
