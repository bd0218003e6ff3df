"""The peak of a process's memory."""

import re
import resource
from pathlib import Path


def peak_mib() -> float:
    """Return the peak resident memory of this process in MiB.

    Linux's ``VmHWM`` is preferred: ``ru_maxrss`` begins at the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return (int(match[1]) if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024
