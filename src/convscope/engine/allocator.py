"""Settings of glibc's allocator: memory that one training step frees is kept for the next step."""

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

    Otherwise the kernel maps every large tensor afresh, and the page faults cost more than the arithmetic. Call it
    before anything large is allocated. The price is that the process keeps all memory that it once used.

    Returns:
        Whether all settings were accepted; False if the C library is not glibc.
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
    """Collect garbage, and return the free memory of the process to the kernel if the C library is glibc.

    A sweep calls it between its jobs. Otherwise their networks (which contain reference cycles) and the holes in the
    heap would add up.
    """
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
