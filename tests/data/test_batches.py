import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.data.batches import BatchLoader, EpochOrder, ImageBatch, shard
from convscope.data.images.augmentation import augmentation
from convscope.data.images.image_batches import ImageBatchReader
from convscope.data.images.image_source import ArraySplit
from convscope.data.images.image_store import ImageStore, open_image_store
from convscope.data.images.resizing import Resizing

COUNT, SIZE = 43, 12


@pytest.fixture(scope="module")
def store() -> ImageStore:
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 3), dtype=np.uint8)
    split = ArraySplit(lambda: pixels, (SIZE, SIZE, 3), np.arange(COUNT), np.arange(COUNT) % 5, "train", "key")
    return open_image_store(split, Resizing(SIZE, 3), Path("/nowhere"))


def order(**options: object) -> EpochOrder:
    defaults = {"seed": 0, "training": True, "shuffle": True, "rank": 0, "world_size": 1}
    return EpochOrder(**{"examples": COUNT, "batch_size": 8} | defaults | options)


def in_order(**options: object) -> list[int]:
    return torch.cat(order(**options).batches()).tolist()


def test_an_epoch_has_every_image_once() -> None:
    batches = order().batches()
    assert [len(batch) for batch in batches] == [8, 8, 8, 8, 8, 3]
    assert sorted(torch.cat(batches).tolist()) == list(range(COUNT))
    assert len(order()) == 6


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    one, other = order(), order(seed=1)
    seen = {tuple(torch.cat(one.batches()).tolist()), tuple(torch.cat(other.batches()).tolist())}
    one.set_epoch(1)
    second = torch.cat(one.batches()).tolist()
    assert len(seen | {tuple(second)}) == 3
    one.set_epoch(0)
    assert tuple(torch.cat(one.batches()).tolist()) in seen
    assert in_order(shuffle=False) == list(range(COUNT))


@pytest.mark.parametrize(
    ("images", "batch_size", "training", "sizes"),
    [
        (17, 8, True, [8, 8]),
        (17, 8, False, [8, 8, 1]),
        (18, 8, True, [8, 8, 2]),
        (16, 8, True, [8, 8]),
        (1, 8, True, [1]),
        (3, 1, True, [1, 1, 1]),
    ],
)
def test_a_last_batch_of_one_is_left_out_of_training(
    images: int, batch_size: int, training: bool, sizes: list[int]
) -> None:
    made = order(examples=images, batch_size=batch_size, training=training)
    assert [len(batch) for batch in made.batches()] == sizes
    assert len(made) == len(sizes)


@pytest.mark.parametrize("world_size", [2, 3, 4, 8])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("images", [COUNT, 40, 41, 47])
def test_processes_share_each_batch(world_size: int, training: bool, images: int) -> None:
    told = {"examples": images, "training": training, "shuffle": training}
    alone = order(**told).batches()
    orders = [order(rank=rank, world_size=world_size, **told) for rank in range(world_size)]
    assert [len(each) for each in orders] == [len(alone)] * world_size  # all make as many steps
    for number, whole in enumerate(alone):
        parts = [each.batches()[number] for each in orders]
        shares = [each.weight(whole) for each in orders]
        counted = torch.cat([part for part, share in zip(parts, shares, strict=True) if share])
        assert sorted(counted.tolist()) == sorted(whole.tolist())
        assert all(len(part) for part in parts)
        # The mean over processes of a part's mean, weighted by its share, is the mean over the batch.
        losses = torch.rand(images, dtype=torch.float64, generator=torch.Generator().manual_seed(number))
        means = [losses[part].mean() * share for part, share in zip(parts, shares, strict=True)]
        assert float(sum(means)) / world_size == pytest.approx(float(losses[whole].mean()), abs=1e-12)


