"""The figures of a run's folder by section, and those of a kind together, for a switch between them."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from convscope.reports.inline_images import InlineImage
from convscope.tracking.sections import CURVES

SECTIONS: Mapping[str, str] = {
    "data": "What it learned from",
    "mistakes": "Worst mistakes, most confident answers",
    "saliency": "What it looks at",
    "receptive_field": "How far it sees",
    "filters": "What its layers look for",
    "parameters": "Where its parameters are",
    "stages": "Through the stages",
}
CAPTIONS: Mapping[str, str] = {
    "data/samples": "Training images",
    "mistakes/worst": "Most wrong: true class → answer",
    "mistakes/worst_maps": "What spoke for the wrong answers",
    "mistakes/most_confident": "Most confident and correct",
    "saliency/maps": "Validation images, with what spoke for their class: the kept weights",
    "saliency/learning": "Through the training, and the kept weights last: where the network looks",
    "receptive_field/before_and_after": "What the centre answers to, before and after",
    "receptive_field/effective": "Stage by stage",
    "filters/first_layer": "Filters of the first layer",
    "filters/strongest_patches": "Patches that excite the last feature maps most",
}  # of figures and sets that a reader of the run's folder knows by these names
LEADING = ("mistakes/worst", "mistakes/worst_maps", "saliency/maps")  # of their folders
REDRAWN = (CURVES, "confusion_matrix")  # the page has a chart of it instead


@dataclass
class ImageSet:
    """Figures of one kind; where ``switched``, one is shown at a time."""

    title: str
    switched: bool
    images: list[InlineImage] = field(default_factory=list)


@dataclass
class MediaSection:
    """The figures of ``media/<name>/``."""

    name: str
    title: str
    sets: list[ImageSet] = field(default_factory=list)


def ordered(names: Iterable[str], stages: Sequence[str] = ()) -> list[str]:
    """Names of figures in the order in which they matter: what leads is left out last where room is short.

    Args:
        names: Relative to ``media/``, without suffix.
        stages: Names of the stages in their order, which figures named after them follow.
    """
    ranks = {name: rank for rank, name in enumerate(SECTIONS)}
    moments = {name.replace(" ", "_"): rank for rank, name in enumerate(stages)} | {"start": -1, "end": len(stages) + 1}

    def rank(name: str) -> tuple[int, str, bool, int, list[int | str]]:
        folder, _, last = name.rpartition("/")
        section = folder.partition("/")[0]
        leads = -1 if name in REDRAWN else ranks.get(section, len(ranks))
        return leads, folder, name not in LEADING, moments.get(last, len(stages)), _natural(last)

    return sorted(names, key=rank)


def in_sections(images: Iterable[InlineImage]) -> list[MediaSection]:
    """``saliency/first/gradient`` and its like as the set ``first`` of the section ``saliency``, to switch between.

    What lies directly in the folder of a section is shown side by side.
    """
    sections: dict[str, MediaSection] = {}
    sets: dict[tuple[str, str], ImageSet] = {}
    for image in images:
        section, _, rest = image.name.rpartition("/")[0].partition("/")
        made = sections.setdefault(section, MediaSection(section, SECTIONS.get(section, _readable(section))))
        if (section, rest) not in sets:
            title = CAPTIONS.get(f"{section}/{rest}", _readable(rest))
            sets[section, rest] = ImageSet(title, bool(rest))
            made.sets.append(sets[section, rest])
        sets[section, rest].images.append(image)
    for made_set in sets.values():
        made_set.switched = made_set.switched and len(made_set.images) > 1
    rank = {name: at for at, name in enumerate(SECTIONS)}
    return sorted(sections.values(), key=lambda section: rank.get(section.name, len(rank)))


def _natural(name: str) -> list[int | str]:
    """``epoch_10`` after ``epoch_9``. Words and numbers alternate, so that like is compared with like."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", name)]


def _readable(name: str) -> str:
    return name.replace("_", " ").replace("/", " · ")
