import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from convscope.data.batches import BatchLoader, EpochBatchSampler, LabelledBatch, shard
from convscope.data.images.augmentation import PRESETS
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


def order(**options: object) -> EpochBatchSampler:
    defaults = {"seed": 0, "training": True, "shuffle": True, "rank": 0, "world_size": 1}
    return EpochBatchSampler(**{"examples": COUNT, "batch_size": 8} | defaults | options)


def in_order(**options: object) -> list[int]:
    return torch.cat(order(**options).batches()).tolist()


def test_an_epoch_has_every_image_once() -> None:
    batches = order().batches()
    assert [len(batch) for batch in batches] == [8, 8, 8, 8, 8, 3]
    assert sorted(torch.cat(batches).tolist()) == list(range(COUNT))
    assert len(order()) == 6


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    seed_0, seed_1 = order(), order(seed=1)
    first_epochs = {tuple(torch.cat(seed_0.batches()).tolist()), tuple(torch.cat(seed_1.batches()).tolist())}
    seed_0.set_epoch(1)
    second_epoch = torch.cat(seed_0.batches()).tolist()
    assert len(first_epochs | {tuple(second_epoch)}) == 3
    seed_0.set_epoch(0)
    assert tuple(torch.cat(seed_0.batches()).tolist()) in first_epochs
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
    epoch_order = order(examples=images, batch_size=batch_size, training=training)
    assert [len(batch) for batch in epoch_order.batches()] == sizes
    assert len(epoch_order) == len(sizes)


@pytest.mark.parametrize("world_size", [2, 3, 4, 8])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("images", [COUNT, 40, 41, 47])
def test_processes_share_each_batch(world_size: int, training: bool, images: int) -> None:
    options = {"examples": images, "training": training, "shuffle": training}
    whole_batches = order(**options).batches()
    orders = [order(rank=rank, world_size=world_size, **options) for rank in range(world_size)]
    assert [len(rank_order) for rank_order in orders] == [len(whole_batches)] * world_size  # the same number of steps
    for number, whole in enumerate(whole_batches):
        parts = [rank_order.batches()[number] for rank_order in orders]
        weights = [rank_order.weight(whole) for rank_order in orders]
        counted = torch.cat([part for part, weight in zip(parts, weights, strict=True) if weight])
        assert sorted(counted.tolist()) == sorted(whole.tolist())
        assert all(len(part) for part in parts)
        # The weighted mean over processes of the means of their parts is the mean over the batch.
        losses = torch.rand(images, dtype=torch.float64, generator=torch.Generator().manual_seed(number))
        means = [losses[part].mean() * weight for part, weight in zip(parts, weights, strict=True)]
        assert float(sum(means)) / world_size == pytest.approx(float(losses[whole].mean()), abs=1e-12)


