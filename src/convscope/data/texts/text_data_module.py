"""A LightningDataModule for texts, which are tokenized once and batched by length."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from typing_extensions import override

from convscope.data.batches import shard
from convscope.data.staged_data_module import StagedDataModule
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.token_batches import LengthGroupedBatchSampler, TokenBatchReader
from convscope.data.texts.token_store import TokenStore, open_token_store
from convscope.data.texts.tokenizer import TextTokenizer
from convscope.errors import UserError
from convscope.preprocessing import TextPreprocessing

MAX_NAME_LENGTH = 300  # characters of a text in the table of predictions


class TextDataModule(StagedDataModule):
    """Loads batches of the texts of ``source``, as token ids.

    Args:
        source: The texts.
        tokenizer: Tokenizes the texts.
        preprocessing: Minimum and maximum length of a text.
        batch_size: Number of texts of a batch, of all processes together.
        cache_dir: The folder of the cache, which keeps the tokenized texts.
        seed: Determines the order of every epoch.
    """

    channels_last = False  # token ids have no channels

    def __init__(
        self,
        source: TextSource,
        tokenizer: TextTokenizer,
        preprocessing: TextPreprocessing,
        *,
        batch_size: int,
        cache_dir: Path,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, seed)
        self.source = source
        self.tokenizer = tokenizer
        self.preprocessing = preprocessing
        self._cache_dir = cache_dir
        self._stores: dict[str, TokenStore] = {}

    @property
    def sizes(self) -> dict[str, int]:
        """Number of texts of each split."""
        return self.source.sizes

    def names(self, split: str) -> list[str]:
        """Return the texts of ``split``, long ones shortened, in the order of `LabelledBatch.indices`."""
        texts = self.source.splits[split].texts
        return [text if len(text) <= MAX_NAME_LENGTH else f"{text[: MAX_NAME_LENGTH - 1]}…" for text in texts]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings of the source, then those of the open stores."""
        return self.source.warnings + tuple(warning for store in self._stores.values() for warning in store.warnings)

    def inputs_key(self, split: str) -> str:
        """Return a key of the inputs of ``split``: of its texts, and of how they are tokenized."""
        return repr((self.source.splits[split].texts.key, self.tokenizer.key, self.preprocessing))

    def distinct_views(self, split: str, views: int) -> int:
        """Return 1, the number of views of each text: texts are not augmented."""
        return 1

    def inputs(
        self, split: str, views: int = 1, batch_size: int = 32, rank: int = 0, world_size: int = 1
    ) -> Iterator[torch.Tensor]:
        """Yield all inputs of ``split`` in order, (n, L) int64, each batch padded to its longest text.

        If there are several processes, process ``rank`` of ``world_size`` gets a contiguous part of the batches.
        """
        reader = self._reader(split)
        for indices in shard(torch.arange(len(self.store(split))).split(batch_size), rank, world_size):
            tokens = reader.read(0, indices).inputs
            assert isinstance(tokens, torch.Tensor)
            yield tokens

    @override
    def store(self, split: str) -> TokenStore:
        if split not in self._stores:
            if split not in self.source.splits:
                raise UserError(f"the data set {self.source.name} has no {split} texts")
            self._stores[split] = open_token_store(self.source.splits[split], self.tokenizer, self._cache_dir, split)
        return self._stores[split]

    def release(self) -> None:
        """Declare that the stores are not read any more, so that the cache may remove them."""
        for store in self._stores.values():
            store.release()

    @override
    def _reader(self, split: str) -> TokenBatchReader:
        return TokenBatchReader(self.store(split), self.preprocessing.min_length)

    @override
    def _order(self, split: str, **options: Any) -> LengthGroupedBatchSampler:
        return LengthGroupedBatchSampler(self.store(split).lengths, self.batch_size, **options)
