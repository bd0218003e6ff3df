"""Encoded texts, kept memory-mapped in the cache: no epoch takes a text apart again, nor a later run.

``<cache>/tokens/<key>/`` holds ``ids.bin`` (the tokens of all texts, one after the other, uint16 where the vocabulary
allows it, else int32), ``offsets.npy`` (int64: where each text begins, and the end of the last) and ``entry.json``.
It is filled in a folder of another name and renamed: it is there whole, or not at all.
"""

import json
import logging
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from filelock import FileLock, Timeout

from convscope.data.image_source import content_key
from convscope.data.text_source import TextSplit
from convscope.data.tokens import Tokens
from convscope.mapped import MappedArray, read_only

STORE_VERSION = 1  # raise it when the same texts would be stored differently
IDS, OFFSETS, ABOUT = "ids.bin", "offsets.npy", "entry.json"
PATIENCE = 3.0  # seconds to wait for another process before saying so
AT_ONCE = 4096  # texts that are written together

log = logging.getLogger(__name__)


class TokenStore:
    """The texts of a split as numbers.

    ``ids`` are the tokens of all texts one after the other, ``offsets`` (N + 1,) int64 their places in it, ``lengths``
    (N,) int64 their numbers of tokens and ``labels`` (N,) int64 their classes; ``warnings`` are sentences about a
    cache that could not be written.
    """

    def __init__(
        self, split: TextSplit, ids: np.ndarray, offsets: np.ndarray, directory: Path | None, warnings: Sequence[str]
    ) -> None:
        self.labels = split.labels
        self.names = split.names
        self.ids, self.offsets = read_only(ids), offsets
        self.lengths = np.diff(offsets)
        self.directory = directory
        self.warnings = tuple(warnings)

    def __len__(self) -> int:
        return len(self.labels)

    def tokens(self, index: int) -> np.ndarray:
        """The tokens of text ``index``, (length,), a view that NumPy refuses to write to."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]


def open_token_store(split: TextSplit, tokens: Tokens, cache_dir: Path, what: str = "train") -> TokenStore:
    """The texts of ``split`` as ``tokens`` takes them apart: from ``cache_dir/tokens``, or encoded now and kept there.

    Several processes may ask for the same at once: one encodes, the others wait for it. A damaged entry is made again.
    Where ``cache_dir`` cannot be written, the numbers are kept in memory, with a warning. ``what`` names the split.
    """
    key = content_key("token store", STORE_VERSION, split.texts.key, tokens.key)
    kind = np.dtype(np.uint16 if len(tokens) <= 2**16 else np.int32)
    entry = cache_dir.expanduser() / "tokens" / key
    if (found := _read(entry, len(split), kind)) is not None:
        return TokenStore(split, *found, entry, ())
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with _locked(entry.with_suffix(".lock"), what):
            # the process that held the lock may have filled the entry in the meantime
            found = _read(entry, len(split), kind) or _fill(split, tokens, entry, kind)
            return TokenStore(split, *found, entry, ())
    except (OSError, NotImplementedError) as error:
        ids, offsets = _encoded(split, tokens, kind)
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        warning = (
            f"the cache {cache_dir} cannot be written ({reason}): {ids.nbytes / 2**20:.0f} MiB of tokens are kept in "
            "memory for this run"
        )
        return TokenStore(split, ids, offsets, None, [warning])


class _locked:  # noqa: N801 - used like a function
    def __init__(self, path: Path, what: str) -> None:
        self._lock, self._what = FileLock(path), what

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=PATIENCE)
        except Timeout:
            log.info("another process is encoding the %s texts: waiting for it", self._what)
            self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


def _fill(split: TextSplit, tokens: Tokens, entry: Path, kind: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    for left_behind in entry.parent.glob(f"{entry.name}.*/"):  # by a process that was killed
        shutil.rmtree(left_behind, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=f"{entry.name}.", dir=entry.parent))
    try:
        with open(beside / IDS, "wb") as file:
            offsets = _write(tokens.encode_all(split.texts), file, kind)
        np.save(beside / OFFSETS, offsets)
        about = {"texts": len(split), "tokens": int(offsets[-1]), "type": kind.name}
        (beside / ABOUT).write_text(json.dumps(about), encoding="utf-8")
        if entry.exists():
            shutil.rmtree(entry)
        beside.rename(entry)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return _mapped(entry, kind, int(offsets[-1])), offsets


def _write(encoded: Iterable[list[int]], file: BinaryIO, kind: np.dtype) -> np.ndarray:
    ends = [np.zeros(1, np.int64)]
    total = 0
    for block in _blocks(encoded):
        lengths = np.fromiter(map(len, block), dtype=np.int64, count=len(block))
        file.write(np.fromiter((number for ids in block for number in ids), dtype=kind, count=int(lengths.sum())).data)
        ends.append(total + np.cumsum(lengths))
        total = int(ends[-1][-1])
    return np.concatenate(ends)


def _encoded(split: TextSplit, tokens: Tokens, kind: np.dtype) -> tuple[np.ndarray, np.ndarray]:
    blocks = [np.array(ids, dtype=kind) for ids in tokens.encode_all(split.texts)]
    lengths = np.fromiter(map(len, blocks), dtype=np.int64, count=len(blocks))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return (np.concatenate(blocks) if blocks else np.zeros(0, kind)), offsets


def _read(entry: Path, texts: int, kind: np.dtype) -> tuple[np.ndarray, np.ndarray] | None:
    """The entry for a split of so many ``texts``; None where it is missing or damaged."""
    try:
        about = json.loads((entry / ABOUT).read_text(encoding="utf-8"))
        offsets = np.load(entry / OFFSETS, allow_pickle=False)
        whole = (
            (about["texts"], about["type"]) == (texts, kind.name)
            and offsets.shape == (texts + 1,)
            and offsets[-1] == about["tokens"]
            and (entry / IDS).stat().st_size == about["tokens"] * kind.itemsize
        )
        return (_mapped(entry, kind, about["tokens"]), offsets) if whole else None
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _mapped(entry: Path, kind: np.dtype, size: int) -> np.ndarray:
    return MappedArray(entry / IDS, kind, (size,)).array


def _blocks(encoded: Iterable[list[int]]) -> Iterator[list[list[int]]]:
    block: list[list[int]] = []
    for ids in encoded:
        block.append(ids)
        if len(block) == AT_ONCE:
            yield block
            block = []
    if block:
        yield block
