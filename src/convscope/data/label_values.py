"""The values of a label column as names of classes: words, numbers, or nothing."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from convscope.errors import UserError

NO_LABEL = {"", "nan", "<na>"}
NO_NUMBER = {"none", "null", "na", "n/a"}  # no labels where all others are numbers; words like others elsewhere
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
MOST_FRACTIONS = 20  # classes that may be called 0.5, 1.5, ...
SHOWN = 3


def class_names(
    values: Mapping[str, Sequence[object]], column: str, where: str
) -> tuple[dict[str, list[str | None]], list[str]]:
    """The name of each label's class, None where there is no label, and sentences about what was not as expected.

    No label is: null, not a number, an empty text, a text that spells one of them, and -1 in a split other than
    "train" where all classes of train are numbers from 0 on. Whole numbers lose their fraction (1.0 is "1"). Blanks
    around a word are dropped.

    Args:
        values: The labels of each split. Without "train" they are those of an evaluation, to be compared with the
            classes of a run.
        column: What messages call the column.
        where: What messages call the data.

    Raises:
        UserError: A label is a list; or most of train are real numbers, so that hardly any two rows share one.
    """
    refuse_lists(values, column, where)
    texts = {split: [_text(value) for value in of_split] for split, of_split in values.items()}
    distinct = {text for of_split in texts.values() for text in of_split}
    names = {text: None if text.lower() in NO_LABEL else text for text in distinct}
    numbers = {text for text in distinct if is_number(text)}
    others = {text.lower() for text in distinct - numbers}
    if numbers and others <= NO_LABEL | NO_NUMBER:
        names = {text: _number_name(text) if text in numbers else None for text in distinct}
    labels = [text for text in texts.get("train", []) if names[text] is not None]
    rows = [text for text in labels if text in numbers]
    # Among measurements, a cell may say that there is none, as "?" or "inf".
    warnings = _check_real_numbers(rows, column, where) if 2 * len(rows) > len(labels) else []
    found = {split: [names[text] for text in of_split] for split, of_split in texts.items()}
    known = {name for name in found.get("train", []) if name is not None}
    if known and all(name.isdigit() for name in known):
        found |= {split: [None if name == "-1" else name for name in found[split]] for split in found}
    return found, warnings


def refuse_lists(values: Mapping[str, Sequence[object]], column: str, where: str) -> None:
    """Raise ``UserError`` where a label is a list or a mapping."""
    if any(isinstance(value, list | tuple | dict) for of_split in values.values() for value in of_split):
        raise UserError(f"column '{column}' of {where} holds lists, and a classifier needs one label each")


def is_number(name: str) -> bool:
    """Whether the name of a class spells a number."""
    return NUMBER.fullmatch(name) is not None


def missing_labels(missing: int, rows: int, split: str, where: str) -> str:
    """The sentence that counts the rows without a label; ``split`` may be empty."""
    return f"{missing:,} of the {rows:,} {f'{split} ' if split else ''}rows of {where} have no label, and are not used"


def _text(value: object) -> str:
    if value is None or value != value:  # not a number
        return ""
    text = repr(value) if isinstance(value, float) else str(value).strip()
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair, as JSON may hold, cannot be written


def _number_name(text: str) -> str:
    if re.fullmatch(r"[+-]?[0-9]+", text):
        return text
    return str(int(Decimal(text))) if _is_whole(text) else text


def _is_whole(text: str) -> bool:
    number = Decimal(text)
    return number == number.to_integral_value()


def _check_real_numbers(rows: Sequence[str], column: str, where: str) -> list[str]:
    """A sentence where the classes are numbers with a fraction, and there are few.

    Raises ``UserError`` where there are many: they are measured, and no names of classes.
    """
    if all(re.fullmatch(r"[+-]?[0-9]+", text) for text in rows):
        return []
    distinct = sorted({*rows}, key=float)
    fractions = [text for text in distinct if not _is_whole(text)]
    all_differ = 2 * len(distinct) > len(rows)
    many = len(distinct) > MOST_FRACTIONS
    examples = ", ".join((fractions or distinct)[:SHOWN])
    if (many and all_differ) or (fractions and (many or all_differ)):
        raise UserError(
            f"column '{column}' of {where} holds real numbers ({examples}, ...: {len(distinct):,} different ones in "
            f"{len(rows):,} rows), and a classifier needs classes: set data.label_column to another column, or write "
            "a class for each range of numbers"
        )
    if not fractions:
        return []
    return [f"column '{column}' of {where} holds numbers with a fraction ({examples}): each is taken as a class"]
