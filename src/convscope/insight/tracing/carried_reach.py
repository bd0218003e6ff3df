"""The attribute of a tensor in which its reach is stored during a traced pass."""

from typing import Any

from convscope.insight.tracing.reach import Reach

REACH = "_convscope_reach"


def reach_of(tensor: Any) -> Reach | None:
    """Return the reach stored on a tensor; None if it does not depend on the input, or ``tensor`` is no tensor."""
    return getattr(tensor, REACH, None)
