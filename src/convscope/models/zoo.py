"""From a name of the zoo to an architecture; a library is imported when one of its networks is chosen."""

from typing import Any

from convscope.models.architecture import Architecture


def find_architecture(name: str, **variant: Any) -> Architecture:
    """The architecture ``name`` with its own options, such as ``depth=18`` for ``resnet``.

    Raises:
        UserError: An option has no such value.
        LookupError: The zoo has no such name.
    """
    match name:
        case "efficientnet_lite":
            from convscope.models.efficientnet_lite import EfficientNetLite

            return EfficientNetLite(**variant)
        case "resnet":
            from convscope.models.timm_models import TimmArchitecture

            return TimmArchitecture(name, f"resnet{variant['depth']}")
        case "timm":
            from convscope.models.timm_models import TimmArchitecture

            return TimmArchitecture(variant["architecture"], variant["architecture"], variant["arguments"])
        case "torchvision":
            from convscope.models.torchvision_models import TorchvisionArchitecture

            return TorchvisionArchitecture(variant["architecture"], variant["architecture"], variant["arguments"])
        case "lenet5":
            from convscope.models.lenet5 import LeNet5Architecture

            return LeNet5Architecture()
        case "dilated_cnn":
            from convscope.models.dilated_cnn import DilatedCNNArchitecture

            return DilatedCNNArchitecture(**variant)
        case "lecture_cnn":
            from convscope.models.lecture_cnn import LectureCNNArchitecture

            return LectureCNNArchitecture()
    raise LookupError(f"{name}: not in the zoo")
