"""Random crops of padded images, and their mirror images, for a whole batch in one operation."""

import torch
import torch.nn.functional as F


class RandomCrop:
    """Black all around by ``margin`` of the side, then a part of the first size, mirrored half of the time.

    What CIFAR is trained with since He et al. 2016 (section 4.2), there with 4 pixels of 32. Called with images
    (N, C, H, W) uint8 and ``draws`` uniform numbers of [0, 1) for each, (N, 3) float32: place from left to right, place
    from top to bottom, mirrored where below a half. Returns images of the same shape, their pixels untouched. The
    same image with the same numbers gives the same result in any batch.
    """

    draws = 3

    def __init__(self, margin: float) -> None:
        self.margin = margin

    def __call__(self, images: torch.Tensor, uniforms: torch.Tensor) -> torch.Tensor:
        """Change each image as its numbers say."""
        count, channels, height, width = images.shape
        right, down, mirror = uniforms.double().unbind(dim=1)
        columns, x = self._places(width, right)
        rows, y = self._places(height, down)
        columns = torch.where(mirror[:, None] < 0.5, columns.flip(1), columns)
        padded = F.pad(images, (x, x, y, y))
        of, channel = torch.arange(count)[:, None, None, None], torch.arange(channels)[:, None, None]
        return padded[of, channel, rows[:, None, :, None], columns[:, None, None, :]]

    def _places(self, length: int, uniforms: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Lines of the padded image for each line of the result, (N, length), and the lines of padding."""
        margin = round(self.margin * length)
        first = (uniforms * (2 * margin + 1)).floor().long()
        return first[:, None] + torch.arange(length), margin
