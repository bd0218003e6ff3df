"""The table of the zoo: what each network costs and sees at its paper's input, measured on the meta device."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import TypeAdapter
from torch import nn

from convscope.commands.building import architecture_of
from convscope.commands.compose import CONFIG_DIR
from convscope.config.model import Model
from convscope.insight.meta_building import weightless
from convscope.insight.parameters import multiply_adds
from convscope.insight.receptive_field import receptive_fields
from convscope.models.history import PAPERS, Paper

COLUMNS = ("year", "model", "paper", "parameters", "multiply-adds", "field", "weights", "top-1", "source")


@dataclass(frozen=True)
class ZooRow:
    """One network with the options that ``conf/model`` gives it, at its paper's input and number of classes.

    Attributes:
        input: Channels, height and width of a picture.
        receptive_field: Pixels of a side that its last spatial map sees of the input, unbounded.
        top1: Published share of ImageNet's validation pictures named right, in percent.
        weights: ``packaged``, ``hub``, or None.
    """

    model: str
    variant: str
    year: int | None
    authors: str
    input: tuple[int, int, int]
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
    told: Any = TypeAdapter(Model).validate_python(
        yaml.safe_load((CONFIG_DIR / "model" / f"{paper.model}.yaml").read_text(encoding="utf-8"))
    )
    architecture = architecture_of(told)
    seen = architecture.preprocessing(paper.channels)
    with weightless():
        network = architecture.build(paper.classes, seen.channels, seen.size)
    shape = (seen.channels, seen.size, seen.size)
    return ZooRow(
        model=paper.model,
        variant=paper.variant,
        year=paper.year,
        authors=paper.authors,
        input=shape,
        classes=paper.classes,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        multiply_adds=multiply_adds(network, (1, *shape)),
        receptive_field=_field(network, (1, *shape)),
        top1=paper.top1,
        top1_source=paper.top1_source,
        weights="packaged" if architecture.packaged else "hub" if architecture.hub else None,
    )


def _field(network: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Pixels along a row that the last map sees which does not see all of it."""
    fields = [layer.field for layer in receptive_fields(network, shape) if layer.field is not None]
    sizes = [field.size[-1] for field in fields if field.size[-1] is not None]
    return sizes[-1] if sizes else None


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
