"""Numbers as a person reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

PARTS = {"extracting_features": "extracting features", "insight": "looking into the network"}  # of a run's seconds
FRACTIONS = ("accuracy",)  # shown in percent


def metric(name: str, value: Any) -> str:
    """A metric as it is shown: accuracies in percent, others with four digits, a dash for none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return "–" if value is None else str(value)
    return f"{value:.1%}" if name.endswith(FRACTIONS) else f"{value:.4g}"


def number(value: Any) -> str:
    """Whole numbers with separators, others with four digits, nothing for none."""
    if value is None:
        return ""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.4g}"
    return f"{int(value):,}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def kept_epochs(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each stage the epoch whose weights were kept at its end, and of which stage it is, where of an earlier one.

    Such as ``12`` and ``5 (of stage head)``; nothing where it is not known.
    """
    ends: list[tuple[int, str]] = []  # the last epoch of each stage so far, and its name
    told = []
    for stage in stages:
        epoch, epochs = stage.get("best_epoch"), stage.get("epochs")
        ends.append(((ends[-1][0] if ends else 0) + (epochs if isinstance(epochs, int) else 0), str(stage.get("name"))))
        of = next((name for end, name in ends[:-1] if isinstance(epoch, int) and epoch <= end), None)
        told.append(number(epoch) + ("" if of is None else f" (of stage {of})"))
    return told


def duration(seconds: Any) -> str:
    """Seconds as ``0.4 s``, ``41 s``, ``3 min 12 s`` or ``2 h 5 min``."""
    if not isinstance(seconds, (int, float)):
        return "–"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def times(summary: Mapping[str, Any], stages: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The parts of a run's seconds by name, no second in two of them: they add up to the run's total.

    Where the training was in stages, each has its part. What a summary of an earlier version counted twice is left
    out, and what none of its parts has is the rest.
    """
    seconds = {name: float(took) for name, took in as_dict(summary.get("seconds")).items() if _is_time(took)}
    total = seconds.pop("total", None)
    if "rest" not in seconds:
        for nested in PARTS:
            seconds.pop(nested, None)
        remainder = 0.0 if total is None else total - sum(seconds.values())
        seconds |= {"rest": remainder} if seconds and remainder > 1e-6 else {}
    own = {f"stage: {stage.get('name')}": float(stage["seconds"]) for stage in stages if _is_time(stage.get("seconds"))}
    training = seconds.get("training")
    in_stages = len(own) == len(stages) > 1 and training is not None
    parts: dict[str, float] = {}
    for name, took in seconds.items():
        if name == "training" and in_stages:
            parts |= own
            between = took - sum(own.values())
            parts |= {"between the stages": between} if between > 1e-6 else {}
        elif took or name not in (*PARTS, "rest"):
            parts[PARTS.get(name, name.replace("_", " "))] = took
    return parts


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def as_dict(value: Any) -> dict[str, Any]:
    """``value`` where it is a dict, else an empty one: a summary may lack any part."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """``value`` where it is a list, else an empty one."""
    return value if isinstance(value, list) else []
