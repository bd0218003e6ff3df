"""Formats numbers, metrics, durations and epochs for a reader."""

from collections.abc import Mapping, Sequence
from typing import Any

PARTS = {
    "extracting_features": "extracting features",
    "insight": "analysing the network",
}  # names of parts of a run's seconds
FRACTIONS = ("accuracy",)  # shown in percent


def metric(name: str, value: Any) -> str:
    """Return a metric as it is shown: accuracies in percent, others with four digits, a dash for None."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–" if value is None else str(value)
    return f"{value:.1%}" if name.endswith(FRACTIONS) else f"{value:.4g}"


def number(value: Any) -> str:
    """Return whole numbers with separators, others with four digits, an empty string for None."""
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{int(value):,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def kept_epochs(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return for each stage the epoch whose weights were kept at its end, such as ``12``.

    If no epoch of the stage was as good as one of an earlier stage, that stage is named: ``5 (of stage head)``. An
    empty string if the epoch is unknown.
    """
    ends: list[tuple[int, str]] = []  # the last epoch of each stage so far, and its name
    labels = []
    for stage in stages:
        epoch, epochs = stage.get("best_epoch"), stage.get("epochs")
        ends.append(((ends[-1][0] if ends else 0) + (epochs if isinstance(epochs, int) else 0), str(stage.get("name"))))
        of = next((name for end, name in ends[:-1] if isinstance(epoch, int) and epoch <= end), None)
        labels.append(number(epoch) + ("" if of is None else f" (of stage {of})"))
    return labels


def duration(seconds: Any) -> str:
    """Return seconds as ``0.4 s``, ``41 s``, ``3 min 12 s`` or ``2 h 5 min``."""
    if not isinstance(seconds, (int, float)):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def times(summary: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Return the parts of a run's seconds by name; no second is in two of them, so they add up to the run's total.

    A training in several stages has a part for each. Parts that summaries of earlier versions counted twice are left
    out; seconds that belong to no part are the ``rest``.
    """
    seconds = {name: float(value) for name, value in as_dict(summary.get("seconds")).items() if _is_time(value)}
    total = seconds.pop("total", None)
    if "rest" not in seconds:
        for nested in PARTS:
            seconds.pop(nested, None)
        remainder = 0.0 if total is None else total - sum(seconds.values())
        seconds |= {"rest": remainder} if seconds and remainder > 1e-6 else {}
    by_stage = {
        f"stage: {stage.get('name')}": float(stage["seconds"]) for stage in stages if _is_time(stage.get("seconds"))
    }
    training = seconds.get("training")
    in_stages = len(by_stage) == len(stages) > 1 and training is not None
    parts: dict[str, float] = {}
    for name, part_seconds in seconds.items():
        if name == "training" and in_stages:
            parts |= by_stage
            between = part_seconds - sum(by_stage.values())
            parts |= {"between the stages": between} if between > 1e-6 else {}
        elif part_seconds or name not in (*PARTS, "rest"):
            parts[PARTS.get(name, name.replace("_", " "))] = part_seconds
    return parts


def _is_time(value: Any) -> bool:
    """Return whether ``value`` is a number of seconds: at least 0, and not a boolean."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def as_dict(value: Any) -> dict[str, Any]:
    """Return ``value`` if it is a dict, else an empty one: a summary may lack any part."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """Return ``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
