"""Windows as large as their feature map.

Such a window is global (a dense layer, global pooling), unless another window follows: then the input was merely
small.

LeNet's C5, a 5×5 convolution over 5×5 positions, is a dense layer in disguise, and a pooling over 7×7 positions may be
a global mean. The same shapes occur in the middle of a network whose input is small: a 2×2 pooling of the last four
positions. The following layers decide between the two: if another window moves over the result, it is an ordinary
window, and its field is that of a larger input.
"""

from collections.abc import Iterable


class Ending:
    """One window that covered all positions along an axis, without padding.

    Attributes:
        followed: Whether another window moved over its result.
    """

    __slots__ = ("followed",)

    def __init__(self) -> None:
        self.followed = False


Endings = frozenset[tuple[int, Ending]]  # pairs of input axis and window
NO_ENDINGS: Endings = frozenset()


def mark_followed(endings: Endings, axis: int) -> Endings:
    """Mark the windows along ``axis`` as followed by another one, and return the remaining ``endings``."""
    for other_axis, ending in endings:
        if other_axis == axis:
            ending.followed = True
    return without_axes(endings, [axis])


def without_axes(endings: Endings, axes: Iterable[int]) -> Endings:
    """Return the ``endings`` that are not along ``axes``."""
    excluded = set(axes)
    return frozenset((axis, ending) for axis, ending in endings if axis not in excluded) if endings else endings


def final_axes(endings: Endings) -> set[int]:
    """Return the axes along which no other window has followed."""
    return {axis for axis, ending in endings if not ending.followed}
