"""Stores token ids memory-mapped in the cache, so that no text is tokenized again in a later epoch or run.

``<cache>/tokens/<key>/`` holds ``ids.bin`` (the token ids of all texts, one after the other, uint16 if the vocabulary
allows it, else int32), ``offsets.npy`` (int64: where each text begins, and the end of the last) and ``entry.json``
with their checksums. The entry is written to a folder of another name and then renamed, so it is never incomplete.
"""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from convscope.cache import commit, entry_path, locked, staging_dir
from convscope.checksums import (
    DESCRIPTION,
    ChecksummedFile,
    DamagedError,
    damage_warnings,
    open_entry,
    read_description,
    read_file,
    verify_file,
    write_description,
    write_file,
)
from convscope.data.images.image_source import content_key
from convscope.data.texts.text_source import TextSplit
from convscope.data.texts.tokenizer import TextTokenizer
from convscope.entry_use import EntryUse, use_entry
from convscope.mapped import MappedArray, read_only

STORE_VERSION = 2  # raise it when the same texts would be stored differently
IDS, OFFSETS = "ids.bin", "offsets.npy"
TEXTS_PER_BLOCK = 4096  # texts that are written at once

IdsAndOffsets = tuple[np.ndarray, np.ndarray, EntryUse | None]


class TokenStore:
    """The texts of a split as token ids.

    Attributes:
        labels: (N,) int64, the classes of the texts.
        names: The names of the texts in the table of predictions.
        ids: The token ids of all texts, one after the other, read-only.
        offsets: (N + 1,) int64, where each text begins in ``ids``, and the end of the last.
        lengths: (N,) int64, the number of tokens of each text.
        directory: The entry of the cache; None if the ids are only in memory.
        warnings: Warnings about a cache that was damaged or could not be written.
    """

    def __init__(
        self,
        split: TextSplit,
        ids: np.ndarray,
        offsets: np.ndarray,
        use: EntryUse | None,
        directory: Path | None,
        warnings: Sequence[str],
    ) -> None:
        self.labels = split.labels
        self.names = split.names
        self.ids, self.offsets = read_only(ids), offsets
        self.lengths = np.diff(offsets)
        self.directory = directory
        self._use = use
        self.warnings = tuple(warnings)

    def __len__(self) -> int:
        return len(self.labels)

    def touch(self) -> None:
        """Record that the texts are still in use."""
        if self._use is not None:
            self._use.touch()

    def release(self) -> None:
        """Declare that the texts are not read any more, so that the cache may remove them."""
        if self._use is not None:
            self._use.release()

    def tokens(self, index: int) -> np.ndarray:
        """Return the token ids of text ``index``, (length,), as a read-only view."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]


def open_token_store(
    split: TextSplit, tokenizer: TextTokenizer, cache_dir: Path, split_name: str = "train"
) -> TokenStore:
    """Return the tokenized texts of ``split``: from ``cache_dir/tokens``, or tokenized now and stored there.

    If several processes need the same entry, one tokenizes and the others wait for it. A damaged entry is replaced,
    with a warning. If ``cache_dir`` cannot be written, the token ids are kept in memory, with a warning.

    Args:
        split: The texts.
        tokenizer: Tokenizes the texts.
        cache_dir: The folder of the cache.
        split_name: Name of the split, for messages.
    """
    key = content_key("token store", STORE_VERSION, split.texts.key, tokenizer.key)
    dtype = np.dtype(np.uint16 if len(tokenizer) <= 2**16 else np.int32)
    entry = entry_path(cache_dir.expanduser(), "tokens", key)
    stored, damage = open_entry(lambda: _read_entry(entry, len(split), dtype))
    if stored is not None:
        return TokenStore(split, *stored, entry, ())
    try:
        with locked(entry, f"the {split_name} texts"):
            # The process that held the lock before may have written the entry.
            stored, damage = open_entry(lambda: _read_entry(entry, len(split), dtype))
            if stored is None:
                stored = _write_entry(split, tokenizer, entry, dtype)
            return TokenStore(split, *stored, entry, damage_warnings(entry, damage))
    except (OSError, NotImplementedError) as error:
        ids, offsets, _ = _encode_in_memory(split, tokenizer, dtype)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        warning = (
            f"the cache {cache_dir} cannot be written ({reason}): {ids.nbytes / 2**20:.0f} MiB of tokens are kept in "
            "memory for this run"
        )
        return TokenStore(split, ids, offsets, None, None, [*damage_warnings(entry, damage), warning])


def _write_entry(split: TextSplit, tokenizer: TextTokenizer, entry: Path, dtype: np.dtype) -> IdsAndOffsets:
    with staging_dir(entry) as folder:
        file = ChecksummedFile(folder / IDS)
        try:
            offsets = _write_ids(tokenizer.encode_all(split.texts), file, dtype)
            checksums = file.finish()
        finally:
            file.close()
        table = io.BytesIO()
        np.save(table, offsets)
        fields = {
            "texts": len(split),
            "tokens": int(offsets[-1]),
            "type": dtype.name,
            "checksums": {IDS: checksums, OFFSETS: write_file(folder / OFFSETS, table.getbuffer())},
        }
        write_description(folder, fields)
        commit(folder, entry)
    return MappedArray(entry / IDS, dtype, (int(offsets[-1]),)).array, offsets, use_entry(entry)


def _write_ids(encoded: Iterable[list[int]], file: ChecksummedFile, dtype: np.dtype) -> np.ndarray:
    ends = [np.zeros(1, np.int64)]
    total = 0
    for block in _blocks(encoded):
        lengths = np.fromiter(map(len, block), dtype=np.int64, count=len(block))
        file.write(
            np.fromiter((token_id for ids in block for token_id in ids), dtype=dtype, count=int(lengths.sum())).data
        )
        ends.append(total + np.cumsum(lengths))
        total = int(ends[-1][-1])
    return np.concatenate(ends)


def _encode_in_memory(split: TextSplit, tokenizer: TextTokenizer, dtype: np.dtype) -> IdsAndOffsets:
    blocks = [np.array(ids, dtype=dtype) for ids in tokenizer.encode_all(split.texts)]
    lengths = np.fromiter(map(len, blocks), dtype=np.int64, count=len(blocks))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return (np.concatenate(blocks) if blocks else np.zeros(0, dtype)), offsets, None


def _read_entry(entry: Path, text_count: int, dtype: np.dtype) -> IdsAndOffsets | None:
    """Open the entry of a split of ``text_count`` texts; return None if there is none.

    Raises:
        DamagedError: The files are not as they were written, or belong to other texts.
    """
    if not os.path.lexists(entry):
        return None
    use = use_entry(entry)
    fields = read_description(entry)
    try:
        checksums, token_count = fields["checksums"], fields["tokens"]
        offsets = np.load(io.BytesIO(read_file(entry / OFFSETS, checksums[OFFSETS])), allow_pickle=False)
        fits = (fields["texts"], fields["type"]) == (text_count, dtype.name) and offsets.shape == (text_count + 1,)
        if not fits or offsets[-1] != token_count:
            raise DamagedError(f"{DESCRIPTION}: belongs to other texts")
        verify_file(entry / IDS, token_count * dtype.itemsize, checksums[IDS])
        return MappedArray(entry / IDS, dtype, (token_count,)).array, offsets, use
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedError(f"{DESCRIPTION}: does not fit the other files") from error


def _blocks(encoded: Iterable[list[int]]) -> Iterator[list[list[int]]]:
    block: list[list[int]] = []
    for ids in encoded:
        block.append(ids)
        if len(block) == TEXTS_PER_BLOCK:
            yield block
            block = []
    if block:
        yield block
