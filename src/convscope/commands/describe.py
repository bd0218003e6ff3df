"""``convscope describe``: prints a network's parameters, multiply-adds and receptive fields, layer by layer."""

import itertools
import sys
from collections.abc import Sequence

from hydra.errors import HydraException

from convscope.composition.compose import recompose
from convscope.composition.hydra_internals import parse_override
from convscope.composition.overrides import quote_value
from convscope.config.commands.describe import DescribeConfig
from convscope.console import echo

SCHEMA = DescribeConfig


def prepare_arguments(arguments: list[str]) -> list[str]:
    """Turn several values, as in ``model=resnet,vgg``, into one job that compares all their combinations.

    The first combination stays on the command line, and ``compare=[...]`` holds the overrides of the others. Arguments
    that Hydra cannot parse are left as they are, so that Hydra reports them.
    """
    choices: list[list[str]] = []
    for argument in arguments:
        try:
            override = None if argument.startswith("-") else parse_override(argument)
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
        [override for override, choice in zip(combination, choices, strict=True) if len(choice) > 1]
        for combination in itertools.product(*choices)
    )
    compared = ",".join(f"[{','.join(quote_value(override) for override in combination)}]" for combination in others)
    return [*(choice[0] for choice in choices), f"compare=[{compared}]"]


def run(config: DescribeConfig, overrides: Sequence[str]) -> None:
    """Print the description; if ``output`` is a data format, print nothing but the data to standard output.

    Raises:
        UserError: The network does not run at this input size, has no such layer, or the figure cannot be written.
    """
    from convscope.description.description import as_csv, as_json, as_markdown
    from convscope.description.networks import describe
    from convscope.description.table import print_comparison, print_description

    compared = (recompose("describe", [*variant, "compare=[]"], DescribeConfig) for variant in config.compare)
    variants = [config, *compared]
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
        from convscope.description.growth_figure import comparison_labels, growth_figure
        from convscope.figures.figure_file import write_figure

        file = write_figure(growth_figure(comparison_labels(overrides, config.compare), described), config.figure)
        if config.output == "table":
            echo(f"\nfigure   {file}")
