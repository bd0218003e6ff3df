"""What a tracker has of a run that is resumed: which rows it lacks, and which it must not be sent twice."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Row = tuple[int, dict[str, float]]  # step, scalars


class Replay:
    """Compares what a tracker has with what the resumed run keeps, since a kill leaves either with more.

    A tracker from which nothing can be deleted has the rows that followed the checkpoint, and the resumed run logs
    them again; what waited in memory when the process was killed it never got.

    Args:
        known: Name and step of everything that the tracker has; a pair may be there several times.
    """

    def __init__(self, known: Iterable[tuple[str, int]] = ()) -> None:
        self._ahead = Counter(known)

    def missing(self, kept: Iterable[Row]) -> list[Row]:
        """The rows, each without what the tracker has of it, that it lacks of those that the resumed run keeps."""
        return [(step, lacking) for step, values in kept if (lacking := self.new(values, step))]

    def new(self, values: Mapping[str, Any], step: int) -> dict[str, Any]:
        """``values`` without those that the tracker has already; each of these is left out once."""
        if not self._ahead:
            return dict(values)
        return {name: value for name, value in values.items() if not self._take((name, step))}

    def _take(self, key: tuple[str, int]) -> bool:
        if self._ahead[key] == 0:
            del self._ahead[key]
            return False
        self._ahead[key] -= 1
        return True
