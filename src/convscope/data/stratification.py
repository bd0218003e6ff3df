"""Stratified splits and folds: parts of labelled examples that hold every class in the same proportion."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from convscope.errors import UserError


class TooFewExamplesError(Exception):
    """A class has too few examples to have at least one in each part.

    Attributes:
        label: The class.
        available: Number of its examples.
        needed: Number of examples that it needs at least.
    """

    def __init__(self, label: int, available: int, needed: int) -> None:
        super().__init__(label, available, needed)
        self.label = label
        self.available = available
        self.needed = needed


def stratified_split(labels: np.ndarray, parts: Sequence[float | int], seed: int) -> list[np.ndarray]:
    """Cut stratified parts from a data set; return the rows that remain, then the rows of each part, all ascending.

    The size of a part is exact, except that every class has at least one example in each part and in the rest. The
    number of examples of a class deviates from its proportion by less than one. The same labels, parts and seed give
    the same rows.

    Args:
        labels: The labels (N,).
        parts: The size of each part: a fraction of the examples (a float) or their number (an int).
        seed: Determines which examples are in which part.

    Raises:
        TooFewExamplesError: A class has too few examples to be in every part.
    """
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    for label, count in zip(classes, counts, strict=True):
        if count <= len(parts):
            raise TooFewExamplesError(int(label), int(count), len(parts) + 1)

    rows_of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
    taken = np.zeros(len(classes), dtype=np.int64)
    part_rows: list[np.ndarray] = []
    for number, part in enumerate(parts):
        total = part if isinstance(part, int) else round(part * len(labels))
        max_sizes = counts - taken - (len(parts) - number)  # leave one for each later part, and one for the rest
        sizes = np.clip(_proportional(total, counts), 1, max_sizes)
        part_rows.append(np.sort(np.concatenate(_take(rows_of_class, taken, taken + sizes))))
        taken = taken + sizes
    return [np.sort(np.concatenate(_take(rows_of_class, taken, counts))), *part_rows]


def _proportional(total: int, counts: np.ndarray) -> np.ndarray:
    """Return whole numbers in proportion to ``counts`` whose sum is ``total`` (the largest remainder method)."""
    quotas = total * counts / counts.sum()
    sizes = np.floor(quotas).astype(np.int64)
    largest = np.argsort(sizes - quotas, kind="stable")[: total - sizes.sum()]
    sizes[largest] += 1
    return sizes


def _take(rows_of_class: Sequence[np.ndarray], starts: np.ndarray, stops: np.ndarray) -> list[np.ndarray]:
    """Return ``rows[start:stop]`` of the rows of each class."""
    return [rows[start:stop] for rows, start, stop in zip(rows_of_class, starts, stops, strict=True)]


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """Return the fold of each row of ``labels`` (N,), as (N,) int64 from 0 to ``folds`` - 1.

    The folds differ in size by at most one row, and in the number of rows of each class by at most one. The same
    labels, number of folds and seed give the same folds.
    """
    rng = np.random.default_rng(seed)
    # The rows go to the folds in turn, class after class: each class begins with the fold after the last one used.
    order = np.concatenate([rng.permutation(np.flatnonzero(labels == label)) for label in np.unique(labels)])
    fold = np.empty(len(labels), dtype=np.int64)
    fold[order] = np.arange(len(labels)) % folds
    return fold


def make_missing_splits(
    labels: np.ndarray,
    present: Container[str],
    parts: Mapping[str, float | int],
    seed: int,
    *,
    classes: Sequence[str],
    data_name: str,
    noun: str = "images",
) -> dict[str, np.ndarray]:
    """Return the rows of the train ``labels`` for "train", and for each split that has to be cut from it.

    Args:
        labels: The labels (N,) of the train split.
        present: The splits that the data set has; they are not cut.
        parts: The size of each split to cut: a fraction of the train examples (a float) or their number (an int).
        seed: Determines which examples are in which split.
        classes: Names of the classes, for messages.
        data_name: Name of the data set, for messages.
        noun: What messages call the examples, in the plural.

    Raises:
        UserError: A class has too few examples, or the parts are empty or leave no train split.
    """
    missing = {name: part for name, part in parts.items() if name not in present}
    if not missing:
        return {"train": np.arange(len(labels))}
    shares = [part / len(labels) if isinstance(part, int) else part for part in missing.values()]
    if min(shares) <= 0 or sum(shares) >= 1:
        settings = ", ".join(f"data.{name}={part:g}" for name, part in missing.items())
        raise UserError(
            f"{settings}: each must take a part of the {len(labels)} {noun} of {data_name}, and leave a train split"
        )
    try:
        rows = stratified_split(labels, list(missing.values()), seed)
    except TooFewExamplesError as error:
        singular = noun.removesuffix("s")
        splits = ["train", *missing]
        raise UserError(
            f"class '{classes[error.label]}' of {data_name} has {error.available} {singular}(s), too few to be in each "
            f"of {', '.join(splits)}: add {noun} ({error.needed} or more), or give these splits folders of their own"
        ) from error
    return dict(zip(["train", *missing], rows, strict=True))
