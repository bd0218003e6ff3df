"""Numbers as a person reads them."""

from typing import Any

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


def as_dict(value: Any) -> dict[str, Any]:
    """``value`` where it is a dict, else an empty one: a summary may lack any part."""
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    """``value`` where it is a list, else an empty one."""
    return value if isinstance(value, list) else []