def test_a_batch_has_the_weight_of_its_part(store: ImageStore) -> None:
    options = {"batch_size": 21, "training": False, "shuffle": False, "world_size": 3}
    weights = [
        [batch.weight for batch in BatchLoader(ImageBatchReader(store, 10), order(rank=rank, **options))]
        for rank in range(3)
    ]
    assert weights == [[1.0, 1.0, 3.0], [1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]  # 21, 21 and 1 image
    assert {batch.weight for batch in loader(store)} == {1.0}
    halved = LabelledBatch(torch.zeros(1), torch.zeros(1), torch.zeros(1), 0.5)
    assert halved.to("meta").weight == 0.5


def test_shards_are_contiguous_and_complete() -> None:
    for count in (0, 1, 5, 12):
        for world_size in (1, 2, 3, 7):
            parts = [shard(range(count), rank, world_size) for rank in range(world_size)]
            assert [item for part in parts for item in part] == list(range(count))
            assert max(map(len, parts)) - min(map(len, parts)) <= 1


def loader(store: ImageStore, preset: str | None = None, workers: int = 0, **options: object) -> BatchLoader:
    augment = None if preset is None else PRESETS[preset](10, "bilinear")
    return BatchLoader(ImageBatchReader(store, 10, seed=3, augment=augment), order(seed=3), workers=workers, **options)


def epoch(batch_loader: BatchLoader, number: int) -> list[LabelledBatch]:
    batch_loader.sampler.set_epoch(number)
    return list(batch_loader)


def assert_same(left: list[LabelledBatch], right: list[LabelledBatch]) -> None:
    assert len(left) == len(right)
    for left_batch, right_batch in zip(left, right, strict=True):
        for left_tensor, right_tensor in zip(left_batch[:3], right_batch[:3], strict=True):
            assert torch.equal(left_tensor, right_tensor)


def test_a_batch_holds_the_images_of_its_indices(store: ImageStore) -> None:
    for batch in loader(store):
        assert batch.inputs.dtype == torch.uint8
        assert batch.labels.tolist() == store.labels[batch.indices.numpy()].tolist()
        assert torch.equal(batch.inputs, store.centre_crops(batch.indices, 10))


@pytest.mark.parametrize("preset", [None, "strong"])
def test_workers_change_nothing(store: ImageStore, preset: str | None) -> None:
    without, with_workers = loader(store, preset), loader(store, preset, workers=2)
    try:
        for number in (0, 1, 2, 1):
            assert_same(epoch(without, number), epoch(with_workers, number))
        # An epoch that is left before its end does not leak into the next one.
        with_workers.sampler.set_epoch(3)
        next(iter(with_workers))
        assert_same(epoch(without, 4), epoch(with_workers, 4))
    finally:
        with_workers.close()


def test_every_epoch_augments_an_image_anew(store: ImageStore) -> None:
    augmenting = loader(store, "strong")

    def image(number: int) -> torch.Tensor:
        return next(batch.inputs[batch.indices == 7] for batch in epoch(augmenting, number) if 7 in batch.indices)

    assert torch.equal(image(0), image(0))
    assert not torch.equal(image(0), image(1))


def test_the_augmentation_does_not_depend_on_the_batch(store: ImageStore) -> None:
    reader = ImageBatchReader(store, 10, seed=3, augment=PRESETS["strong"](10, "bilinear"))
    together = reader.read(2, torch.tensor([4, 9, 1])).inputs
    alone = reader.read(2, torch.tensor([9])).inputs
    assert torch.equal(together[1:2], alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_global_generators_are_left_unchanged(store: ImageStore, workers: int) -> None:
    augmenting = loader(store, "strong", workers)
    threads = torch.get_num_threads()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    epoch(augmenting, 0)
    augmenting.close()
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[1:]
    assert torch.get_num_threads() == threads


def test_the_generator_is_restored_if_an_image_fails(store: ImageStore) -> None:
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
def test_a_loader_resumes_within_an_epoch(store: ImageStore, workers: int, done: int) -> None:
    whole = epoch(loader(store, "light"), 5)
    first = loader(store, "light")
    first.sampler.set_epoch(5)
    batches: Iterator[LabelledBatch] = iter(first)
    for _ in range(done):
        next(batches)
    resumed = loader(store, "light", workers)
    resumed.load_state_dict(first.state_dict())
    batches = iter(resumed)  # before the epoch is known
    resumed.sampler.set_epoch(5)
    assert_same(list(batches), whole[done:])
    assert_same(epoch(resumed, 5), whole)
    resumed.close()


def test_the_state_of_another_epoch_skips_no_batch(store: ImageStore) -> None:
    first = loader(store)
    epoch(first, 0)
    resumed = loader(store)
    resumed.load_state_dict(first.state_dict())
    assert len(epoch(resumed, 1)) == 6


def test_the_position_of_the_trainer_takes_precedence(store: ImageStore) -> None:
    position = 0
    positioned = loader(store, position=lambda: position)
    assert len(epoch(positioned, 0)) == 6
    position = 2  # of Lightning's trainer, whether or not it has loaded the state
    assert len(epoch(positioned, 0)) == 4
    positioned.load_state_dict({"epoch": 0, "batches": 3})  # the third batch was not finished, and is repeated
    assert len(epoch(positioned, 0)) == 4


def test_a_batch_moves_with_all_its_tensors() -> None:
    batch = LabelledBatch(torch.zeros(2, 1, 3, 3, dtype=torch.uint8), torch.zeros(2), torch.zeros(2))
    assert batch.to("cpu") is batch
    assert {tensor.device.type for tensor in batch.to("meta")[:3]} == {"meta"}
