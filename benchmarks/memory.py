"""The peak of a process's memory."""

import re
import resource
from pathlib import Path


def peak_mib() -> float:
    """MiB that this process has held at most.

    Not ``ru_maxrss`` where Linux tells better: that begins at the peak of the process that started this one.
    """
    status = Path("/proc/self/status")
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text()) if status.is_file() else None
    return (int(found[1]) if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024
