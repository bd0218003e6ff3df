"""The sections under which all trackers show what a run logs."""

import re

SECTIONS = ("saliency", "receptive_field", "parameters", "stages", "mistakes")  # in addition to data/, files/, filters/

CURVES = "learning_curves"  # the report draws it from the scalars, which every tracker has; it is logged to none

# Sections of the names without a slash. Without one, a tracker would show them among its own charts.
SECTION_OF = {
    "confusion_matrix": "mistakes",
    "predictions": "mistakes",
    "faithfulness": "saliency",
    "ngrams": "saliency",
    "parameters": "parameters",
    "parameters_by_block": "parameters",
    "receptive_field": "receptive_field",
}


def tracked_name(name: str) -> str:
    """Return the name in the trackers for a name in the run's folder, such as ``mistakes/predictions``."""
    base_name = re.sub(r"_stage_\d+$", "", name)
    return f"{SECTION_OF[base_name]}/{name}" if base_name in SECTION_OF else name
