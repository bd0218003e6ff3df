"""A `TextSource` as a LightningDataModule: encoded once, batched by length."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from convscope.data.batches import shard
from convscope.data.staged_data_module import StagedDataModule
from convscope.data.texts.text_source import TextSource
from convscope.data.texts.token_batches import LengthOrder, TokenBatchReader
from convscope.data.texts.token_store import TokenStore, open_token_store
from convscope.data.texts.tokenizer import TextTokenizer
from convscope.errors import UserError
from convscope.preprocessing import TextPreprocessing

SHOWN = 300  # characters of a text in a table


class TextDataModule(StagedDataModule):
    """Batches of ``source``'s texts, as numbers of ``tokens``.

    ``preprocessing`` says how long a text may be and must be. ``batch_size`` is that of all processes together;
    ``seed`` gives the order of every epoch; ``cache_dir`` keeps the encoded texts.
    """

    channels_last = False  # there are none

    def __init__(
        self,
        source: TextSource,
        tokens: TextTokenizer,
        preprocessing: TextPreprocessing,
        *,
        batch_size: int,
        cache_dir: Path,
        seed: int = 0,
    ) -> None:
        super().__init__(source, batch_size, seed)
        self.source = source
        self.tokens = tokens
        self.preprocessing = preprocessing
        self._cache_dir = cache_dir
        self._stores: dict[str, TokenStore] = {}

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
        reader = self._reader(split)
        for indices in shard(torch.arange(len(self.store(split))).split(batch_size), rank, world_size):
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

    def release(self) -> None:
        """Say that the stores are not read any more: the cache may remove them."""
        for store in self._stores.values():
            store.release()

    def _reader(self, split: str) -> TokenBatchReader:
        return TokenBatchReader(self.store(split), self.preprocessing.min_length)

    def _order(self, split: str, **told: Any) -> LengthOrder:
        return LengthOrder(self.store(split).lengths, self.batch_size, **told)
