"""Stores decoded and resized images in the cache, memory-mapped, so that no epoch and no run decodes a JPEG again."""

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

STORE_VERSION = 2  # increase it when the same images are to be stored differently
NAMED_BAD_IMAGES = 3  # unreadable images that a message names


class ImageStore:
    """The readable images of a split, resized, (H, W, C) uint8 each.

    Attributes:
        rows: (N,) int64, the indices of the images in the split.
        labels: (N,) int64.
        names: Names of the images.
        warnings: Sentences about skipped images, and about a cache that was damaged or could not be written.
        key: Identifies the images and their resizing.
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
        """Return image ``index``, (H, W, C) uint8, as a view that NumPy does not write to.

        Copy it before making it a tensor: PyTorch would write to the read-only memory, which kills the process.
        """
        offset, height, width = self._contents.places[index, 1:].tolist()
        shape = height, width, self._contents.channels
        self._contents.record_read(height * width * shape[2])
        return read_only(self._contents.pixels[offset : offset + height * width * shape[2]].reshape(shape))

    @cached_property
    def stacked(self) -> np.ndarray | None:
        """All images as a read-only array (N, H, W, C) uint8 if they have the same size; otherwise None."""
        sizes = self._contents.places[:, 2:]
        if not len(self) or (sizes != sizes[0]).any():
            return None
        height, width = sizes[0].tolist()
        return read_only(self._contents.pixels.reshape(len(self), height, width, self._contents.channels))

    def centre_crops(self, indices: "torch.Tensor", size: int) -> "torch.Tensor":
        """Return the centre crops of the images ``indices`` (N,) int64, as (N, C, ``size``, ``size``) uint8.

        The result has the channels-last memory format. Images of the same size are gathered in one operation, others
        one by one.
        """
        import torch

        rows = self._rows_of_one_size
        if rows is None:
            crops = torch.empty((len(indices), size, size, self._contents.channels), dtype=torch.uint8)
            crops_array = crops.numpy()
            for number, index in enumerate(indices.tolist()):
                pixels = self.image(index)
                top, left = centre_offset(pixels.shape[0], size), centre_offset(pixels.shape[1], size)
                crops_array[number] = pixels[top : top + size, left : left + size]
        else:
            top, left = (centre_offset(side, size) for side in rows.shape[1:3])
            crops = rows.copy(indices, slice(top, top + size), slice(left, left + size))
        self._contents.record_read(crops.nbytes)
        return crops.permute(0, 3, 1, 2)

    @cached_property
    def _rows_of_one_size(self) -> Rows | None:
        return None if self.stacked is None else Rows(self.stacked)

    def release(self) -> None:
        """Allow the cache to remove the images, because they are not read any more."""
        if self._contents.use is not None:
            self._contents.use.release()

    def __getstate__(self) -> dict[str, Any]:
        """Return the state without the pixels, if another process can map them again from the path of the entry."""
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
    split_name: str = "train",
) -> ImageStore:
    """Return the images of ``split`` after ``resizing``, from ``cache_dir/images``; if needed, store them there first.

    If several processes open the same store at once, one reads the images and the others wait for it. A damaged entry
    is written again, with a warning. If ``cache_dir`` cannot be written, the images are kept in memory, with a warning.
    Images that need no resizing and are in memory already are not stored.

    Args:
        split: The images.
        resizing: How they are resized.
        cache_dir: Folder of the cache.
        on_bad_image: "error" to raise an error for images that cannot be read, "skip" to leave them out.
        split_name: Name of the split, for messages.

    Raises:
        UserError: Some images cannot be read and ``on_bad_image`` is "error", or none can be read.
    """
    warnings: list[str] = []
    if split.shape is not None and resizing.keeps(split.shape):
        contents = _unresized(split, split.shape)
    else:
        contents, warnings = _from_cache(split, resizing, cache_dir.expanduser(), split_name)
    if contents.bad:
        examples = "; ".join(str(bad) for bad in contents.bad[:NAMED_BAD_IMAGES])
        more = len(contents.bad) - NAMED_BAD_IMAGES
        message = f"{len(contents.bad)} of {len(split)} {split_name} images cannot be read: {examples}"
        message += f"; and {more} more" if more > 0 else ""
        if on_bad_image == "error":
            raise UserError(f"{message}. Repair or remove them, or set data.on_bad_image=skip")
        if len(contents.bad) == len(split):
            raise UserError(f"{message}. No image is left")
        warnings.append(f"{message}. They are skipped")
    return ImageStore(split, contents, _key(split, resizing), warnings)


def _unresized(split: ImageSplit, shape: tuple[int, int, int]) -> Contents:
    """Return the images of ``split`` as they are, from memory; ``shape`` (H, W, C) is that of each."""
    height, width, channels = shape
    count = len(split)
    places = np.empty((count, 4), dtype=np.int64)
    places[:, 0] = np.arange(count)
    places[:, 1] = places[:, 0] * height * width * channels
    places[:, 2:] = height, width
    return Contents(split.pixels().reshape(-1), places, channels)


def _key(split: ImageSplit, resizing: Resizing) -> str:
    return content_key("image store", STORE_VERSION, split.key, repr(resizing))


def _from_cache(split: ImageSplit, resizing: Resizing, cache_dir: Path, split_name: str) -> tuple[Contents, list[str]]:
    entry = entry_path(cache_dir, "images", _key(split, resizing))
    contents, damage = open_entry(lambda: read_entry(entry, len(split)))
    if contents is not None:
        return contents, []
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(entry, f"the {split_name} images"))
        except (OSError, NotImplementedError) as error:
            contents, _ = collect(read_resized(split, resizing, split_name), resizing.channels, None)
            return contents, [*damage_warnings(entry, damage), _kept_in_memory(cache_dir, error, contents)]
        # The process that held the lock may have written the entry in the meantime.
        contents, damage = open_entry(lambda: read_entry(entry, len(split)))
        if contents is not None:
            return contents, []
        contents, warnings = _read_into_cache(split, resizing, cache_dir, entry, split_name)
        return contents, damage_warnings(entry, damage) + warnings


def _read_into_cache(
    split: ImageSplit, resizing: Resizing, cache_dir: Path, entry: Path, split_name: str
) -> tuple[Contents, list[str]]:
    """Read the images, and store them at ``entry`` if possible. The caller holds the lock."""
    folder: Path | None = None
    failure: OSError | None = None
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(staging_dir(entry))
        except OSError as error:
            failure = error
        contents, write_error = collect(read_resized(split, resizing, split_name), resizing.channels, folder)
        failure = failure or write_error
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
