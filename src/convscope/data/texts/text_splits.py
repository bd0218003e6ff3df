"""Cutting labelled texts into train, validation and test: by shares, or as one fold of a cross-validation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from convscope.data.images.image_source import SPLITS
from convscope.data.stratification import make_missing_splits, stratified_folds
from convscope.data.texts.text_source import TextSource, TextSplit
from convscope.errors import UserError


@dataclass(frozen=True)
class SplitSettings:
    """How splits are made that a set does not bring along.

    ``validation`` and ``test`` are shares of the texts there are to cut from. With ``folds`` the texts are cut
    into so many parts of equal size, each with every class in its proportion: part ``fold`` is the test, and
    ``validation`` a share of the others. All of it is a function of ``seed``.
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
    given: Mapping[str, TextSplit],
    cutting: SplitSettings,
    where: str,
    warnings: Sequence[str] = (),
    known_leaks: int = 0,
) -> TextSource:
    """A source of the splits that are ``given`` ("train" is), and of those cut from its train.

    Raises:
        UserError: A class has too few texts to be in every split, or there are folds and a test split too.
    """
    train = given["train"]
    if cutting.folds is None:
        parts = {"validation": cutting.validation, "test": cutting.test}
        rows = make_missing_splits(train.labels, given, parts, cutting.seed, classes=classes, where=where, noun="texts")
    else:
        rows = _fold(given, cutting, classes, where)
    cut = frozenset(rows) - {"train"}
    splits = {split: train.rows(rows[split]) if split in rows else given[split] for split in SPLITS}
    return TextSource(name, source, tuple(classes), splits, tuple(warnings), cut, known_leaks)


def _fold(
    given: Mapping[str, TextSplit], cutting: SplitSettings, classes: Sequence[str], where: str
) -> dict[str, np.ndarray]:
    assert cutting.folds is not None
    if "test" in given:
        raise UserError(
            f"data.folds={cutting.folds}: {where} has a test split of its own, and a cross-validation would mix it "
            "with the others; set data.folds=null"
        )
    if not 0 <= cutting.fold < cutting.folds:
        raise UserError(
            f"data.fold={cutting.fold}: must be one of 0 to {cutting.folds - 1} (data.folds={cutting.folds})"
        )
    labels = given["train"].labels
    in_fold = stratified_folds(labels, cutting.folds, cutting.seed)
    others = np.flatnonzero(in_fold != cutting.fold)
    parts = {"validation": cutting.validation}
    rows = make_missing_splits(labels[others], given, parts, cutting.seed, classes=classes, where=where, noun="texts")
    return {split: others[inner] for split, inner in rows.items()} | {"test": np.flatnonzero(in_fold == cutting.fold)}
