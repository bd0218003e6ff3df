"""Signals that request an end: SLURM's time limit and preemption, or a person's Ctrl-C or ``kill``."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from convscope.errors import Interrupted

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGUSR2") if hasattr(signal, name)
)  # Windows has only the first two
STEPS_BETWEEN_CHECKS = 8  # of several processes, which wait for the slowest at each check
# Signals within these seconds are one request: a scheduler may signal all processes, and each of them its children.
SAME_REQUEST_SECONDS = 5.0


class Preemption:
    """Handles SIGINT, SIGTERM, SIGUSR1 and SIGUSR2: at once, or between two steps while a training defers them.

    Attributes:
        received: The first signal that came.
        previous_handlers: What handled each signal before.
        all_reduce_max: Returns the maximum of a number over all processes; None if there is one process.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.previous_handlers: dict[signal.Signals, Callable[..., Any] | int | None] = {}
        self.all_reduce_max: Callable[[int], int] | None = None
        self._deferred = False
        self._received_at = 0.0
        self._steps = 0

    @contextmanager
    def installed(self) -> Iterator["Preemption"]:
        """Handle the signals within the context.

        Do nothing outside the main thread, where Python allows no handlers.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        # A signal that this process was started to ignore, as a background job ignores Ctrl-C, stays ignored.
        self.previous_handlers = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
        self._install()
        try:
            yield self
        finally:
            for number, handler in self.previous_handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def defer(self) -> None:
        """Defer the signals: from now on the training checks `requested` after every step.

        The handlers are set again: Lightning's Trainer installs one of its own over them, which ends the process
        without saving anything.
        """
        self._deferred = True
        if self.previous_handlers:
            self._install()

    def requested(self, now: bool = False) -> bool:
        """Return whether a signal came, to any process. All processes must call this, after the same steps.

        Several processes exchange their signals every few steps, and if ``now`` is set.
        """
        if self.all_reduce_max is not None:
            self._steps += 1
            if not now and self._steps % STEPS_BETWEEN_CHECKS:
                return False
            number = self.all_reduce_max(self.received or 0)
            if number:
                self.received = signal.Signals(number)
            return number != 0
        return self.received is not None

    def stop_deferring(self) -> None:
        """Handle signals at once again.

        Raises:
            Interrupted: A signal came while they were deferred.
        """
        self._deferred = False
        if self.received is not None:
            raise Interrupted(self.received)

    def _install(self) -> None:
        for number in self.previous_handlers:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._received_at = signal.Signals(number), time.monotonic()
        elif time.monotonic() - self._received_at < SAME_REQUEST_SECONDS:
            return
        else:
            self._deferred = False  # whoever sends a second signal does not want to wait
        if not self._deferred:
            raise Interrupted(self.received)
