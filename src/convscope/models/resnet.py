"""ResNet: He, Zhang, Ren & Sun 2015, "Deep residual learning for image recognition", table 1."""

from collections.abc import Sequence

from convscope.models.adapted import Change, stride_in_first_convolution, with_stem
from convscope.models.architecture import Architecture
from convscope.models.timm_models import TimmArchitecture


def architecture(
    depth: int = 18, stride_in: str = "3x3", stem: str = "imagenet", widths: Sequence[int] | None = None
) -> Architecture:
    """timm's ResNet.

    Args:
        depth: 10 (one block a stage), 18, 34, 50, 101 or 152.
        stride_in: Which convolution of a bottleneck has the stride: ``1x1`` as in the paper (v1), ``3x3`` as
            everybody since (v1.5; Goyal et al. 2017).
        stem: ``imagenet`` or ``small``.
        widths: Channels of the four stages; None: 64, 128, 256, 512.
    """
    identifier = {10: "resnet18"}.get(depth, f"resnet{depth}")
    arguments: dict[str, object] = {}
    if depth == 10:
        arguments["layers"] = (1, 1, 1, 1)
    if widths is not None:
        arguments |= {"channels": tuple(widths), "stem_width": widths[0]}
    base = TimmArchitecture("resnet", identifier, arguments, known=not arguments)
    changes: list[Change] = [stride_in_first_convolution] if stride_in == "1x1" else []
    return with_stem(base, stem, changes)
