"""Compares the scalars that a tracker has with those of a resumed run, so that none is missing and none is doubled."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

Row = tuple[int, dict[str, float]]  # step, scalars


class Replay:
    """Finds the scalars that a tracker lacks, and those that it has already.

    Both occur after a process was killed. A tracker from which nothing can be deleted has rows that were logged after
    the checkpoint, which the resumed run logs again; and it lacks rows that were still in memory.

    Args:
        known: Name and step of every scalar that the tracker has; a pair may occur several times.
    """

    def __init__(self, known: Iterable[tuple[str, int]] = ()) -> None:
        self._logged = Counter(known)

    def missing(self, kept: Iterable[Row]) -> list[Row]:
        """Return the rows of ``kept`` that the tracker lacks, each without the scalars that it has."""
        return [(step, new) for step, values in kept if (new := self.new(values, step))]

    def new(self, values: Mapping[str, Any], step: int) -> dict[str, Any]:
        """Return ``values`` without those that the tracker has already; each of these is left out only once."""
        if not self._logged:
            return dict(values)
        return {name: value for name, value in values.items() if not self._take((name, step))}

    def _take(self, key: tuple[str, int]) -> bool:
        if self._logged[key] == 0:
            del self._logged[key]
            return False
        self._logged[key] -= 1
        return True
