"""Causes of failed tasks are whole sentences whatever the records lack."""

import dataclasses

import pytest

from utils.jobs.files import JobFiles, Spec
from utils.jobs.report import cause_of

SPEC = Spec(tasks=1, log="log/a.{JOB}.log", argv=["true"], cwd="/", stage_inputs="", environment={}, threads=1,
            memory=90 * 2**20, seconds=None, commit="")


@pytest.mark.parametrize(("memory", "peak", "text"), [
    (90 * 2**20, 168 * 2**20, "memory: used 168 MB of the 90 MB of --mem; ask for more with --mem"),
    (90 * 2**20, 0, "memory: used more than the 90 MB of --mem; ask for more with --mem"),
    (None, 168 * 2**20, "memory: used 168 MB, more than the scheduler's limit; ask for more with --mem"),
    (None, 0, "memory: used more than the scheduler's limit; ask for more with --mem")])
def test_memory(memory, peak, text):
    files = JobFiles(dataclasses.replace(SPEC, memory=memory))
    assert cause_of({"state": "running", "peak_memory": peak}, files, "memory") == text
