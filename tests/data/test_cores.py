"""The number of cores that a process has for itself if other processes of the machine may use them too."""

import os

import pytest

from convscope.data.cores import available_cores, cores_per_process, usable_cores


def cores(first: int, last: int) -> frozenset[int]:
    return frozenset(range(first, last + 1))


CASES = {
    "one process": ([cores(0, 7)], [8]),
    "cores of their own, as bound by srun": ([cores(0, 7), cores(8, 15), cores(16, 23)], [8, 8, 8]),
    "every second thread of a core": ([frozenset({0, 8}), frozenset({1, 9})], [2, 2]),
    "the same for all, as torchrun leaves them": ([cores(0, 15)] * 4, [4, 4, 4, 4]),
    "not divisible": ([cores(0, 9)] * 4, [2, 2, 2, 2]),
    "more processes than cores": ([cores(0, 1)] * 4, [1, 1, 1, 1]),
    "thirds add up": ([cores(0, 5)] * 3, [2, 2, 2]),
    "some in common": ([cores(0, 11), cores(8, 15)], [10, 6]),
    "two pairs": ([cores(0, 7), cores(0, 7), cores(8, 15), cores(8, 15)], [4, 4, 4, 4]),
    "one that may use all cores": ([cores(0, 15), cores(0, 3)], [14, 2]),
}


@pytest.mark.parametrize(("masks", "expected"), CASES.values(), ids=CASES)
def test_cores_are_divided_among_those_that_may_use_them(masks, expected):
    shares = [cores_per_process(mask, masks) for mask in masks]
    assert shares == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process")
def test_a_bound_process_sees_its_own_cores():
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert usable_cores() == {min(before)}
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_where_no_process_is_bound_all_cores_are_usable(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert usable_cores() == {0, 1, 2}
