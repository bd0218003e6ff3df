"""Exceptions that end a command early: a mistake that the user can correct, a signal, or a pruned trial."""


class UserError(Exception):
    """A mistake in the user's request: in a key, an option, a file, a folder.

    The message names the thing at fault and says what to do about it, in one or two lines. Commands print it
    as ``error: <message>`` without a traceback, and exit with status 2.
    """


class Interrupted(BaseException):  # no Exception: code that continues after a failure must not continue after this
    """A signal ended the command, and all that a resume needs is on disk.

    Args:
        signal: The number of the signal.
        message: Where the command stopped, and how to resume.
    """

    def __init__(self, signal: int, message: str = "interrupted") -> None:
        super().__init__(signal, message)
        self.signal, self.message = signal, message

    def __str__(self) -> str:
        return self.message


class Pruned(Exception):  # noqa: N818 - as with a signal, nothing is wrong
    """A search ends a trial early because of its poor validation curve.

    Args:
        epoch: Number of epochs that the trial was trained for.
        value: The search's metric after these epochs.
    """

    def __init__(self, epoch: int, value: float) -> None:
        super().__init__(epoch, value)
        self.epoch, self.value = epoch, value

    def __str__(self) -> str:
        return f"pruned after {self.epoch} epochs, at {self.value:.4g}"


def reason_of(error: BaseException) -> str:
    """Return the message of a `UserError`; of another exception its type and the first line of its message."""
    if isinstance(error, UserError):
        return str(error)
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__
