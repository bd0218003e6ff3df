"""What ends a command early: a mistake that the user can mend, a signal, or a search that has seen enough."""


class UserError(Exception):
    """A mistake in what the user asked for: a key, an option, a file, a folder.

    The message names the thing at fault and says what to do about it, in one or two lines. Commands print it
    as ``error: <message>`` without a traceback, and exit with status 2.
    """


class Interrupted(BaseException):  # no Exception: whoever goes on after a failure must not go on after this
    """A signal asked for an end, and what is needed to go on is on the disk.

    Args:
        signal: Its number.
        message: Where it stopped, and how to go on.
    """

    def __init__(self, signal: int, message: str = "interrupted") -> None:
        super().__init__(signal, message)
        self.signal, self.message = signal, message

    def __str__(self) -> str:
        return self.message


class Pruned(Exception):  # noqa: N818 - as with a signal, nothing is wrong
    """A search ends a trial whose validation curve leaves no hope.

    Args:
        epoch: Epochs that it was trained for.
        value: The search's metric then.
    """

    def __init__(self, epoch: int, value: float) -> None:
        super().__init__(epoch, value)
        self.epoch, self.value = epoch, value

    def __str__(self) -> str:
        return f"pruned after {self.epoch} epochs, at {self.value:.4g}"
