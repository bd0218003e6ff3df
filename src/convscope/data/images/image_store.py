"""Decoded and resized images, kept memory-mapped in the cache: no epoch decodes a JPEG again, nor a later run."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convscope.cache import commit, entry_path, locked, staging_dir
from convscope.checksums import damage_warnings, open_entry
from convscope.data.images.image_reading import read_resized
from convscope.data.images.image_source import ImageSplit, content_key
from convscope.data.images.image_store_entry import Contents, collect, read_entry
from convscope.data.images.resizing import Resizing, centre_offset
from convscope.entry_use import use_entry
from convscope.errors import UserError
from convscope.mapped import Rows, read_only

if TYPE_CHECKING:
    import torch

STORE_VERSION = 2  # raise it when the same images would be stored differently
NAMED_BAD_IMAGES = 3


class ImageStore:
    """The readable images of a split, resized, (H, W, C) uint8 each.

    ``rows`` (N,) are their indices in the split, ``labels`` (N,) int64 and ``names`` theirs; ``warnings``
    are sentences about images that were skipped, and about a cache that was damaged or could not be written. ``key``
    says what the images are.
    """

    def __init__(self, split: ImageSplit, contents: Contents, key: str, warnings: Sequence[str] = ()) -> None:
        self.key = key
        self.rows = contents.places[:, 0]
        self.labels = split.labels[self.rows]
        self.names = [split.names[row] for row in self.rows.tolist()]
        self.warnings = tuple(warnings)
        self._contents = contents

    def __len__(self) -> int:
        return len(self.rows)

    def image(self, index: int) -> np.ndarray:
        """Image ``index``, (H, W, C) uint8, a view that NumPy refuses to write to.

        Copy it before it becomes a tensor: PyTorch writes to read-only memory, which ends the process.
        """
        offset, height, width = self._contents.places[index, 1:].tolist()
        shape = height, width, self._contents.channels
        self._contents.was_read(height * width * shape[2])
        return read_only(self._contents.pixels[offset : offset + height * width * shape[2]].reshape(shape))

    @cached_property
    def stacked(self) -> np.ndarray | None:
        """All images as one array (N, H, W, C), a read-only view, where they are of one size; otherwise None."""
        sizes = self._contents.places[:, 2:]
        if not len(self) or (sizes != sizes[0]).any():
            return None
        height, width = sizes[0].tolist()
        return read_only(self._contents.pixels.reshape(len(self), height, width, self._contents.channels))

    def centre_crops(self, indices: "torch.Tensor", size: int) -> "torch.Tensor":
        """The centres of the images ``indices`` (N,) int64, as (N, C, ``size``, ``size``) uint8.

        The result lies channels last. Images of one size are gathered in one go, others one by one.
        """
        import torch

        rows = self._rows_of_one_size
        if rows is None:
            crops = torch.empty((len(indices), size, size, self._contents.channels), dtype=torch.uint8)
            into = crops.numpy()
            for number, index in enumerate(indices.tolist()):
                pixels = self.image(index)
                top, left = centre_offset(pixels.shape[0], size), centre_offset(pixels.shape[1], size)
                into[number] = pixels[top : top + size, left : left + size]
        else:
            top, left = (centre_offset(side, size) for side in rows.shape[1:3])
            crops = rows.copy(indices, slice(top, top + size), slice(left, left + size))
        self._contents.was_read(crops.nbytes)
        return crops.permute(0, 3, 1, 2)

    @cached_property
    def _rows_of_one_size(self) -> Rows | None:
        return None if self.stacked is None else Rows(self.stacked)

    def release(self) -> None:
        """Say that the images are not read any more: the cache may remove them."""
        if self._contents.use is not None:
            self._contents.use.release()

    def __getstate__(self) -> dict[str, Any]:
        """Without the pixels, where they can be mapped again: a worker process gets the path instead."""
        state = {name: value for name, value in vars(self).items() if name not in ("stacked", "_rows_of_one_size")}
        if self._contents.directory is not None:
            state["_contents"] = replace(self._contents, pixels=np.zeros(0, np.uint8), mapped=None, use=None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        contents = self._contents
        if contents.directory is not None:
            mapped = read_entry(contents.directory, len(contents.places) + len(contents.bad), check=False)
            if mapped is None:
                raise RuntimeError(f"{contents.directory} was removed while it was in use")
            self._contents = mapped


def open_image_store(
    split: ImageSplit,
    resizing: Resizing,
    cache_dir: Path,
    on_bad_image: Literal["error", "skip"] = "error",
    what: str = "train",
) -> ImageStore:
    """The images of ``split`` after ``resizing``: from ``cache_dir/images``, or read now and stored there.

    Several processes may ask for the same at once: one reads, the others wait for it. A damaged entry is
    made again, with a warning. Where ``cache_dir`` cannot be written, the images are kept in memory, with a warning.
    ``what`` names the split.

    Raises ``UserError`` for unreadable images with ``on_bad_image`` "error", and where none is readable.
    """
    warnings: list[str] = []
    if split.shape is not None and resizing.keeps(split.shape):
        contents = _as_they_are(split, split.shape)
    else:
        contents, warnings = _from_cache(split, resizing, cache_dir.expanduser(), what)
    if contents.bad:
        named = "; ".join(str(bad) for bad in contents.bad[:NAMED_BAD_IMAGES])
        more = len(contents.bad) - NAMED_BAD_IMAGES
        said = f"{len(contents.bad)} of {len(split)} {what} images cannot be read: {named}"
        said += f"; and {more} more" if more > 0 else ""
        if on_bad_image == "error":
            raise UserError(f"{said}. Mend or remove them, or set data.on_bad_image=skip")
        if len(contents.bad) == len(split):
            raise UserError(f"{said}. None is left")
        warnings.append(f"{said}. They are skipped")
    return ImageStore(split, contents, _key(split, resizing), warnings)


def _as_they_are(split: ImageSplit, shape: tuple[int, int, int]) -> Contents:
    height, width, channels = shape
    count = len(split)
    places = np.empty((count, 4), dtype=np.int64)
    places[:, 0] = np.arange(count)
    places[:, 1] = places[:, 0] * height * width * channels
    places[:, 2:] = height, width
    return Contents(split.pixels().reshape(-1), places, channels)


def _key(split: ImageSplit, resizing: Resizing) -> str:
    return content_key("image store", STORE_VERSION, split.key, repr(resizing))


def _from_cache(split: ImageSplit, resizing: Resizing, cache_dir: Path, what: str) -> tuple[Contents, list[str]]:
    entry = entry_path(cache_dir, "images", _key(split, resizing))
    contents, damage = open_entry(lambda: read_entry(entry, len(split)))
    if contents is not None:
        return contents, []
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(entry, f"the {what} images"))
        except (OSError, NotImplementedError) as error:
            contents, _ = collect(read_resized(split, resizing, what), resizing.channels, None)
            return contents, [*damage_warnings(entry, damage), _kept_in_memory(cache_dir, error, contents)]
        # the process that held the lock may have filled the entry in the meantime
        contents, damage = open_entry(lambda: read_entry(entry, len(split)))
        if contents is not None:
            return contents, []
        contents, warnings = _fill(split, resizing, cache_dir, entry, what)
        return contents, damage_warnings(entry, damage) + warnings


def _fill(split: ImageSplit, resizing: Resizing, cache_dir: Path, entry: Path, what: str) -> tuple[Contents, list[str]]:
    """Read the images, and leave them at ``entry`` if that can be. The lock is held."""
    folder: Path | None = None
    failure: OSError | None = None
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(staging_dir(entry))
        except OSError as error:
            failure = error
        contents, later = collect(read_resized(split, resizing, what), resizing.channels, folder)
        failure = failure or later
        if failure is None:
            try:
                commit(folder, entry)  # type: ignore[arg-type]
                return replace(contents, directory=entry, use=use_entry(entry)), []
            except OSError as error:  # the damaged entry there belongs to another user
                contents = replace(contents, pixels=np.array(contents.pixels), directory=None, mapped=None)
                failure = error
        return contents, [_kept_in_memory(cache_dir, failure, contents)]


def _kept_in_memory(cache_dir: Path, error: Exception, contents: Contents) -> str:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return (
        f"the cache {cache_dir} cannot be written ({reason}): {contents.pixels.nbytes / 2**20:.0f} MiB of images "
        "are kept in memory for this run"
    )
