"""Signals that ask for an end: SLURM's time limit and preemption, or a person's Ctrl-C or ``kill``."""

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
STEPS_TOGETHER = 8  # steps after which several processes ask each other: each time they wait for the slowest
TOGETHER = 5.0  # seconds within which signals are one wish: a scheduler may tell all processes, and each its children


class Preemption:
    """Heeds SIGINT, SIGTERM, SIGUSR1 and SIGUSR2: at once, or, where a training holds them off, between two steps.

    Attributes:
        received: The first signal that came.
        before: What handled each signal before.
        largest: Where several processes train together: the largest of the numbers that they bring.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.before: dict[signal.Signals, Callable[..., Any] | int | None] = {}
        self.all_reduce_max: Callable[[int], int] | None = None
        self._held_off = False
        self._since = 0.0
        self._steps = 0

    @contextmanager
    def installed(self) -> Iterator["Preemption"]:
        """Heed the signals within; only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        # Whoever started this process to ignore a terminal's Ctrl-C tells it otherwise.
        self.before = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
        self._install()
        try:
            yield self
        finally:
            for number, handler in self.before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def defer(self) -> None:
        """From now on whoever trains asks for `received`, after every step.

        The handlers are set again: Lightning's Trainer puts one of its own before them, which ends the process
        where nothing is saved.
        """
        self._held_off = True
        if self.before:
            self._install()

    def requested(self, now: bool = False) -> bool:
        """Whether a signal came, to any process. Of several processes all must ask, after the same steps.

        They ask each other after every few steps, and ``now``.
        """
        if self.all_reduce_max is not None:
            self._steps += 1
            if not now and self._steps % STEPS_TOGETHER:
                return False
            number = self.all_reduce_max(self.received or 0)
            if number:
                self.received = signal.Signals(number)
            return number != 0
        return self.received is not None

    def stop_deferring(self) -> None:
        """Heed signals at once again.

        Raises:
            Interrupted: One came in the meantime.
        """
        self._held_off = False
        if self.received is not None:
            raise Interrupted(self.received)

    def _install(self) -> None:
        for number in self.before:
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.received is None:
            self.received, self._since = signal.Signals(number), time.monotonic()
        elif time.monotonic() - self._since < TOGETHER:
            return
        else:
            self._held_off = False  # who asks twice does not want to wait
        if not self._held_off:
            raise Interrupted(self.received)
