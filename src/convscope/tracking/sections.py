"""Where a thing stands in a tracker: under the same name, in the same section, in each of them."""

import re

SECTIONS = ("saliency", "receptive_field", "parameters", "stages", "mistakes")  # beside data/, files/ and filters/

CURVES = "learning_curves"  # drawn by the report from scalars that every tracker has: it goes to none

# The run's folder keeps these by a bare name; a tracker shows what has no section among its own charts.
HOME = {
    "confusion_matrix": "mistakes",
    "predictions": "mistakes",
    "faithfulness": "saliency",
    "ngrams": "saliency",
    "parameters": "parameters",
    "parameters_by_block": "parameters",
    "receptive_field": "receptive_field",
}


def tracked_name(name: str) -> str:
    """The name in every tracker of what the run's folder calls ``name``: ``predictions`` in ``mistakes/``."""
    of_any_stage = re.sub(r"_stage_\d+$", "", name)
    return f"{HOME[of_any_stage]}/{name}" if of_any_stage in HOME else name
