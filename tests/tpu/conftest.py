"""Fixtures of the tests of programs for TPUs: compile one, and find its figures."""

import functools

import pytest

from benchmarks.tpu import target
from benchmarks.tpu.facts import find_facts
from benchmarks.tpu.programs import Job


@functools.cache
def compile_job(job: Job) -> dict:
    """Return the figures of a program, which tests share."""
    case = job.build()
    compiled = target.compile_for(
        job.generation, case.function, case.arguments, donate=case.donate
    )
    return find_facts(case, compiled) | {"dense": case.dense}


@pytest.fixture
def find_figures():
    return compile_job
