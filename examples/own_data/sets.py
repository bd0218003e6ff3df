"""Data sets of one's own: stripes to see, and sentences to read. Both are made here, so that nothing is downloaded."""

import random

import torch
from torch.utils.data import TensorDataset


def stripes(train: int = 400, validation: int = 100, test: int = 100, size: int = 32) -> dict[str, TensorDataset]:
    """Return grey images of horizontal (class 0) and vertical stripes (class 1), for each split."""
    counts = {"train": train, "validation": validation, "test": test}
    return {split: _stripes(count, size, seed) for seed, (split, count) in enumerate(counts.items())}


def _stripes(count: int, size: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    periods = torch.randint(3, 9, (count, 1), generator=generator)
    shifts = torch.randint(0, 9, (count, 1), generator=generator)
    rows = ((torch.arange(size) + shifts) // periods % 2).float()  # (count, size)
    images = rows[:, None, :, None].expand(-1, 1, -1, size).clone()
    images[labels == 1] = images[labels == 1].transpose(2, 3)
    noise = torch.rand(images.shape, generator=generator)
    return TensorDataset(0.6 * images + 0.4 * noise, labels)  # floats from 0 to 1, (N, channels, height, width)


def opinions(train: int = 300, validation: int = 60, test: int = 60) -> list[list[tuple[str, str]]]:
    """Return pairs of a sentence and its label, for training, validation and test."""
    generator = random.Random(0)
    things = ["film", "plot", "actor", "ending", "music", "scene", "joke", "hero", "camera", "dialogue"]
    words = {"good": ["great", "moving", "clever", "funny"], "bad": ["dull", "silly", "slow", "flat"]}
    sentences = [
        (f"the {first} was {generator.choice(words[label])} and the {second} {generator.choice(words[label])}", label)
        for first in things
        for second in things
        for label in words
        for _ in range(4)
    ]
    sentences = sorted(set(sentences))
    generator.shuffle(sentences)
    return [sentences[:train], sentences[train : train + validation], sentences[train + validation :][:test]]
