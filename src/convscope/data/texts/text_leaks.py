"""Finds test sentences that a network is trained on, since they would make the test result too good.

They are counted and, depending on the settings, an error, a warning, or removed.
"""

from dataclasses import replace
from typing import Literal

import numpy as np

from convscope.data.texts.sentence_keys import sentence_keys, shared_rows
from convscope.data.texts.text_source import TextSource
from convscope.errors import UserError

OnLeak = Literal["error", "warn", "drop"]
MAX_EXAMPLE_LENGTH = 60  # characters of an example in a message


def remove_leaks(source: TextSource, on_leak: OnLeak) -> TextSource:
    """Return ``source`` without test sentences that are also in train or validation, or with a warning about them.

    If the test split was made here, such sentences are removed from train and validation: a set that holds a sentence
    twice is likely to be split between the two. If the set has its own test split, ``on_leak`` decides, unless there
    are no more of them than are known for this set (``TextSource.known_leaks``): these are only reported.

    Args:
        source: The data set; it is returned unchanged if it has no test or no train split.
        on_leak: "error" raises an error, "warn" keeps the sentences, "drop" removes them from train and validation.

    Raises:
        UserError: The set's own test split shares sentences, and ``on_leak`` is "error"; or no text of train or of
            validation is left.
    """
    if "test" not in source.splits or "train" not in source.splits:
        return source
    keys = {split: sentence_keys(source.splits[split].texts) for split in source.splits}
    trained_on = np.concatenate([keys["train"], keys["validation"]])
    leaking = shared_rows(keys["test"], trained_on)
    if len(leaking) == 0:
        return source
    message = _leak_message(source, leaking)
    has_own_test = "test" not in source.cut
    if has_own_test and 0 < len(leaking) <= source.known_leaks:
        return _with_warning(source, f"{message}, as is known of this set")
    if has_own_test and on_leak == "error":
        raise UserError(f"{message}. data.on_leak=drop leaves them out of train, data.on_leak=warn goes on with them")
    if has_own_test and on_leak == "warn":
        return _with_warning(source, message)
    kept = dict(source.splits)
    for split in ("train", "validation"):
        shared = shared_rows(keys[split], keys["test"])
        kept[split] = kept[split].rows(np.setdiff1d(np.arange(len(kept[split])), shared))
        if len(kept[split]) == 0:
            raise _nothing_left(source, split, has_own_test)
    dropped = sum(source.sizes.values()) - sum(map(len, kept.values()))
    return replace(
        _with_warning(source, f"{message}: {dropped} texts are left out of train and validation"), splits=kept
    )


def refuse_trained_on(source: TextSource, trained_on: np.ndarray, on_leak: OnLeak, run_name: str) -> TextSource:
    """Return the evaluation set ``source`` without sentences that a run was trained on, or with a warning about them.

    Up to ``known_leaks`` shared sentences are kept without a warning.

    Args:
        source: The evaluation set; its test split is checked.
        trained_on: Keys of the run's training and validation texts, as ``sentence_keys`` returns them.
        on_leak: "error" raises an error, "warn" keeps the shared sentences, "drop" removes them from the test split.
        run_name: Name of the run in the messages.

    Raises:
        UserError: Sentences are shared, and ``on_leak`` is "error"; or all are shared, and it is "drop".
    """
    test = source.splits["test"]
    leaking = shared_rows(sentence_keys(test.texts), trained_on)
    if len(leaking) == 0 or len(leaking) <= source.known_leaks:
        return source
    message = (
        f"{len(leaking):,} of the {len(test):,} test texts of {source.name} were trained on by {run_name} "
        f"(as '{_shortened(test.texts[int(leaking[0])])}')"
    )
    if on_leak == "error":
        raise UserError(f"{message}. data.on_leak=drop leaves them out, data.on_leak=warn goes on with them")
    if on_leak == "warn":
        return _with_warning(source, message)
    remaining = np.setdiff1d(np.arange(len(test)), leaking)
    if len(remaining) == 0:
        raise UserError(f"{message}, and none is left")
    return replace(
        _with_warning(source, f"{message}: they are left out"), splits={**source.splits, "test": test.rows(remaining)}
    )


def _nothing_left(source: TextSource, split: str, has_own_test: bool) -> UserError:
    advice = (
        "set data.on_leak=warn to go on with them" if has_own_test else "remove texts that occur there several times"
    )
    example = _shortened(source.splits[split].texts[0])
    return UserError(
        f"every {split} text of {source.name} also occurs in test (as '{example}'), and "
        f"none is left without them: {advice}, or give train, validation and test files that share none"
    )


def _leak_message(source: TextSource, leaking: np.ndarray) -> str:
    test = source.splits["test"]
    return (
        f"{len(leaking):,} of the {len(test):,} test texts of {source.name} also occur in train or validation "
        f"(as '{_shortened(test.texts[int(leaking[0])])}')"
    )


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_EXAMPLE_LENGTH else text[: MAX_EXAMPLE_LENGTH - 1] + "…"


def _with_warning(source: TextSource, warning: str) -> TextSource:
    return replace(source, warnings=(*source.warnings, warning))
