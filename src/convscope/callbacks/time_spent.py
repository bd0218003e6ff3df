"""What looking into a network costs beside training it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class TimeSpent:
    """Seconds by what they were spent on; hand one to every callback that looks."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def on(self, name: str) -> Iterator[None]:
        """Count the body's seconds for ``name``, also when it raises."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    @property
    def total(self) -> float:
        """Seconds of everything."""
        return sum(self.seconds.values())

    def said(self, run: float) -> str:
        """In a line, beside the ``run`` seconds of the whole."""
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.seconds.items())
        return f"looking into the network took {self.total:.1f} s, {self.total / run:.1%} of the run ({parts})"
