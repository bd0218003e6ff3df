"""Cutting labelled images into parts that each hold every class in the same proportion."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from convscope.errors import UserError


class TooFewExamplesError(Exception):
    """A class has fewer images than there are parts to cut."""

    def __init__(self, label: int, available: int, needed: int) -> None:
        super().__init__(label, available, needed)
        self.label = label
        self.available = available
        self.needed = needed


def stratified_split(labels: np.ndarray, parts: Sequence[float | int], seed: int) -> list[np.ndarray]:
    """Rows of ``labels`` (N,) that remain, then those of each part, all ascending.

    A part is a fraction of the images (a float) or their number (an int). Its size is exact, except that
    every class has at least one image in each part and in the rest; a class deviates from its proportion
    by less than one image. The same labels, parts and seed give the same rows.

    Raises ``TooFewImages`` where a class cannot be in every part.
    """
    rng = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    for label, count in zip(classes, counts, strict=True):
        if count <= len(parts):
            raise TooFewExamplesError(int(label), int(count), len(parts) + 1)

    rows_of_class = [rng.permutation(np.flatnonzero(labels == label)) for label in classes]
    taken = np.zeros(len(classes), dtype=np.int64)
    cut: list[np.ndarray] = []
    for number, part in enumerate(parts):
        total = part if isinstance(part, int) else round(part * len(labels))
        most = counts - taken - (len(parts) - number)  # one for each later part, and one for the rest
        sizes = np.clip(_proportional(total, counts), 1, most)
        cut.append(np.sort(np.concatenate(_slices(rows_of_class, taken, taken + sizes))))
        taken = taken + sizes
    return [np.sort(np.concatenate(_slices(rows_of_class, taken, counts))), *cut]


def _proportional(total: int, counts: np.ndarray) -> np.ndarray:
    """``total`` shared out in proportion to ``counts``, what is left over to the largest remainders."""
    quotas = total * counts / counts.sum()
    sizes = np.floor(quotas).astype(np.int64)
    largest = np.argsort(sizes - quotas, kind="stable")[: total - sizes.sum()]
    sizes[largest] += 1
    return sizes


def _slices(rows: Sequence[np.ndarray], starts: np.ndarray, stops: np.ndarray) -> list[np.ndarray]:
    return [row[start:stop] for row, start, stop in zip(rows, starts, stops, strict=True)]


def stratified_folds(labels: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """The fold of each row of ``labels``, (N,) int64 from 0 to ``folds`` - 1.

    The folds differ in size by one row at most, and so they do in the rows of each class. The same labels, number
    of folds and seed give the same folds.
    """
    rng = np.random.default_rng(seed)
    # Dealt out like cards, class after class: each class begins where the one before ended.
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
    where: str,
    noun: str = "images",
) -> dict[str, np.ndarray]:
    """Rows of the train ``labels`` (N,) for "train", and for each split of ``parts`` that is not ``present``.

    ``things`` is what messages call that which is cut.

    Raises ``UserError``, which names the data set as ``where``, for a class with too few images, and for
    parts that are nothing or leave nothing.
    """
    missing = {name: part for name, part in parts.items() if name not in present}
    if not missing:
        return {"train": np.arange(len(labels))}
    shares = [part / len(labels) if isinstance(part, int) else part for part in missing.values()]
    if min(shares) <= 0 or sum(shares) >= 1:
        said = ", ".join(f"data.{name}={part:g}" for name, part in missing.items())
        raise UserError(
            f"{said}: each must take a part of the {len(labels)} {noun} of {where}, and leave a train split"
        )
    try:
        rows = stratified_split(labels, list(missing.values()), seed)
    except TooFewExamplesError as error:
        one = noun.removesuffix("s")
        splits = ["train", *missing]
        raise UserError(
            f"class '{classes[error.label]}' of {where} has {error.available} {one}(s), too few to be in each of "
            f"{', '.join(splits)}: add {noun} ({error.needed} or more), or give these splits folders of their own"
        ) from error
    return dict(zip(["train", *missing], rows, strict=True))
