"""Freed memory is kept: page faults are counted, which the clock of a busy machine would not tell."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROUNDS = """
import resource
from qebench.common import memory
if {keep}:
    memory.keep()
for number in range(21):
    arrays = [b"x" * 2**20 for _ in range(8)]
    del arrays
    if number == 0:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="mallopt is glibc's")
def test_memory_that_is_kept_is_faulted_in_once():
    kept, given_back = (
        int(subprocess.check_output([sys.executable, "-c", ROUNDS.format(keep=keep)], cwd=ROOT))
        for keep in (True, False)
    )
    pages = 20 * 8 * 2**20 // 4096  # of all rounds but the first
    assert given_back > pages / 4
    assert kept < pages / 100
