"""Splits labelled texts into train, validation and test: by shares, or as one fold of a cross-validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from convscope.data.images.image_source import SPLITS
from convscope.data.stratification import make_missing_splits, stratified_folds
from convscope.data.texts.text_source import TextSource, TextSplit
from convscope.errors import UserError


@dataclass(frozen=True)
class SplitSettings:
    """How the splits are made that a data set does not have; stratified, and a deterministic function of ``seed``.

    Attributes:
        validation: Share of the texts for validation; with ``folds``, share of the texts outside the test fold.
        test: Share of the texts for the test split; unused with ``folds``.
        seed: Determines which texts are in which split.
        folds: Number of parts of equal size for a cross-validation, each with all classes in proportion; None for none.
        fold: Index of the part that is the test split.
    """

    validation: float = 0.1
    test: float = 0.1
    seed: int = 0
    folds: int | None = None
    fold: int = 0


def split_source(
    name: str,
    source: str,
    classes: Sequence[str],
    given_splits: Mapping[str, TextSplit],
    settings: SplitSettings,
    location: str,
    warnings: Sequence[str] = (),
    known_leaks: int = 0,
) -> TextSource:
    """Return a source of the given splits, with missing ones split off from train.

    Args:
        name: Name of the data set.
        source: Where the texts come from, see `TextSource`.
        classes: Names of the classes, in the order of the labels.
        given_splits: The splits that the set has, "train" among them.
        settings: How missing splits are made.
        location: The folder, file or set, for messages.
        warnings: Warnings about how the texts were read.
        known_leaks: See `TextSource`.

    Raises:
        UserError: A class has too few texts to be in every split, or folds were requested of a set with a test split.
    """
    train = given_splits["train"]
    if settings.folds is None:
        parts = {"validation": settings.validation, "test": settings.test}
        rows = make_missing_splits(
            train.labels, given_splits, parts, settings.seed, classes=classes, data_name=location, noun="texts"
        )
    else:
        rows = _rows_of_fold(given_splits, settings, classes, location)
    cut = frozenset(rows) - {"train"}
    splits = {split: train.rows(rows[split]) if split in rows else given_splits[split] for split in SPLITS}
    return TextSource(name, source, tuple(classes), splits, tuple(warnings), cut, known_leaks)


def _rows_of_fold(
    given_splits: Mapping[str, TextSplit], settings: SplitSettings, classes: Sequence[str], location: str
) -> dict[str, np.ndarray]:
    assert settings.folds is not None
    if "test" in given_splits:
        raise UserError(
            f"data.folds={settings.folds}: {location} has a test split of its own, and a cross-validation would mix it "
            "with the others; set data.folds=null"
        )
    if not 0 <= settings.fold < settings.folds:
        raise UserError(
            f"data.fold={settings.fold}: must be one of 0 to {settings.folds - 1} (data.folds={settings.folds})"
        )
    labels = given_splits["train"].labels
    in_fold = stratified_folds(labels, settings.folds, settings.seed)
    others = np.flatnonzero(in_fold != settings.fold)
    parts = {"validation": settings.validation}
    rows = make_missing_splits(
        labels[others], given_splits, parts, settings.seed, classes=classes, data_name=location, noun="texts"
    )
    test = np.flatnonzero(in_fold == settings.fold)
    return {split: others[positions] for split, positions in rows.items()} | {"test": test}
