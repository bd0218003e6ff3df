"""The table of the zoo: what each network costs and sees at its paper's input, measured on the meta device."""

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
    """One network with the options that ``conf/model`` gives it, at its paper's input and number of classes.

    Attributes:
        input: Channels, height and width of an image; the length of a text.
        receptive_field: Pixels of a side that its last spatial map sees of the input, unbounded; words or characters.
        top1: Published share of ImageNet's validation images named right, in percent.
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
    """Every network of the history, in order; no weights are allocated."""
    return [_measure(paper) for paper in PAPERS]


def _measure(paper: Paper) -> ZooRow:
    told: Any = TypeAdapter(ModelConfig).validate_python(
        yaml.safe_load((CONFIG_DIR / "model" / f"{paper.model}.yaml").read_text(encoding="utf-8"))
    )
    weights = None
    if paper.texts:
        reader = build_text_architecture(told)
        words, length = text_shape(reader)
        shape: tuple[int, ...] = (length,)
        with weightless():
            network = reader.build(paper.classes, words)
    else:
        architecture = build_architecture(told)
        seen = architecture.preprocessing(paper.channels)
        shape = (seen.channels, seen.size, seen.size)
        with weightless():
            network = architecture.build(paper.classes, seen.channels, seen.size)
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
    """Along a row, of the last layer that does not see all of it; the TDNN sees whole columns."""
    sizes = [layer.field.size[-1] for layer in table.layers if layer.field is not None]
    return next((size for size in reversed(sizes) if size is not None), None)


def text_rows(rows: Sequence[ZooRow]) -> list[tuple[str, ...]]:
    """The cells of ``COLUMNS`` as a person reads them."""
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
