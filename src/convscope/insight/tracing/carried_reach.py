"""The reach that a tensor carries through a traced pass, as an attribute."""

from typing import Any

from convscope.insight.tracing.reach import Reach

REACH = "_convscope_reach"


def reach_of(tensor: Any) -> Reach | None:
    """The reach that a tensor carries; None for what does not depend on the input, and for no tensor."""
    return getattr(tensor, REACH, None)
