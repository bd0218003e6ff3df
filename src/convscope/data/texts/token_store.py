"""Encoded texts, kept memory-mapped in the cache: no epoch takes a text apart again, nor a later run.

``<cache>/tokens/<key>/`` holds ``ids.bin`` (the tokens of all texts, one after the other, uint16 where the vocabulary
allows it, else int32), ``offsets.npy`` (int64: where each text begins, and the end of the last) and ``entry.json``
with their checksums. It is filled in a folder of another name and renamed: it is there whole, or not at all.
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
AT_ONCE = 4096  # texts that are written together

IdsAndOffsets = tuple[np.ndarray, np.ndarray, EntryUse | None]


class TokenStore:
    """The texts of a split as numbers.

    ``ids`` are the tokens of all texts one after the other, ``offsets`` (N + 1,) int64 their places in it, ``lengths``
    (N,) int64 their numbers of tokens and ``labels`` (N,) int64 their classes; ``warnings`` are sentences about a
    cache that was damaged or could not be written.
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
        """Note that the texts are still being read."""
        if self._use is not None:
            self._use.touch()

    def release(self) -> None:
        """Say that the texts are not read any more: the cache may remove them."""
        if self._use is not None:
            self._use.release()

    def tokens(self, index: int) -> np.ndarray:
        """The tokens of text ``index``, (length,), a view that NumPy refuses to write to."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]


def open_token_store(split: TextSplit, tokens: TextTokenizer, cache_dir: Path, what: str = "train") -> TokenStore:
    """The texts of ``split`` as ``tokens`` takes them apart: from ``cache_dir/tokens``, or encoded now and kept there.

    Several processes may ask for the same at once: one encodes, the others wait for it. A damaged entry is made again,
    with a warning. Where ``cache_dir`` cannot be written, the numbers are kept in memory, with a warning. ``what``
    names the split.
    """
    key = content_key("token store", STORE_VERSION, split.texts.key, tokens.key)
    kind = np.dtype(np.uint16 if len(tokens) <= 2**16 else np.int32)
    entry = entry_path(cache_dir.expanduser(), "tokens", key)
    found, damage = open_entry(lambda: _read(entry, len(split), kind))
    if found is not None:
        return TokenStore(split, *found, entry, ())
    try:
        with locked(entry, f"the {what} texts"):
            # the process that held the lock may have filled the entry in the meantime
            found, damage = open_entry(lambda: _read(entry, len(split), kind))
            if found is None:
                found = _fill(split, tokens, entry, kind)
            return TokenStore(split, *found, entry, damage_warnings(entry, damage))
    except (OSError, NotImplementedError) as error:
        ids, offsets, _ = _encoded(split, tokens, kind)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        warning = (
            f"the cache {cache_dir} cannot be written ({reason}): {ids.nbytes / 2**20:.0f} MiB of tokens are kept in "
            "memory for this run"
        )
        return TokenStore(split, ids, offsets, None, None, [*damage_warnings(entry, damage), warning])


def _fill(split: TextSplit, tokens: TextTokenizer, entry: Path, kind: np.dtype) -> IdsAndOffsets:
    with staging_dir(entry) as folder:
        file = ChecksummedFile(folder / IDS)
        try:
            offsets = _write(tokens.encode_all(split.texts), file, kind)
            checksums = file.finish()
        finally:
            file.close()
        table = io.BytesIO()
        np.save(table, offsets)
        fields = {
            "texts": len(split),
            "tokens": int(offsets[-1]),
            "type": kind.name,
            "checksums": {IDS: checksums, OFFSETS: write_file(folder / OFFSETS, table.getbuffer())},
        }
        write_description(folder, fields)
        commit(folder, entry)
    return MappedArray(entry / IDS, kind, (int(offsets[-1]),)).array, offsets, use_entry(entry)


def _write(encoded: Iterable[list[int]], file: ChecksummedFile, kind: np.dtype) -> np.ndarray:
    ends = [np.zeros(1, np.int64)]
    total = 0
    for block in _blocks(encoded):
        lengths = np.fromiter(map(len, block), dtype=np.int64, count=len(block))
        file.write(np.fromiter((number for ids in block for number in ids), dtype=kind, count=int(lengths.sum())).data)
        ends.append(total + np.cumsum(lengths))
        total = int(ends[-1][-1])
    return np.concatenate(ends)


def _encoded(split: TextSplit, tokens: TextTokenizer, kind: np.dtype) -> IdsAndOffsets:
    blocks = [np.array(ids, dtype=kind) for ids in tokens.encode_all(split.texts)]
    lengths = np.fromiter(map(len, blocks), dtype=np.int64, count=len(blocks))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return (np.concatenate(blocks) if blocks else np.zeros(0, kind)), offsets, None


def _read(entry: Path, texts: int, kind: np.dtype) -> IdsAndOffsets | None:
    """Open the entry for a split of so many ``texts``; None where there is none.

    Raises:
        DamagedError: It is not what was written.
    """
    if not os.path.lexists(entry):
        return None
    use = use_entry(entry)
    fields = read_description(entry)
    try:
        checksums, count = fields["checksums"], fields["tokens"]
        offsets = np.load(io.BytesIO(read_file(entry / OFFSETS, checksums[OFFSETS])), allow_pickle=False)
        fits = (fields["texts"], fields["type"]) == (texts, kind.name) and offsets.shape == (texts + 1,)
        if not fits or offsets[-1] != count:
            raise DamagedError(f"{DESCRIPTION}: is of other texts")
        verify_file(entry / IDS, count * kind.itemsize, checksums[IDS])
        return MappedArray(entry / IDS, kind, (count,)).array, offsets, use
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DamagedError(f"{DESCRIPTION}: does not fit the other files") from error


def _blocks(encoded: Iterable[list[int]]) -> Iterator[list[list[int]]]:
    block: list[list[int]] = []
    for ids in encoded:
        block.append(ids)
        if len(block) == AT_ONCE:
            yield block
            block = []
    if block:
        yield block
