"""glibc's allocator, told to keep what a network will ask for again at the next step."""

import ctypes
import gc
import sys
from contextlib import suppress

# From malloc.h
_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_MAX = -4


def tune_allocator() -> bool:
    """Make glibc keep freed memory instead of giving each large tensor back to the kernel.

    Without it every large tensor is mapped afresh, and the page faults cost more than the arithmetic. To be called
    before anything large is allocated. The price is that memory once used stays with the process.

    Returns:
        Whether it was done; false where the C library is not glibc.
    """
    if sys.platform != "linux":
        return False
    try:
        libc = ctypes.CDLL("libc.so.6")
        done = [
            libc.mallopt(_M_MMAP_MAX, 0),
            libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1),
            libc.mallopt(_M_TOP_PAD, 500_000_000),
        ]
    except (OSError, AttributeError):
        return False
    return all(done)


def give_back_freed() -> None:
    """Collect garbage, and give what lies free within the process's memory back to the kernel, where that is glibc's.

    Between the jobs of a sweep, whose networks (which refer to themselves) and holes would otherwise add up.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
