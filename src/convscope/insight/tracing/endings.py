"""Windows that cover all of a map: each ends the feature maps, or is one of many on a small input.

LeNet's C5, a 5×5 convolution over 5×5 places, is a dense layer in disguise, and a pooling over 7×7 places may be a
global mean. The same shapes turn up in the middle of a network whose input is small: a 2×2 pooling of the last four
places. Which of them it is, is told by what comes after it: where another window moves over what it made, it is a
window like all the others, and its field is that of a larger input.
"""

from collections.abc import Iterable


class Ending:
    """One window that covered all of the places along an axis, without padding."""

    __slots__ = ("passed",)

    def __init__(self) -> None:
        self.passed = False  # whether another window followed


Endings = frozenset[tuple[int, Ending]]  # each with its axis
NO_ENDINGS: Endings = frozenset()


def passing(endings: Endings, axis: int) -> Endings:
    """What is left of ``endings`` when a window moves along ``axis``."""
    for at, ending in endings:
        if at == axis:
            ending.passed = True
    return along_others(endings, [axis])


def along_others(endings: Endings, axes: Iterable[int]) -> Endings:
    """Those that are not along ``axes``."""
    left_out = set(axes)
    return frozenset((at, ending) for at, ending in endings if at not in left_out) if endings else endings


def ended(endings: Endings) -> set[int]:
    """The axes along which nothing has followed yet."""
    return {axis for axis, ending in endings if not ending.passed}
