"""A `TextSource` as a LightningDataModule: encoded once, batched by length."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from pytorch_lightning import LightningDataModule

from convscope.data.batches import BatchLoader, batches_done, stretch
from convscope.data.feature_reader import FeatureReader, FeatureSource
from convscope.data.text_source import TextSource
from convscope.data.token_batches import LengthOrder, TokenReader
from convscope.data.token_store import TokenStore, open_token_store
from convscope.data.tokens import Tokens
from convscope.errors import UserError
from convscope.preprocessing import TextPreprocessing

SHOWN = 300  # characters of a text in a table
SPLITS_OF_STAGE = {
    "fit": ("train", "validation"),
    "validate": ("validation",),
    "test": ("test",),
    "predict": ("test",),
}


class TextDataModule(LightningDataModule):
    """Batches of ``source``'s texts, as numbers of ``tokens``.

    ``preprocessing`` says how long a text may be and must be. ``batch_size`` is that of all processes together;
    ``seed`` gives the order of every epoch; ``cache_dir`` keeps the encoded texts.
    """

    channels_last = False  # there are none

    def __init__(
        self,
        source: TextSource,
        tokens: Tokens,
        preprocessing: TextPreprocessing,
        *,
        batch_size: int,
        cache_dir: Path,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.source = source
        self.tokens = tokens
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.seed = seed
        self._cache_dir = cache_dir
        self._first_epoch = 0
        self._features: Mapping[str, FeatureSource] = {}
        self._stores: dict[str, TokenStore] = {}
        self._loaders: list[BatchLoader] = []

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the labels."""
        return self.source.classes

    @property
    def sizes(self) -> dict[str, int]:
        """Number of texts of each split."""
        return self.source.sizes

    def names(self, split: str) -> list[str]:
        """The texts of ``split``, the beginning of long ones, in the order of `ImageBatch.indices`."""
        texts = self.source.splits[split].texts
        return [text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…" for text in texts]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not as asked for: of the source, then of the stores that are open."""
        return self.source.warnings + tuple(warning for store in self._stores.values() for warning in store.warnings)

    def begin_stage(self, batch_size: int, augmentation: str, first_epoch: int) -> None:
        """From now on batches of ``batch_size``; epoch 0 of the stage is the run's ``first_epoch``."""
        self.batch_size, self._first_epoch = batch_size, first_epoch
        self._features = {}

    def serve(self, features: Mapping[str, FeatureSource]) -> None:
        """Hand out ``features`` in place of the texts of their splits, in the same order, until the next stage."""
        self._features = dict(features)

    def content(self, split: str) -> str:
        """A name for the inputs of ``split``: of its texts, and of how they are taken apart."""
        return repr((self.source.splits[split].texts.key, self.tokens.key, self.preprocessing))

    def views(self, split: str, views: int) -> int:
        """One: texts are not augmented."""
        return 1

    def inputs(
        self, split: str, views: int = 1, batch_size: int = 32, rank: int = 0, world_size: int = 1
    ) -> Iterator[torch.Tensor]:
        """All inputs of ``split`` in its order, (n, L) int64, each batch padded to its longest.

        Of several processes (``rank`` of ``world_size``) each gets its stretch of the batches.
        """
        reader = TokenReader(self.store(split), self.preprocessing.least)
        for indices in stretch(torch.arange(len(self.store(split))).split(batch_size), rank, world_size):
            tokens = reader.read(0, indices).inputs
            assert isinstance(tokens, torch.Tensor)
            yield tokens

    def store(self, split: str) -> TokenStore:
        """The encoded texts of ``split``, opened or filled at the first call.

        Raises ``UserError`` where the source has no such split.
        """
        if split not in self._stores:
            if split not in self.source.splits:
                raise UserError(f"the data set {self.source.name} has no {split} texts")
            self._stores[split] = open_token_store(self.source.splits[split], self.tokens, self._cache_dir, split)
        return self._stores[split]

    def setup(self, stage: str | None = None) -> None:
        """Open the stores that ``stage`` needs, all of them without one. A second call does nothing."""
        for split in SPLITS_OF_STAGE.get(stage or "", tuple(self.source.splits)):
            self.store(split)

    def class_weights(self) -> torch.Tensor:
        """(classes,) float32: how much a text of each class counts, so that all classes count the same.

        Inverse to the frequency in the train split; their mean is 1.
        """
        counts = np.bincount(self.store("train").labels, minlength=len(self.classes))
        weights = 1 / np.maximum(counts, 1)
        return torch.from_numpy(weights / weights.mean()).float()

    def train_dataloader(self) -> BatchLoader:
        """Shuffled batches of the train split."""
        return self._loader("train")

    def val_dataloader(self) -> BatchLoader:
        """Batches of the validation split, by length."""
        return self._loader("validation")

    def test_dataloader(self) -> BatchLoader:
        """Batches of the test split, by length."""
        return self._loader("test")

    def predict_dataloader(self) -> BatchLoader:
        """As `test_dataloader`."""
        return self._loader("test")

    def teardown(self, stage: str | None = None) -> None:
        """Forget the loaders."""
        self._loaders.clear()

    def _loader(self, split: str) -> BatchLoader:
        store, trainer = self.store(split), self.trainer
        reader: TokenReader | FeatureReader = TokenReader(store, self.preprocessing.least)
        if (features := self._features.get(split)) is not None:
            reader = FeatureReader(features, store.labels, self.seed)
        training = split == "train"
        overfit = getattr(trainer, "overfit_batches", 0)  # the same few batches over and over
        shuffle = training and not overfit
        order = LengthOrder(
            store.lengths,
            self.batch_size,
            seed=self.seed,
            training=training,
            shuffle=shuffle,
            rank=trainer.global_rank if trainer is not None else 0,
            world_size=trainer.world_size if trainer is not None else 1,
            first_epoch=self._first_epoch if training else 0,
        )
        loader = BatchLoader(
            reader,
            order,
            pin_memory=trainer is not None and trainer.strategy.root_device.type == "cuda",
            position=partial(batches_done, trainer) if trainer is not None and training else None,
            shuffled=shuffle,
        )
        self._loaders.append(loader)
        return loader
