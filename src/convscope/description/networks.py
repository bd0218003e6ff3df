"""Describes the network that ``model=...`` names, built without weights and traced at an input size."""

from torch import nn

from convscope.config.describe import DescribeConfig
from convscope.config.text_model import TEXT_MODELS
from convscope.description.description import Description
from convscope.errors import UserError
from convscope.insight.meta_building import weightless
from convscope.insight.parameters import describe_parameters
from convscope.insight.tracing.tracing_inputs import follow
from convscope.modalities.images.networks import build_architecture
from convscope.modalities.texts.networks import build_text_architecture, text_shape
from convscope.models.blocks import blocks
from convscope.models.images.zoo.architecture import Architecture

# Classes and channels of the networks whose paper did not train them on ImageNet's thousand classes in colour.
PAPER_CLASSES = {"lecture_cnn": 4, "lenet5": 10, "lecun1989": 10, "neocognitron": 10}
PAPER_CHANNELS = {"lenet5": 1, "lecun1989": 1, "neocognitron": 1}

# Input sizes in pixels that are tried to find the smallest that works.
# fmt: off
TRIED_SIZES = (
    1, 2, 4, 8, 12, 16, 24, 28, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 240, 256, 288, 299, 320, 331, 384,
    448, 512,
)
# fmt: on


def describe(config: DescribeConfig) -> Description:
    """Return the description of the configured network.

    Raises:
        UserError: The network does not run at this input size, or has no such layer.
    """
    if isinstance(config.model, TEXT_MODELS):
        return _describe_text(config)
    architecture = build_architecture(config.model)
    classes = config.classes or PAPER_CLASSES.get(config.model.name, 1000)
    preprocessing = architecture.preprocessing(config.channels or PAPER_CHANNELS.get(config.model.name, 3))
    size = config.input_size or preprocessing.size
    try:
        network = build_without_weights(architecture, classes, preprocessing.channels, size)
        table = describe_parameters(network, (1, preprocessing.channels, size, size))
    except Exception as error:
        if isinstance(error, UserError) and not str(error).startswith("input "):
            raise  # an invalid option of the architecture, not the input size
        raise UserError(
            _unsupported_size_message(architecture, classes, preprocessing.channels, size, error)
        ) from error
    block_modules = {block.name: block.modules for block in blocks(network, architecture.head(network))}
    module_types = {path: type(module).__name__ for path, module in network.named_modules()}
    return Description(architecture.name, size, table, block_modules, module_types, config.layer)


def _describe_text(config: DescribeConfig) -> Description:
    """Return the description of a network for texts of ``input_size`` tokens.

    It is built with the vocabulary size of the movie reviews (MR) in Kim 2014.
    """
    architecture = build_text_architecture(config.model)  # type: ignore[arg-type]
    vocabulary, length = text_shape(architecture)
    size = config.input_size or length
    try:
        with weightless():
            network = architecture.build(config.classes or 2, vocabulary)
    except Exception:  # as in `build_without_weights`
        network = architecture.build(config.classes or 2, vocabulary)
    table = describe_parameters(network, (1, size))
    block_modules = {block.name: block.modules for block in blocks(network, architecture.head(network))}
    module_types = {path: type(module).__name__ for path, module in network.named_modules()}
    return Description(architecture.name, size, table, block_modules, module_types, config.layer)


def build_without_weights(architecture: Architecture, classes: int, channels: int, size: int) -> nn.Module:
    """Return the network on the meta device; with random weights if its constructor needs their values."""
    try:
        with weightless():
            return architecture.build(classes, channels, size)
    except UserError:
        raise
    except Exception:
        return architecture.build(classes, channels, size)


def _unsupported_size_message(
    architecture: Architecture, classes: int, channels: int, size: int, error: Exception
) -> str:
    def works(pixels: int) -> bool:
        try:
            follow(build_without_weights(architecture, classes, channels, pixels), (1, channels, pixels, pixels))
        except Exception:
            return False
        return True

    reason = str(error).partition("does not run on it (")[2].rstrip(")") or str(error)
    message = f"input_size={size}: {architecture.name} does not run on {size} × {size} pixels"
    # The size that the architecture was made for need not be among TRIED_SIZES.
    native_size = architecture.preprocessing(channels).size
    smallest = next((pixels for pixels in TRIED_SIZES if works(pixels)), native_size if works(native_size) else None)
    if smallest is None:
        return f"{message}, nor on any other size that was tried ({reason})"
    if smallest in TRIED_SIZES:
        low, high = max((0, *(pixels for pixels in TRIED_SIZES if pixels < smallest))), smallest
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if works(middle) else (middle, high)
        smallest = high
    return f"{message}; the smallest that works is input_size={smallest}"
