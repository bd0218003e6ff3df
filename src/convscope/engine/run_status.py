"""How a training ended that is not complete, noted in its folder."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from convscope.distributed.processes import Processes
from convscope.errors import Interrupted, Pruned
from convscope.runs.files import readable_path
from convscope.runs.run_folder import RunFolder


@contextmanager
def record_status(folder: RunFolder, processes: Processes) -> Iterator[None]:
    """``status.json`` for a training that ends before its time: pruned, interrupted or failed, and why.

    Raises:
        Exception: What the body raised, or, where that is a consequence of it, what went wrong in another process.
        Interrupted: The body was; says how to go on.
    """
    try:
        yield
    except BaseException as raised:
        error = processes.cause(raised)
        if not processes.is_rank_zero or not isinstance(error, Exception | Interrupted):
            raise
        if isinstance(error, Pruned):
            folder.write_status("pruned", message=str(error))
            raise
        if not isinstance(error, Interrupted):
            folder.write_status("failed", message=f"{type(error).__name__}: {error}")
            if error is raised:
                raise
            raise error from None
        how = f"convscope train resume={readable_path(folder.path)}"
        folder.write_status("interrupted", signal=signal.Signals(error.signal).name, resume=how)
        raise Interrupted(error.signal, f"interrupted: {folder.path}; to go on: {how}") from error
