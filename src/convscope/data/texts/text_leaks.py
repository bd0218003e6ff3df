"""A test that was trained on says nothing: sentences that stand on both sides are found, counted, and refused."""

from dataclasses import replace
from typing import Literal

import numpy as np

from convscope.data.texts.sentence_keys import sentence_keys, shared_rows
from convscope.data.texts.text_source import TextSource
from convscope.errors import UserError

OnLeak = Literal["error", "warn", "drop"]
MOST_SHOWN = 60  # characters of an example


def remove_leaks(source: TextSource, on_leak: OnLeak) -> TextSource:
    """``source``, after a look at the sentences of its test split that it trains or chooses its weights on.

    Where the test split was cut here, they are left out of train and validation: a set that holds a sentence
    twice may well be cut between the two. Where the set brings its own, they are the user's to decide on, but
    for those that are known of it (``TextSource.known_leaks``), which are reported.

    Raises:
        UserError: They are shared, and ``on_leak`` is "error"; or no text of train or of validation is left.
    """
    if "test" not in source.splits or "train" not in source.splits:
        return source
    keys = {split: sentence_keys(source.splits[split].texts) for split in source.splits}
    seen = np.concatenate([keys["train"], keys["validation"]])
    leaking = shared_rows(keys["test"], seen)
    if len(leaking) == 0:
        return source
    said = _said(source, leaking)
    own = "test" not in source.cut
    if own and 0 < len(leaking) <= source.known_leaks:
        return _warned(source, f"{said}, as is known of this set")
    if own and on_leak == "error":
        raise UserError(f"{said}. data.on_leak=drop leaves them out of train, data.on_leak=warn goes on with them")
    if own and on_leak == "warn":
        return _warned(source, said)
    kept = dict(source.splits)
    for split in ("train", "validation"):
        shared = shared_rows(keys[split], keys["test"])
        kept[split] = kept[split].rows(np.setdiff1d(np.arange(len(kept[split])), shared))
        if len(kept[split]) == 0:
            raise _nothing_left(source, split, own)
    dropped = sum(source.sizes.values()) - sum(map(len, kept.values()))
    return replace(_warned(source, f"{said}: {dropped} texts are left out of train and validation for it"), splits=kept)


def refuse_trained_on(source: TextSource, trained_on: np.ndarray, on_leak: OnLeak, run: str) -> TextSource:
    """The evaluation set ``source``, after a look at the sentences that a run was trained on.

    Args:
        source: Its test split is looked at.
        trained_on: Keys of the run's training and validation texts, as ``sentence_keys`` gives them.
        on_leak: "error" refuses; "warn" goes on; "drop" leaves the shared sentences out of the test.
        run: What the message calls the run.

    Raises:
        UserError: They are shared, and ``on_leak`` is "error".
    """
    test = source.splits["test"]
    leaking = shared_rows(sentence_keys(test.texts), trained_on)
    if len(leaking) == 0 or len(leaking) <= source.known_leaks:
        return source
    said = (
        f"{len(leaking):,} of the {len(test):,} test texts of {source.name} were trained on by {run} "
        f"(as '{_shown(test.texts[int(leaking[0])])}')"
    )
    if on_leak == "error":
        raise UserError(f"{said}. data.on_leak=drop leaves them out, data.on_leak=warn goes on with them")
    if on_leak == "warn":
        return _warned(source, said)
    rest = np.setdiff1d(np.arange(len(test)), leaking)
    if len(rest) == 0:
        raise UserError(f"{said}, and none is left")
    return replace(_warned(source, f"{said}: they are left out"), splits={**source.splits, "test": test.rows(rest)})


def _nothing_left(source: TextSource, split: str, own: bool) -> UserError:
    advice = "set data.on_leak=warn to go on with them" if own else "remove texts that stand there several times"
    return UserError(
        f"every {split} text of {source.name} also stands in test (as '{_shown(source.splits[split].texts[0])}'), and "
        f"none is left without them: {advice}, or give train, validation and test files that share none"
    )


def _said(source: TextSource, leaking: np.ndarray) -> str:
    test = source.splits["test"]
    return (
        f"{len(leaking):,} of the {len(test):,} test texts of {source.name} also stand in train or validation "
        f"(as '{_shown(test.texts[int(leaking[0])])}')"
    )


def _shown(text: str) -> str:
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def _warned(source: TextSource, warning: str) -> TextSource:
    return replace(source, warnings=(*source.warnings, warning))
