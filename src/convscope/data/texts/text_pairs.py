"""Pairs of text and label as a source of texts."""

from collections.abc import Mapping
from typing import Any

from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import TextSource, numbered
from convscope.errors import UserError


def text_source(name: str, splits: Mapping[str, Any]) -> TextSource:
    """Return sequences of (text, label) as a source of texts; the classes are the labels of train, in ascending order.

    Args:
        name: Name of the source.
        splits: The pairs by split: "train", "validation" and "test".

    Raises:
        UserError: An item is no such pair, a split is empty, or a label of another split does not occur in train.
    """
    pairs = {
        split: [_pair(item, f"{split}[{place}]") for place, item in enumerate(items)] for split, items in splits.items()
    }
    for split, items in pairs.items():
        if not items:
            raise UserError(f"data: {split} is empty")
    labels = {label for _, label in pairs["train"]}
    classes = tuple(
        sorted(labels, key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label))
    )
    index = {label: place for place, label in enumerate(classes)}
    for split, items in pairs.items():
        unknown = sorted({label for _, label in items} - labels)
        if unknown:
            raise UserError(f"data={name}: {split} has labels that train lacks: {', '.join(unknown[:5])}")
    named = {
        split: numbered(TextBuffer(text for text, _ in items), [index[label] for _, label in items], split)
        for split, items in pairs.items()
    }
    return TextSource(name, "own", classes, named)


def _pair(item: Any, place: str) -> tuple[str, str]:
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], str):
        raise UserError(f"data: {place} is no pair of a text and its label: {str(item)[:80]!r}")
    label = item[1].item() if hasattr(item[1], "item") else item[1]
    if not isinstance(label, str | int) or isinstance(label, bool):
        raise UserError(f"data: the label of {place} is {label!r}, and not the number or the name of a class")
    return item[0], str(label)
