"""A progress bar for reading a data set, shown if that takes long."""

import sys
import time

SHOW_AFTER = 2.0  # seconds until the bar is shown


class Progress:
    """Shows a progress bar on stderr, if that is a terminal, after `SHOW_AFTER` seconds; removes it at the end.

    Args:
        description: What is done.
        total: Number of examples.
    """

    def __init__(self, description: str, total: int) -> None:
        self._description, self._total = description, total
        self._done = 0
        self._started = time.monotonic()
        self._hide = lambda: None
        self._update = lambda done: None
        self._may_show = sys.stderr.isatty()

    def __enter__(self) -> "Progress":
        return self

    def advance(self, examples: int) -> None:
        """Count ``examples`` more."""
        self._done += examples
        if self._may_show and time.monotonic() - self._started > SHOW_AFTER:
            self._may_show = False
            self._start()
        self._update(self._done)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        bar = Progress(console=Console(stderr=True), transient=True)
        task = bar.add_task(self._description, total=self._total)
        self._update = lambda done: bar.update(task, completed=done)
        self._hide = bar.stop
        bar.start()

    def __exit__(self, *error: object) -> None:
        self._hide()
