"""The warnings of a training, for the console and for its summary."""

from convscope.console import warn


class RunWarnings:
    """Prints each warning once, and keeps it for the summary.

    Attributes:
        texts: The warnings so far.
    """

    def __init__(self) -> None:
        self.texts: list[str] = []

    def add(self, text: str, *, printed: bool = False) -> None:
        """Print and keep a warning, unless it is known; one that is ``printed`` already is only kept."""
        if text in self.texts:
            return
        self.texts.append(text)
        if not printed:
            warn(text)
