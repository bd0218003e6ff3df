"""The schedules that ``transfer.schedule`` names: the factor of the learning rate after the warm-up."""

import math
from collections.abc import Callable

from convscope.config.transfer import StageConfig

Factor = Callable[[float], float]  # of the share of the steps after the warm-up that are done, 0 to 1


def cosine() -> Factor:
    """Return one cycle of a cosine that ends at 0 after the last step (Loshchilov & Hutter 2017, eq. 5)."""
    return lambda progress: 0.5 * (1.0 + math.cos(math.pi * progress))


def step(stage: StageConfig) -> Factor:
    """Return drops by the factor ``step_factor`` at each whole multiple of ``step_every``."""

    def factor(progress: float) -> float:
        # A product such as 3 · 0.3333 is just below 1: the last step must not be a drop.
        return stage.step_factor ** math.floor(min(progress, 1.0 - 1e-9) / stage.step_every + 1e-6)

    return factor


def constant() -> Factor:
    """Return 1 for every step."""
    return lambda progress: 1.0
