import numpy as np
import pytest

from convscope.data.stratification import TooFewExamplesError, make_missing_splits, stratified_split
from convscope.errors import UserError

LABELS = np.repeat([0, 1, 2], [100, 40, 20])


def test_shares_are_exact_and_every_class_keeps_its_proportion() -> None:
    rest, validation, test = stratified_split(LABELS, [0.15, 0.1], seed=3)
    assert np.bincount(LABELS[validation]).tolist() == [15, 6, 3]
    assert np.bincount(LABELS[test]).tolist() == [10, 4, 2]
    assert np.bincount(LABELS[rest]).tolist() == [75, 30, 15]
    assert sorted([*rest, *validation, *test]) == list(range(160))


def test_a_number_is_cut_exactly_whatever_the_remainders() -> None:
    labels = np.repeat(np.arange(10), 5923)
    _, part = stratified_split(labels, [5003], seed=0)
    counts = np.bincount(labels[part])
    assert len(part) == 5003
    assert set(counts.tolist()) == {500, 501}


@pytest.mark.parametrize("count", range(3, 12))
def test_the_smallest_class_is_in_every_part(count: int) -> None:
    labels = np.repeat([0, 1], [1000, count])
    for rows in stratified_split(labels, [0.45, 0.45], seed=1):
        assert 1 in labels[rows]


def test_the_same_seed_gives_the_same_rows_and_another_seed_others() -> None:
    first, again, other = (stratified_split(LABELS, [0.2], seed)[1].tolist() for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_too_few_images_of_a_class() -> None:
    with pytest.raises(TooFewExamplesError) as caught:
        stratified_split(np.array([0, 0, 0, 1, 1]), [0.2, 0.2], seed=0)
    assert (caught.value.label, caught.value.available, caught.value.needed) == (1, 2, 3)


def test_only_missing_splits_are_cut() -> None:
    parts = {"validation": 0.25, "test": 0.25}
    rows = make_missing_splits(LABELS, {"validation"}, parts, 0, classes="abc", data_name="here")
    assert {name: len(rows[name]) for name in rows} == {"train": 120, "test": 40}
    all_there = make_missing_splits(LABELS, parts, parts, 0, classes="abc", data_name="here")
    assert all_there["train"].tolist() == list(range(160))


@pytest.mark.parametrize("parts", [{"test": 0.0}, {"validation": 0.5, "test": 0.5}, {"test": 160}, {"test": -1}])
def test_parts_that_are_empty_or_leave_no_train_split_are_refused(parts: dict[str, float]) -> None:
    with pytest.raises(UserError, match=r"data\.test=.* of the 160 images of here"):
        make_missing_splits(LABELS, set(), parts, 0, classes="abc", data_name="here")
