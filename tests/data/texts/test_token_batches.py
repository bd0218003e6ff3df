from collections.abc import Iterator

import numpy as np
import pytest
import torch

from convscope.data.batches import BatchLoader, LabelledBatch
from convscope.data.texts.text_buffer import TextBuffer
from convscope.data.texts.text_source import numbered
from convscope.data.texts.token_batches import LengthGroupedBatchSampler, TokenBatchReader
from convscope.data.texts.token_store import TokenStore, open_token_store
from convscope.data.texts.tokenizer import train_tokenizer

COUNT = 643
RANDOM = np.random.default_rng(0)
TEXTS = [" ".join(["word"] * int(length)) for length in RANDOM.integers(1, 60, COUNT)]


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> TokenStore:
    split = numbered(TextBuffer(TEXTS), np.arange(COUNT) % 3, "train")
    return open_token_store(split, train_tokenizer(TEXTS, "word", max_length=50), tmp_path_factory.mktemp("cache"))


def order(store: TokenStore, **options: object) -> LengthGroupedBatchSampler:
    defaults = {"batch_size": 8, "seed": 0, "training": True, "shuffle": True, "rank": 0, "world_size": 1}
    return LengthGroupedBatchSampler(store.lengths, **defaults | options)


def loader(store: TokenStore, seed: int = 3) -> BatchLoader:
    return BatchLoader(TokenBatchReader(store), order(store, seed=seed))


def epoch(made: BatchLoader, number: int) -> list[LabelledBatch]:
    made.sampler.set_epoch(number)
    return list(made)


def assert_same(left: list[LabelledBatch], right: list[LabelledBatch]) -> None:
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        for tensor, same in zip(one[:3], other[:3], strict=True):
            assert torch.equal(tensor, same)


def test_an_epoch_has_every_text_once_and_its_order_is_a_function_of_seed_and_epoch(store) -> None:
    seen = []
    for seed, number in ((0, 0), (0, 1), (1, 0)):
        made = order(store, seed=seed)
        made.set_epoch(number)
        batches = made.batches()
        assert len(batches) == len(made)
        assert sorted(torch.cat(batches).tolist()) == list(range(COUNT))
        seen.append(torch.cat(batches).tolist())
    assert len({tuple(one) for one in seen}) == 3
    assert torch.cat(order(store).batches()).tolist() == seen[0]


def test_which_texts_meet_changes_with_the_epoch(store) -> None:
    made = order(store)
    companions = []
    for number in (0, 1):
        made.set_epoch(number)
        companions.append(next(set(batch.tolist()) for batch in made.batches() if 7 in batch))
    assert companions[0] != companions[1]


def test_there_is_little_padding(store) -> None:
    padded = sum(int(store.lengths[batch].max()) * len(batch) for batch in order(store).batches())
    assert padded < 1.1 * store.lengths.sum()
    evaluated = order(store, training=False, shuffle=False).batches()
    assert sum(int(store.lengths[batch].max()) * len(batch) for batch in evaluated) < 1.02 * store.lengths.sum()


def test_short_and_long_texts_take_turns(store) -> None:
    longest = np.array([store.lengths[batch].max() for batch in order(store).batches()])
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.4


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("options", [{}, {"training": False, "shuffle": False}], ids=["training", "evaluation"])
def test_processes_share_each_batch(store, world_size: int, options) -> None:
    alone = order(store, **options).batches()
    parts = [order(store, rank=rank, world_size=world_size, **options).batches() for rank in range(world_size)]
    assert [len(each) for each in parts] == [len(alone)] * world_size
    for number, whole in enumerate(alone):
        assert {*torch.cat([each[number] for each in parts]).tolist()} == {*whole.tolist()}
    assert sorted(torch.cat(alone).tolist()) == list(range(COUNT))


def test_a_last_batch_of_one_is_left_out_of_training(store) -> None:
    sizes = sorted(len(batch) for batch in order(store, batch_size=6).batches())
    assert COUNT % 6 == 1
    assert sizes[0] == 6
    assert sum(len(batch) for batch in order(store, batch_size=6, training=False, shuffle=False).batches()) == COUNT


def test_a_batch_has_the_texts_of_its_indices_padded_at_the_end(store) -> None:
    for batch in loader(store):
        assert batch.inputs.dtype == torch.int64
        assert batch.labels.tolist() == store.labels[batch.indices.numpy()].tolist()
        for row, index in zip(batch.inputs.tolist(), batch.indices.tolist(), strict=True):
            length = int(store.lengths[index])
            assert row[:length] == store.tokens(index).tolist()
            assert not any(row[length:])
        assert batch.inputs.shape[1] == store.lengths[batch.indices.numpy()].max()


def test_the_least_length_is_kept(store) -> None:
    short = torch.tensor([int(np.argmin(store.lengths))])
    assert TokenBatchReader(store, min_length=64).read(0, short).inputs.shape == (1, 64)


@pytest.mark.parametrize("done", [0, 1, 40, 81])
def test_it_continues_within_an_epoch(store, done: int) -> None:
    whole = epoch(loader(store), 5)
    first = loader(store)
    first.sampler.set_epoch(5)
    batches: Iterator[LabelledBatch] = iter(first)
    for _ in range(done):
        next(batches)
    resumed = loader(store)
    resumed.load_state_dict(first.state_dict())
    assert_same(epoch(resumed, 5), whole[done:])
    assert_same(epoch(resumed, 5), whole)
