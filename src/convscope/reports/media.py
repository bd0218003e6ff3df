"""Arranges the figures of a run's folder in sections, and figures of a kind in sets to switch between."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from convscope.reports.inline_images import InlineImage
from convscope.tracking.sections import CURVES

SECTIONS: Mapping[str, str] = {
    "data": "Training data",
    "mistakes": "Worst mistakes, most confident answers",
    "saliency": "Saliency",
    "receptive_field": "Receptive field",
    "filters": "Filters and patches",
    "parameters": "Parameters",
    "stages": "Through the stages",
}
CAPTIONS: Mapping[str, str] = {
    "data/samples": "Training images",
    "mistakes/worst": "Worst mistakes: true class → answer",
    "mistakes/worst_maps": "Evidence for the wrong answers",
    "mistakes/most_confident": "Most confident and correct",
    "saliency/maps": "Evidence for the class of validation images, with the kept weights",
    "saliency/learning": "Saliency through the training, with the kept weights last",
    "receptive_field/before_and_after": "Effective receptive field of the centre, before and after the training",
    "receptive_field/effective": "Stage by stage",
    "filters/first_layer": "Filters of the first layer",
    "filters/strongest_patches": "Patches that activate the last feature maps most",
}  # of figures and sets, by their name relative to media/
LEADING = ("mistakes/worst", "mistakes/worst_maps", "saliency/maps")  # the first figures of their folders
REDRAWN = (CURVES, "confusion_matrix")  # figures that the page shows as a chart instead


@dataclass
class ImageSet:
    """Figures of one kind.

    Attributes:
        title: Heading of the set; empty for none.
        switched: Whether one figure is shown at a time, chosen by buttons.
        images: The figures.
    """

    title: str
    switched: bool
    images: list[InlineImage] = field(default_factory=list)


@dataclass
class MediaSection:
    """The figures of ``media/<name>/``.

    Attributes:
        name: Name of the folder; empty for ``media/`` itself.
        title: Heading of the section.
        sets: The figures by kind.
    """

    name: str
    title: str
    sets: list[ImageSet] = field(default_factory=list)


def by_importance(names: Iterable[str], stages: Sequence[str] = ()) -> list[str]:
    """Return names of figures by importance: the last ones are left out of a page that has no room for all.

    Args:
        names: Names relative to ``media/``, without suffix.
        stages: Names of the stages in their order, which figures named after them follow.
    """
    ranks = {name: rank for rank, name in enumerate(SECTIONS)}
    moment_ranks = {name.replace(" ", "_"): rank for rank, name in enumerate(stages)} | {
        "start": -1,
        "end": len(stages) + 1,
    }

    def rank(name: str) -> tuple[int, str, bool, int, list[int | str]]:
        folder, _, last = name.rpartition("/")
        section = folder.partition("/")[0]
        leads = -1 if name in REDRAWN else ranks.get(section, len(ranks))
        return leads, folder, name not in LEADING, moment_ranks.get(last, len(stages)), _natural(last)

    return sorted(names, key=rank)


def in_sections(images: Iterable[InlineImage]) -> list[MediaSection]:
    """Return the sections of the figures, in the order of the page.

    Figures such as ``saliency/first/gradient`` make up the set ``first`` of the section ``saliency``, with a switch.
    Figures that lie directly in the folder of a section are shown side by side.
    """
    sections: dict[str, MediaSection] = {}
    sets: dict[tuple[str, str], ImageSet] = {}
    for image in images:
        section, _, rest = image.name.rpartition("/")[0].partition("/")
        media = sections.setdefault(section, MediaSection(section, SECTIONS.get(section, _readable(section))))
        if (section, rest) not in sets:
            title = CAPTIONS.get(f"{section}/{rest}", _readable(rest))
            sets[section, rest] = ImageSet(title, bool(rest))
            media.sets.append(sets[section, rest])
        sets[section, rest].images.append(image)
    for image_set in sets.values():
        image_set.switched = image_set.switched and len(image_set.images) > 1
    ranks = {name: rank for rank, name in enumerate(SECTIONS)}
    return sorted(sections.values(), key=lambda section: ranks.get(section.name, len(ranks)))


def _natural(name: str) -> list[int | str]:
    """Return a sort key that puts ``epoch_10`` after ``epoch_9``: words and numbers alternate, so that types match."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _readable(name: str) -> str:
    """Return the name of a file or folder in readable form."""
    return name.replace("_", " ").replace("/", " · ")
