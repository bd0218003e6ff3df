"""``convscope describe``: layer by layer, a network's parameters, multiply-adds and receptive fields."""

import itertools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from convscope.commands.building import architecture_of
from convscope.commands.compose import compose_again, quoted
from convscope.commands.console import say
from convscope.config.describe import Describe
from convscope.config.text_model import TEXT_MODELS
from convscope.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from convscope.commands.description import Description
    from convscope.models.architecture import Architecture

SCHEMA = Describe

# What the paper of a network trained it for, where that was not ImageNet's thousand classes in colour.
PAPER_CLASSES = {"lecture_cnn": 4, "lenet5": 10, "lecun1989": 10, "neocognitron": 10}
PAPER_CHANNELS = {"lenet5": 1, "lecun1989": 1, "neocognitron": 1}


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Make ``model=resnet,vgg`` one job that compares: all combinations of the choices, the first one composed.

    Words that Hydra cannot read are left as they are, for it to complain of.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    choices: list[list[str]] = []
    for argument in arguments:
        try:
            override = None if argument.startswith("-") else OverridesParser.create().parse_override(argument)
        except HydraException:
            override = None
        if override is not None and override.is_sweep_override():
            key = override.get_key_element()
            choices.append([f"{key}={value}" for value in override.sweep_string_iterator()])
        else:
            choices.append([argument])
    if all(len(choice) == 1 for choice in choices):
        return arguments
    _, *others = (
        [word for word, choice in zip(job, choices, strict=True) if len(choice) > 1]
        for job in itertools.product(*choices)
    )
    compared = ",".join(f"[{','.join(quoted(word) for word in job)}]" for job in others)
    return [*(choice[0] for choice in choices), f"compare=[{compared}]"]


def run(config: Describe, overrides: Sequence[str]) -> None:
    """Print the description; nothing but data goes to standard output where data was asked for.

    Raises:
        UserError: The network does not run at this input size, has no such layer, or the figure cannot be written.
    """
    from convscope.commands.description import as_csv, as_json, as_markdown
    from convscope.commands.description_table import print_comparison, print_description

    variants = [config, *(compose_again("describe", [*words, "compare=[]"], Describe) for words in config.compare)]
    described = [describe(variant) for variant in variants]
    match config.output:
        case "json":
            print(as_json(described))
        case "csv":
            print(as_csv(described), end="")
        case "markdown":
            print(as_markdown(described))
        case "table" if len(described) > 1:
            print_comparison(described)
        case "table":
            print_description(described[0], config.fold)
    sys.stdout.flush()
    if config.figure is not None:
        from convscope.commands.figure_file import write_figure
        from convscope.commands.growth import growth_figure, labels

        file = write_figure(growth_figure(labels(overrides, config.compare), described), config.figure)
        if config.output == "table":
            say(f"\nfigure   {file}")


def describe(config: Describe) -> "Description":
    """What is to be said of one network.

    Raises:
        UserError: The network does not run at this input size, or has no such layer.
    """
    from convscope.commands.description import Description
    from convscope.insight.parameters import describe_parameters
    from convscope.models.blocks import blocks

    if isinstance(config.model, TEXT_MODELS):
        return _describe_text(config)
    architecture = architecture_of(config.model)
    classes = config.classes or PAPER_CLASSES.get(config.model.name, 1000)
    seen = architecture.preprocessing(config.channels or PAPER_CHANNELS.get(config.model.name, 3))
    size = config.input_size or seen.size
    try:
        network = build(architecture, classes, seen.channels, size)
        table = describe_parameters(network, (1, seen.channels, size, size))
    except Exception as error:
        if isinstance(error, UserError) and not str(error).startswith("input "):
            raise  # a mistake in the architecture's options
        raise UserError(_size_refused(architecture, classes, seen.channels, size, error)) from error
    parts = {block.name: block.modules for block in blocks(network, architecture.head(network))}
    return Description(architecture.name, size, table, parts, {p: type(m).__name__ for p, m in network.named_modules()},
                       config.layer)  # fmt: skip


def _describe_text(config: Describe) -> "Description":
    """What is to be said of a network for texts of ``input_size`` tokens, with the vocabulary of Kim's MR."""
    from convscope.commands.description import Description
    from convscope.commands.texts import text_architecture_of, text_shape
    from convscope.insight.meta_building import weightless
    from convscope.insight.parameters import describe_parameters
    from convscope.models.blocks import blocks

    architecture = text_architecture_of(config.model)  # type: ignore[arg-type]
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


def build(architecture: "Architecture", classes: int, channels: int, size: int) -> "nn.Module":
    """The network without weights; built with random ones where its constructor asks for their values."""
    from convscope.insight.meta_building import weightless

    try:
        with weightless():
            return architecture.build(classes, channels, size)
    except UserError:
        raise
    except Exception:
        return architecture.build(classes, channels, size)


# Pixels at which networks are tried, to tell the smallest that works.
TRIED = (
    1,
    2,
    4,
    8,
    12,
    16,
    24,
    28,
    32,
    48,
    64,
    80,
    96,
    112,
    128,
    160,
    192,
    224,
    240,
    256,
    288,
    299,
    320,
    331,
    384,
    448,
    512,
)


def _size_refused(
    architecture: "Architecture", classes: int, channels: int, size: int, error: Exception
) -> str:  # fmt: skip
    from convscope.insight.tracing_inputs import follow

    def works(pixels: int) -> bool:
        try:
            follow(build(architecture, classes, channels, pixels), (1, channels, pixels, pixels))
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
