"""Outputs of the frozen layers (features) for a stage to train on, read from the cache or computed now."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from rich.progress import track

from convscope.cache import evict
from convscope.config.train import CacheConfig
from convscope.console import echo, get_console, warn
from convscope.data.images.image_data_module import ImageDataModule
from convscope.data.texts.text_data_module import TextDataModule
from convscope.distributed.processes import Processes
from convscope.insight.conv_bn_fusion import FoldedForward
from convscope.transfer.cut import Cut
from convscope.transfer.distributed_extraction import cached_features_distributed
from convscope.transfer.feature_cache import CacheUnusableError, Features, cached_features, feature_key
from convscope.transfer.feature_extraction import FrozenPrefix
from convscope.transfer.prefix_digest import prefix_digest

EXTRACTION_BATCH = 32
MAX_MEMORY_SHARE = 0.25  # of the free memory, for features that cannot be written to the cache


@dataclass
class FeatureExtractor:
    """Provides the features of a data module's splits.

    Attributes:
        config: The group ``cache`` of the configuration.
        root: Folder of the cache.
        data: Data module that gives the inputs.
        device: Device of the network.
        processes: Processes of this training; each computes its own part of the features.
        unusable: Whether writing to the cache has failed. It is not tried again, and the user is warned once.
        warnings: Warnings so far; each was printed already.
        in_use: Features of the current stage, which the cache must not remove.
    """

    config: CacheConfig
    root: Path
    data: ImageDataModule | TextDataModule
    device: torch.device
    processes: Processes = field(default_factory=Processes)
    unusable: bool = False
    warnings: list[str] = field(default_factory=list)
    in_use: list[Features] = field(default_factory=list)

    def extract(self, cut: Cut, splits: Iterable[str], views: int) -> dict[str, Features] | None:
        """Return the outputs of ``cut.prefix`` for each of ``splits``.

        Args:
            cut: The network, divided into its frozen prefix and the rest.
            splits: Such as ``train`` and ``validation``.
            views: Number of augmented versions of each training image.

        Returns:
            The features by split; None if they fit neither into the cache nor into memory.
        """
        self.release()
        digest = prefix_digest(cut.prefix)
        prefix: FrozenPrefix | None = None
        features_by_split: dict[str, Features] = {}
        for split in splits:
            count, split_views = len(self.data.store(split)), self.data.distinct_views(split, views)

            def compute(
                rank: int, world_size: int, split: str = split, count: int = count, split_views: int = split_views
            ) -> Iterator[tuple[torch.Tensor, ...]]:
                nonlocal prefix
                if prefix is None:
                    prefix = self._frozen_prefix(cut)
                inputs = self.data.inputs(split, split_views, EXTRACTION_BATCH, rank, world_size)
                batches = (batch.to(self.device) for batch in inputs)
                total = -(-count // EXTRACTION_BATCH) * split_views // world_size
                versions = f", {split_views} versions each" if split_views > 1 else ""
                description = f"features of {count:,} {split} examples{versions}"
                yield from self._with_progress(prefix.features(batches), description, total)

            key = feature_key(
                digest,
                self.data.inputs_key(split),
                split_views,
                self.config.precision,
                self.data.channels_last,
                self.device.type,
            )
            features = self._obtain(key, count, split_views, compute, f"the features of the {split} split")
            if features is None:
                return None
            self._warn(features.warnings)
            self.in_use.append(features)
            features_by_split[split] = features
        self.evict()
        return features_by_split

    def release(self) -> None:
        """Release the features of earlier stages, so that the cache may remove them."""
        for features in self.in_use:
            features.release()
        self.in_use.clear()

    def evict(self) -> None:
        """Remove the least recently used entries, of all kinds, if the cache is larger than ``limit_gib``."""
        if not self.processes.is_rank_zero:
            return
        with suppress(PermissionError):  # an unreadable cache is reported by the code that writes to it
            for entry in evict(self.root, int(self.config.limit_gib * 2**30)):
                size = f"{entry.size / 2**20:,.0f} MiB"
                echo(f"cache: removed {entry.kind}/{entry.path.name} ({size}), to stay below cache.limit_gib")

    def sample(self) -> torch.Tensor:
        """Return two training inputs on the device, for cutting the network and comparing its parts."""
        return next(self.data.inputs("train", batch_size=2)).to(self.device)

    def depends_on_text_length(self, cut: Cut) -> bool:
        """Return whether the shape of the features changes with the length of a text.

        Such features cannot be cached, since all rows of the cache have one shape. False for images.
        """
        sample = self.sample()
        if sample.is_floating_point():
            return False
        longer = torch.nn.functional.pad(sample, (0, 1))
        with torch.no_grad():
            pairs = zip(cut.prefix(sample), cut.prefix(longer), strict=True)
            return any(short.shape != long.shape for short, long in pairs)

    def _frozen_prefix(self, cut: Cut) -> FrozenPrefix:
        # The memory format is that of the whole network, because the rest of the network may not accept another one.
        fold = partial(FoldedForward, channels_last=self.data.channels_last)
        prefix = FrozenPrefix(cut.prefix, self.sample(), fold, self.config.precision, self.data.channels_last)
        if self.config.precision != "fp32":
            difference = f"at most {prefix.deviation:.2g} of the largest feature"
            echo(f"features in {self.config.precision} differ from fp32 by {difference}")
        return prefix

    def _obtain(
        self,
        key: str,
        count: int,
        views: int,
        compute: Callable[[int, int], Iterable[tuple[torch.Tensor, ...]]],
        description: str,
    ) -> Features | None:
        """Return the features from the cache or computed now; None if they cannot be kept.

        Args:
            key: Name of the cache entry, from ``feature_key``.
            count: Number of inputs.
            views: Versions of each input.
            compute: Gives the batches of features that rank ``rank`` of ``world_size`` computes.
            description: What is extracted, for messages.
        """
        processes, reason = self.processes, ""

        def compute_all() -> Iterable[tuple[torch.Tensor, ...]]:
            return compute(0, 1)

        if not self.unusable:
            try:
                if processes.world_size == 1:
                    return cached_features(key, self.root, count, views, compute_all, description)[0]
                own_share = compute(processes.rank, processes.world_size)
                return cached_features_distributed(key, self.root, count, views, own_share, description, processes)
            except CacheUnusableError as error:
                self.unusable = True
                self._warn(error.warnings)
                reason = f"the cache {self.root} cannot be written ({error})"
        first_batch = next(iter(compute_all()))
        size = sum(feature[0].numel() for feature in first_batch) * 4 * count * views
        fits = processes.broadcast_object(lambda: size <= MAX_MEMORY_SHARE * available_memory())
        if reason:
            consequence = "are kept in memory for this run" if fits else "are computed anew in every epoch"
            self._warn([f"{reason}: {size / 2**20:,.0f} MiB of features {consequence}"])
        return cached_features(key, None, count, views, compute_all, description)[0] if fits else None

    def _warn(self, warnings: Iterable[str]) -> None:
        for warning in warnings:
            warn(warning)
            self.warnings.append(warning)

    def _with_progress(
        self, batches: Iterator[tuple[torch.Tensor, ...]], description: str, total: int
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        started, done = time.perf_counter(), False
        try:
            show_bar = get_console().is_terminal
            if show_bar:
                batches = iter(track(batches, description, total=total, console=get_console(), transient=True))
            else:  # this may take as long as many epochs, and prints nothing until its end
                echo(f"{description}: computing")
            yield from batches
            done = True
        finally:
            if done:
                echo(f"{description}: computed once, in {time.perf_counter() - started:.1f} s")


def available_memory() -> int:
    """Return the bytes of memory that Linux reports as available; 4 GiB on other systems."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4 * 2**30
