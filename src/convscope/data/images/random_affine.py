"""Random turns, shifts and scales of a whole batch in one operation: a small image at a time costs too much."""

import math

import torch
import torch.nn.functional as F


class RandomAffine:
    """Turns by up to ``degrees``, shifts by up to ``shift`` of the side, scales by up to ``scale``; black around.

    Called with images (N, C, H, W) uint8, square, and with ``draws`` uniform numbers of [0, 1) for each, (N, 4)
    float32: angle, shift to the right, shift down, scale. Returns images of the same shape, interpolated
    bilinearly. The same image with the same numbers gives the same result in any batch.
    """

    draws = 4

    def __init__(self, degrees: float, shift: float, scale: float) -> None:
        self.degrees, self.shift, self.scale = degrees, shift, scale

    def __call__(self, images: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        """Change each image as its numbers say."""
        angle, right, down, scale = (2 * uniforms.double() - 1).unbind(dim=1)
        angle = angle * math.radians(self.degrees)
        scale = 1 + scale * self.scale
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        # The grid's unit is half a side, and it tells for each place of the result where it comes from.
        x, y = -2 * self.shift * right, -2 * self.shift * down
        rows = torch.stack([cos, sin, cos * x + sin * y, -sin, cos, cos * y - sin * x], dim=1)
        grid = F.affine_grid(rows.view(-1, 2, 3).float(), list(images.shape), align_corners=False)
        moved = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return moved.round_().clamp_(0, 255).to(torch.uint8)