def test_a_batch_says_what_its_part_weighs(store: ImageStore) -> None:
    told = {"batch_size": 21, "training": False, "shuffle": False, "world_size": 3}
    shares = [
        [batch.weight for batch in BatchLoader(ImageBatchReader(store, 10), order(rank=rank, **told))]
        for rank in range(3)
    ]
    assert shares == [[1.0, 1.0, 3.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]  # 21, 21 and 1 image
    assert {batch.weight for batch in loader(store)} == {1.0}
    halved = ImageBatch(torch.zeros(1), torch.zeros(1), torch.zeros(1), 0.5)
    assert halved.to("meta").weight == 0.5


def test_stretches_are_all_in_order() -> None:
    for count in (0, 1, 5, 12):
        for world_size in (1, 2, 3, 7):
            parts = [shard(range(count), rank, world_size) for rank in range(world_size)]
            assert [item for part in parts for item in part] == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def loader(store: ImageStore, preset: str | None = None, workers: int = 0, **options: object) -> BatchLoader:
    augment = None if preset is None else augmentation(preset, 10)
    return BatchLoader(ImageBatchReader(store, 10, seed=3, augment=augment), order(seed=3), workers=workers, **options)


def epoch(made: BatchLoader, number: int) -> list[ImageBatch]:
    made.sampler.set_epoch(number)
    return list(made)


def assert_same(left: list[ImageBatch], right: list[ImageBatch]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for tensor, same in zip(one[:3], other[:3], strict=True):
            assert torch.equal(tensor, same)


def test_a_batch_is_what_its_indices_say(store: ImageStore) -> None:
    for batch in loader(store):
        assert batch.inputs.dtype == torch.uint8
        assert batch.labels.tolist() == store.labels[batch.indices.numpy()].tolist()
        assert torch.equal(batch.inputs, store.centre_crops(batch.indices, 10))


@pytest.mark.parametrize("preset", [None, "strong"])
def test_workers_change_nothing(store: ImageStore, preset: str | None) -> None:
    alone, helped = loader(store, preset), loader(store, preset, workers=2)
    try:
        for number in (0, 1, 2, 1):
            assert_same(epoch(alone, number), epoch(helped, number))
        # an epoch that is given up does not leak into the next
        helped.sampler.set_epoch(3)
        next(iter(helped))
        assert_same(epoch(alone, 4), epoch(helped, 4))
    finally:
        helped.close()


def test_every_epoch_changes_a_image_anew(store: ImageStore) -> None:
    made = loader(store, "strong")

    def image(number: int) -> torch.Tensor:
        return next(batch.inputs[batch.indices == 7] for batch in epoch(made, number) if 7 in batch.indices)

    assert torch.equal(image(0), image(0))
    assert not torch.equal(image(0), image(1))


def test_the_changes_do_not_depend_on_the_batch(store: ImageStore) -> None:
    reader = ImageBatchReader(store, 10, seed=3, augment=augmentation("strong", 10))
    together = reader.read(2, torch.tensor([4, 9, 1])).inputs
    alone = reader.read(2, torch.tensor([9])).inputs
    assert torch.equal(together[1:2], alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_generators_stay_as_they_were(store: ImageStore, workers: int) -> None:
    made = loader(store, "strong", workers)
    threads = torch.get_num_threads()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    epoch(made, 0)
    made.close()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert torch.get_num_threads() == threads


def test_the_generator_comes_back_when_a_image_fails(store: ImageStore) -> None:
    def fail(image: torch.Tensor) -> torch.Tensor:
        torch.rand(3)
        raise RuntimeError("no")

    state, threads = torch.get_rng_state(), torch.get_num_threads()
    with pytest.raises(RuntimeError, match="no"):
        ImageBatchReader(store, 10, augment=fail).read(0, torch.tensor([1]))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("done", [0, 1, 4, 6])
def test_it_continues_within_an_epoch(store: ImageStore, workers: int, done: int) -> None:
    whole = epoch(loader(store, "light"), 5)
    first = loader(store, "light")
    first.sampler.set_epoch(5)
    batches: Iterator[ImageBatch] = iter(first)
    for _ in range(done):
        next(batches)
    resumed = loader(store, "light", workers)
    resumed.load_state_dict(first.state_dict())
    batches = iter(resumed)  # before the epoch is known
    resumed.sampler.set_epoch(5)
    assert_same(list(batches), whole[done:])
    assert_same(epoch(resumed, 5), whole)
    resumed.close()


def test_the_state_of_another_epoch_is_no_reason_to_skip(store: ImageStore) -> None:
    made = loader(store)
    epoch(made, 0)
    resumed = loader(store)
    resumed.load_state_dict(made.state_dict())
    assert len(epoch(resumed, 1)) == 6


def test_what_the_trainer_says_counts_more(store: ImageStore) -> None:
    at = 0
    made = loader(store, position=lambda: at)
    assert len(epoch(made, 0)) == 6
    at = 2  # as Lightning says it, whether or not it has handed over the state
    assert len(epoch(made, 0)) == 4
    made.load_state_dict({"epoch": 0, "batches": 3})  # the third was under way and is done again
    assert len(epoch(made, 0)) == 4


def test_a_batch_moves_as_a_whole() -> None:
    batch = ImageBatch(torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(2), torch.zeros(2))
    assert batch.to("cpu") is batch
    assert {tensor.device.type for tensor in batch.to("meta")[:3]} == {"meta"}
