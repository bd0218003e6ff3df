"""Records in the run's folder why a training ended before it was complete."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from convscope.distributed.processes import Processes
from convscope.errors import Interrupted, Pruned
from convscope.runs.files import readable_path
from convscope.runs.run_folder import RunFolder


@contextmanager
def record_status(folder: RunFolder, processes: Processes) -> Iterator[None]:
    """Write ``status.json`` if the body is pruned, interrupted or fails, and raise its exception again.

    Raises:
        Exception: The exception of the body, or that of another process if the body only failed as a consequence.
        Interrupted: A signal ended the body; the message says how to resume the run.
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
        resume_command = f"convscope train resume={readable_path(folder.path)}"
        folder.write_status("interrupted", signal=signal.Signals(error.signal).name, resume=resume_command)
        raise Interrupted(error.signal, f"interrupted: {folder.path}; resume with: {resume_command}") from error
