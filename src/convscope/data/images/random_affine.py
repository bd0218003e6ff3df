"""Random rotation, translation and scaling of a whole batch at once, because one small image at a time is too slow."""

import math

import torch
import torch.nn.functional as F


class RandomAffine:
    """Rotates, shifts and scales square images at random, with bilinear interpolation and black borders.

    The same image with the same random numbers gives the same result in any batch.

    Args:
        degrees: The largest angle of rotation.
        shift: The largest shift in each direction, as a share of the side.
        scale: The largest change of scale, as a share.
    """

    draws = 4

    def __init__(self, degrees: float, shift: float, scale: float) -> None:
        self.degrees, self.shift, self.scale = degrees, shift, scale

    def __call__(self, images: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        """Transform square ``images`` (N, C, H, W) uint8; return images of the same shape.

        Args:
            images: The images.
            uniforms: (N, 4) float32 of [0, 1), for each image: angle, shift to the right, shift down, scale.
        """
        angle, right, down, scale = (2 * uniforms.double() - 1).unbind(dim=1)
        angle = angle * math.radians(self.degrees)
        scale = 1 + scale * self.scale
        cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
        # The unit of the grid is half a side. It holds, for each pixel of the result, where to sample the input.
        x, y = -2 * self.shift * right, -2 * self.shift * down
        rows = torch.stack([cos, sin, cos * x + sin * y, -sin, cos, cos * y - sin * x], dim=1)
        grid = F.affine_grid(rows.view(-1, 2, 3).float(), list(images.shape), align_corners=False)
        moved = F.grid_sample(images.float(), grid, mode="bilinear", padding_mode="zeros", align_corners=False)
        return moved.round_().clamp_(0, 255).to(torch.uint8)
