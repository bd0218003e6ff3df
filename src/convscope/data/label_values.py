"""Class names from the values of a label column: words, numbers, or missing labels."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from convscope.errors import UserError

NO_LABEL = {"", "nan", "<na>"}
NO_NUMBER = {"none", "null", "na", "n/a"}  # missing labels if all others are numbers; otherwise ordinary words
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MAX_FRACTIONAL_CLASSES = 20  # the most classes that there may be if they are called 0.5, 1.5, ...
EXAMPLES = 3  # values that a message shows


def class_names(
    values: Mapping[str, Sequence[object]], column: str, data_name: str
) -> tuple[dict[str, list[str | None]], list[str]]:
    """Return the class name of each label, None for a missing label, and warnings about unexpected values.

    A label is missing if it is null, NaN, an empty text or a text that spells one of these; or -1 in a split other
    than "train" if all classes of train are numbers from 0 on. Whole numbers lose their fraction (1.0 becomes "1").
    Blanks around a word are dropped.

    Args:
        values: The labels of each split. Without "train", they are the labels of an evaluation, which are compared
            with the classes of a run later.
        column: Name of the column, for messages.
        data_name: Name of the data, for messages.

    Raises:
        UserError: A label is a list; or most labels of train are real numbers, so that hardly any two rows share one.
    """
    refuse_lists(values, column, data_name)
    texts = {split: [_text(value) for value in split_values] for split, split_values in values.items()}
    distinct = {text for split_texts in texts.values() for text in split_texts}
    names = {text: None if text.lower() in NO_LABEL else text for text in distinct}
    numbers = {text for text in distinct if is_number(text)}
    others = {text.lower() for text in distinct - numbers}
    if numbers and others <= NO_LABEL | NO_NUMBER:
        names = {text: _number_name(text) if text in numbers else None for text in distinct}
    train_labels = [text for text in texts.get("train", []) if names[text] is not None]
    train_numbers = [text for text in train_labels if text in numbers]
    # In a column of measurements, a cell without one may hold "?" or "inf".
    mostly_numbers = 2 * len(train_numbers) > len(train_labels)
    warnings = _check_real_numbers(train_numbers, column, data_name) if mostly_numbers else []
    named = {split: [names[text] for text in split_texts] for split, split_texts in texts.items()}
    classes = {name for name in named.get("train", []) if name is not None}
    if classes and all(name.isdigit() for name in classes):
        named |= {split: [None if name == "-1" else name for name in named[split]] for split in named}
    return named, warnings


def refuse_lists(values: Mapping[str, Sequence[object]], column: str, data_name: str) -> None:
    """Raise ``UserError`` if a label is a list or a mapping."""
    if any(isinstance(value, list | tuple | dict) for split_values in values.values() for value in split_values):
        raise UserError(f"column '{column}' of {data_name} holds lists, and a classifier needs one label each")


def is_number(name: str) -> bool:
    """Return whether the class name ``name`` spells a number."""
    return NUMBER.fullmatch(name) is not None


def missing_labels(missing: int, rows: int, split: str, data_name: str) -> str:
    """Return the warning about ``missing`` of ``rows`` rows that have no label.

    Args:
        missing: Number of rows without a label.
        rows: Number of all rows.
        split: Name of the split; may be empty.
        data_name: Name of the data.
    """
    return (
        f"{missing:,} of the {rows:,} {f'{split} ' if split else ''}rows of {data_name} have no label, and are not used"
    )


def _text(value: object) -> str:
    if value is None or value != value:  # NaN
        return ""
    text = repr(value) if isinstance(value, float) else str(value).strip()
    return text.encode("utf-8", "replace").decode()  # a lone surrogate, which JSON may hold, cannot be written to files


def _number_name(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return text
    return str(int(Decimal(text))) if _is_whole(text) else text


def _is_whole(text: str) -> bool:
    number = Decimal(text)
    return number == number.to_integral_value()


def _check_real_numbers(rows: Sequence[str], column: str, data_name: str) -> list[str]:
    """Return a warning if the classes are numbers with a fraction, and few.

    Args:
        rows: The labels of the train split that are numbers.
        column: Name of the column, for messages.
        data_name: Name of the data, for messages.

    Raises:
        UserError: There are many different numbers: they are measurements, not class names.
    """
    if all(re.fullmatch(r"[+-]?[0-9]+", text) for text in rows):
        return []
    distinct = sorted({*rows}, key=float)
    fractions = [text for text in distinct if not _is_whole(text)]
    all_differ = 2 * len(distinct) > len(rows)
    many = len(distinct) > MAX_FRACTIONAL_CLASSES
    examples = ", ".join((fractions or distinct)[:EXAMPLES])
    if (many and all_differ) or (fractions and (many or all_differ)):
        raise UserError(
            f"column '{column}' of {data_name} holds real numbers ({examples}, ...: {len(distinct):,} different ones "
            f"in {len(rows):,} rows), and a classifier needs classes: set data.label_column to another column, or "
            "write a class for each range of numbers"
        )
    if not fractions:
        return []
    return [f"column '{column}' of {data_name} holds numbers with a fraction ({examples}): each is taken as a class"]
