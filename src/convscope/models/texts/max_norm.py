"""Dense layers whose weight vectors have a maximum norm."""

import torch
from torch import nn


class MaxNormLinear(nn.Linear):
    """A dense layer with a bound on the norm of each output's weight vector (Hinton et al. 2012; Kim 2014, sec. 2.1).

    The training loop calls ``constrain`` after each step; ``forward`` does not apply the bound.
    """

    def __init__(self, in_features: int, out_features: int, max_norm: float) -> None:
        super().__init__(in_features, out_features)
        self.max_norm = max_norm

    @torch.no_grad()
    def constrain(self) -> None:
        """Scale each weight vector w with ‖w‖ > ``max_norm`` to the norm ``max_norm``; 0 is no bound."""
        if self.max_norm > 0:
            self.weight.copy_(self.weight.renorm(2, 0, self.max_norm))
