"""From ``model=...`` to its description: built without weights, followed at an input size, or told what size works."""

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

# What the paper of a network trained it for, where that was not ImageNet's thousand classes in colour.
PAPER_CLASSES = {"lecture_cnn": 4, "lenet5": 10, "lecun1989": 10, "neocognitron": 10}
PAPER_CHANNELS = {"lenet5": 1, "lecun1989": 1, "neocognitron": 1}

# Pixels at which networks are tried, to tell the smallest that works.
# fmt: off
TRIED = (
    1, 2, 4, 8, 12, 16, 24, 28, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 240, 256, 288, 299, 320, 331, 384,
    448, 512,
)
# fmt: on


def describe(config: DescribeConfig) -> Description:
    """What is to be said of one network.

    Raises:
        UserError: The network does not run at this input size, or has no such layer.
    """
    if isinstance(config.model, TEXT_MODELS):
        return _describe_text(config)
    architecture = build_architecture(config.model)
    classes = config.classes or PAPER_CLASSES.get(config.model.name, 1000)
    seen = architecture.preprocessing(config.channels or PAPER_CHANNELS.get(config.model.name, 3))
    size = config.input_size or seen.size
    try:
        network = build_without_weights(architecture, classes, seen.channels, size)
        table = describe_parameters(network, (1, seen.channels, size, size))
    except Exception as error:
        if isinstance(error, UserError) and not str(error).startswith("input "):
            raise  # a mistake in the architecture's options
        raise UserError(_size_refused(architecture, classes, seen.channels, size, error)) from error
    parts = {block.name: block.modules for block in blocks(network, architecture.head(network))}
    return Description(architecture.name, size, table, parts, {p: type(m).__name__ for p, m in network.named_modules()},
                       config.layer)  # fmt: skip


def _describe_text(config: DescribeConfig) -> Description:
    """What is to be said of a network for texts of ``input_size`` tokens, with the vocabulary of Kim's MR."""
    architecture = build_text_architecture(config.model)  # type: ignore[arg-type]
    vocabulary, length = text_shape(architecture)
    size = config.input_size or length
    try:
        with weightless():
            network = architecture.build(config.classes or 2, vocabulary)
    except Exception:  # as in `build`
        network = architecture.build(config.classes or 2, vocabulary)
    table = describe_parameters(network, (1, size))
    parts = {block.name: block.modules for block in blocks(network, architecture.head(network))}
    kinds = {path: type(module).__name__ for path, module in network.named_modules()}
    return Description(architecture.name, size, table, parts, kinds, config.layer)


def build_without_weights(architecture: Architecture, classes: int, channels: int, size: int) -> nn.Module:
    """The network without weights; built with random ones where its constructor asks for their values."""
    try:
        with weightless():
            return architecture.build(classes, channels, size)
    except UserError:
        raise
    except Exception:
        return architecture.build(classes, channels, size)


def _size_refused(architecture: Architecture, classes: int, channels: int, size: int, error: Exception) -> str:
    def works(pixels: int) -> bool:
        try:
            follow(build_without_weights(architecture, classes, channels, pixels), (1, channels, pixels, pixels))
        except Exception:
            return False
        return True

    reason = str(error).partition("does not run on it (")[2].rstrip(")") or str(error)
    refused = f"input_size={size}: {architecture.name} does not run on {size} × {size} pixels"
    # The size that it was made for is tried first: where that fails, size is not what is wrong.
    made_for = architecture.preprocessing(channels).size
    found = next((pixels for pixels in TRIED if works(pixels)), made_for if works(made_for) else None)
    if found is None:
        return f"{refused}, nor on any other size that was tried ({reason})"
    if found in TRIED:
        low, high = max((0, *(pixels for pixels in TRIED if pixels < found))), found
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if works(middle) else (middle, high)
        found = high
    return f"{refused}; the smallest that works is input_size={found}"
