"""The memory of a sweep's job is returned to the kernel after it, although the allocator is set to keep memory."""

import platform
import subprocess
import sys

import pytest

PROGRAM = """
import gc
from convscope.engine.allocator import give_back_freed, tune_allocator

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

class Cycle:
    def __init__(self):
        self.itself, self.memory = self, bytearray(b"1" * 2**20)

assert tune_allocator()
gc.disable()
before = resident()
cycles = [Cycle() for _ in range(200)]
last = bytearray(b"1" * 2**20)  # above them all: the heap cannot shrink from its end
del cycles
used = resident()
give_back_freed()
print(before, used, resident())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="tells glibc's allocator")
def test_memory_between_jobs_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300, check=True)
    before, used, after = map(float, done.stdout.split())
    assert used - before > 190
    assert after - before < 20
