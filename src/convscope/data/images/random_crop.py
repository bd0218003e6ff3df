"""Random crops of padded images, and horizontal flips, of a whole batch in one operation."""

import torch
import torch.nn.functional as F


class RandomCrop:
    """Pads images with black, crops them to their first size at random, and flips half of them horizontally.

    This is the usual augmentation of CIFAR since He et al. 2016 (section 4.2), who pad 32 pixels by 4. The pixels keep
    their values. The same image with the same random numbers gives the same result in any batch.

    Args:
        margin: The padding on each side, as a share of the side of the image.
    """

    draws = 3

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def __call__(self, images: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        """Crop and flip ``images`` (N, C, H, W) uint8; return images of the same shape.

        Args:
            images: The images.
            uniforms: (N, 3) float32 of [0, 1), for each image: position of the crop from left to right, position from
                top to bottom, and whether it is flipped (if below 1/2).
        """
        count, channels, height, width = images.shape
        right, down, flip = uniforms.double().unbind(dim=1)
        columns, x = self._lines(width, right)
        rows, y = self._lines(height, down)
        columns = torch.where(flip[:, None] < 0.5, columns.flip(1), columns)
        padded = F.pad(images, (x, x, y, y))
        image, channel = torch.arange(count)[:, None, None, None], torch.arange(channels)[:, None, None]
        return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]

    def _lines(self, length: int, uniforms: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the row or column of the padded image for each one of the result, (N, ``length``), and the padding."""
        margin = round(self.margin * length)
        first = (uniforms * (2 * margin + 1)).floor().long()
        return first[:, None] + torch.arange(length), margin
