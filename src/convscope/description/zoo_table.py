"""The table of the model zoo: cost and receptive field of each network at its paper's input, on the meta device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import TypeAdapter

from convscope.composition.compose import CONFIG_DIR
from convscope.config.model import ModelConfig
from convscope.insight.meta_building import weightless
from convscope.insight.parameters import ParameterTable, describe_parameters
from convscope.modalities.images.networks import build_architecture
from convscope.modalities.texts.networks import build_text_architecture, text_shape
from convscope.models.papers import PAPERS, Paper

COLUMNS = ("year", "model", "paper", "parameters", "multiply-adds", "field", "weights", "top-1", "source")


@dataclass(frozen=True)
class ZooRow:
    """One network with the options of ``conf/model``, at its paper's input size and number of classes.

    Attributes:
        model: Name of the network.
        variant: Variant of the paper, if it has several.
        year: Year of the paper.
        authors: Authors of the paper.
        input: Channels, height and width of an image; the length of a text.
        classes: Number of classes.
        parameters: Number of parameters.
        multiply_adds: Multiply-adds for one input.
        receptive_field: Side of the receptive field of the last spatial feature map, not cut off at the border of the
            input: pixels of an image, words or characters of a text.
        top1: Published top-1 accuracy on ImageNet's validation images, in percent.
        top1_source: Source of ``top1``.
        weights: ``packaged``, ``hub``, or None.
    """

    model: str
    variant: str
    year: int | None
    authors: str
    input: tuple[int, ...]
    classes: int
    parameters: int
    multiply_adds: int
    receptive_field: int | None
    top1: float | None
    top1_source: str
    weights: str | None


def measure_zoo() -> list[ZooRow]:
    """Return a row for each network of ``PAPERS``, in that order. No weights are allocated."""
    return [_measure(paper) for paper in PAPERS]


def _measure(paper: Paper) -> ZooRow:
    model_config: Any = TypeAdapter(ModelConfig).validate_python(
        yaml.safe_load((CONFIG_DIR / "model" / f"{paper.model}.yaml").read_text(encoding="utf-8"))
    )
    weights = None
    if paper.texts:
        text_architecture = build_text_architecture(model_config)
        vocabulary, length = text_shape(text_architecture)
        shape: tuple[int, ...] = (length,)
        with weightless():
            network = text_architecture.build(paper.classes, vocabulary)
    else:
        architecture = build_architecture(model_config)
        preprocessing = architecture.preprocessing(paper.channels)
        shape = (preprocessing.channels, preprocessing.size, preprocessing.size)
        with weightless():
            network = architecture.build(paper.classes, preprocessing.channels, preprocessing.size)
        weights = "packaged" if architecture.packaged else "hub" if architecture.hub else None
    table = describe_parameters(network, (1, *shape))
    return ZooRow(
        model=paper.model,
        variant=paper.variant,
        year=paper.year,
        authors=paper.authors,
        input=shape,
        classes=paper.classes,
        parameters=table.parameters,
        multiply_adds=table.multiply_adds,
        receptive_field=_field(table),
        top1=paper.top1,
        top1_source=paper.top1_source,
        weights=weights,
    )


def _field(table: ParameterTable) -> int | None:
    """Return the width of the receptive field of the last layer that does not see the whole width.

    The width, not the height, because the TDNN always sees the whole height.
    """
    sizes = [layer.field.size[-1] for layer in table.layers if layer.field is not None]
    return next((size for size in reversed(sizes) if size is not None), None)


def text_rows(rows: Sequence[ZooRow]) -> list[tuple[str, ...]]:
    """Return the cells of ``COLUMNS`` as text for each network."""
    return [
        (
            "" if row.year is None else str(row.year),
            row.model + (f" ({row.variant})" if row.variant else ""),
            row.authors,
            f"{row.parameters:,}",
            _short(row.multiply_adds),
            "" if row.receptive_field is None else str(row.receptive_field),
            row.weights or "",
            "" if row.top1 is None else f"{row.top1:.1f}",
            row.top1_source,
        )
        for row in rows
    ]


def _short(number: int) -> str:
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return str(number)
