"""Fuzz tests: their share of the time limit, and a report at the end.

A fuzz test takes the fixture ``rounds``, and tries one example per random generator:

    for rng in rounds(seed=1):
        path.write_bytes(mutate(data, rng))
        with rounds.refusals(ValueError, OSError):
            load(path)

Without JAXEMBED_FUZZ_SECONDS a test tries 40 examples. With it, all fuzz tests together
take so many seconds: ``make fuzz SECONDS=3600``.
"""

import pytest

from tests.fuzz._rounds import VARIABLE, Rounds, find_share, summarize

N_TESTS = pytest.StashKey[int]()
TALLIES = pytest.StashKey[list[Rounds]]()
TALLY = pytest.StashKey[Rounds]()


def pytest_collection_finish(session):
    names = [item for item in session.items if "rounds" in item.fixturenames]
    session.config.stash[N_TESTS] = len(names)
    session.config.stash[TALLIES] = []


@pytest.fixture
def rounds(request):
    """Return the examples of this fuzz test."""
    share = find_share(request.config.stash[N_TESTS])
    tally = request.node.stash[TALLY] = Rounds(request.node.name, share)
    request.config.stash[TALLIES].append(tally)
    return tally


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Add the seed of the failing example to the report of a test."""
    report = yield
    if report.failed and TALLY in item.stash:
        report.sections.append(
            ("Fuzz", f"seed of the example: {item.stash[TALLY].seed}")
        )
    return report


def pytest_terminal_summary(terminalreporter, config):
    tallies = config.stash.get(TALLIES, [])
    if tallies and find_share(1) is not None:
        terminalreporter.section(f"fuzz tests, {VARIABLE}={find_share(1):g}")
        n_failed = len(terminalreporter.stats.get("failed", []))
        for line in summarize(tallies, n_failed):
            terminalreporter.line(line)
