"""Dense layers whose weight vectors are kept short."""

import torch
from torch import nn


class MaxNormLinear(nn.Linear):
    """A dense layer with a bound on the length of each output's weight vector (Hinton et al. 2012; Kim 2014, sec. 2.1).

    Whoever trains calls ``constrain`` after each step; the bound is no part of the function.
    """

    def __init__(self, in_features: int, out_features: int, max_norm: float) -> None:
        super().__init__(in_features, out_features)
        self.max_norm = max_norm

    @torch.no_grad()
    def constrain(self) -> None:
        """Shorten each weight vector w with ‖w‖ > ``max_norm`` to that length. 0 is no bound."""
        if self.max_norm > 0:
            self.weight.copy_(self.weight.renorm(2, 0, self.max_norm))
