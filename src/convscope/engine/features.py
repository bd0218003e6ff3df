"""The features that a stage trains on: from the cache, or computed now, or not at all, with the reason."""

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
from convscope.transfer.distributed_extraction import shared_features
from convscope.transfer.feature_cache import CacheUnusableError, Features, cached_features, feature_key, prefix_digest
from convscope.transfer.feature_extraction import FrozenPrefix

EXTRACTION_BATCH = 32
SHARE_OF_MEMORY = 0.25  # of what is free, that features may take where the cache cannot be written


@dataclass
class FeatureExtractor:
    """Makes the features of a data module's splits.

    Attributes:
        told: ``cache`` of the configuration.
        root: The cache's folder.
        data: The inputs.
        device: Where the network is.
        processes: Those that train together: each makes its stretch of the features.
        unusable: Whether the cache could not be written: said once.
        warnings: Sentences about what was not as it should be, each printed already.
        held: The features of the stage that is running: the cache keeps them.
    """

    config: CacheConfig
    root: Path
    data: ImageDataModule | TextDataModule
    device: torch.device
    processes: Processes = field(default_factory=Processes)
    unusable: bool = False
    warnings: list[str] = field(default_factory=list)
    at_exit: list[Features] = field(default_factory=list)

    def features(self, cut: Cut, splits: Iterable[str], views: int) -> dict[str, Features] | None:
        """The features of ``splits`` at ``cut``, ``views`` of an augmented image; None where there is no room."""
        self.release()
        digest = prefix_digest(cut.prefix)
        prefix: FrozenPrefix | None = None
        found: dict[str, Features] = {}
        for split in splits:
            count, kept = len(self.data.store(split)), self.data.views(split, views)

            def compute(
                rank: int, world_size: int, split: str = split, count: int = count, kept: int = kept
            ) -> Iterator[tuple[torch.Tensor, ...]]:
                nonlocal prefix
                if prefix is None:
                    prefix = self._frozen_prefix(cut)
                inputs = self.data.inputs(split, kept, EXTRACTION_BATCH, rank, world_size)
                batches = (batch.to(self.device) for batch in inputs)
                total = -(-count // EXTRACTION_BATCH) * kept // world_size
                yield from self._watched(prefix.features(batches), f"features of {count:,} {split} images", total)

            key = feature_key(
                digest, self.data.content(split), kept, self.config.precision, self.data.channels_last, self.device.type
            )
            made = self._obtain(key, count, kept, compute, f"the features of the {split} images")
            if made is None:
                return None
            self._warn(made.warnings)
            self.at_exit.append(made)
            found[split] = made
        self.make_room()
        return found

    def release(self) -> None:
        """Say that the features of earlier stages are not read any more: the cache may remove them."""
        for features in self.at_exit:
            features.release()
        self.at_exit.clear()

    def make_room(self) -> None:
        """Remove what was used least recently, of all kinds, where the cache has grown beyond its limit."""
        if not self.processes.is_rank_zero:
            return
        with suppress(PermissionError):  # a cache that cannot be read: who wants to write to it says so
            for entry in evict(self.root, int(self.config.limit_gib * 2**30)):
                echo(f"cache: {entry.kind}/{entry.path.name} made room ({entry.size / 2**20:,.0f} MiB)")

    def sample(self) -> torch.Tensor:
        """Two inputs, to cut and to compare with."""
        return next(self.data.inputs("train", batch_size=2)).to(self.device)

    def as_long_as_a_text(self, cut: Cut) -> bool:
        """Whether the features are of another shape where a text is longer, so that they fit no table."""
        sample = self.sample()
        if sample.is_floating_point():
            return False
        longer = torch.nn.functional.pad(sample, (0, 1))
        with torch.no_grad():
            pairs = zip(cut.prefix(sample), cut.prefix(longer), strict=True)
            return any(one.shape != other.shape for one, other in pairs)

    def _frozen_prefix(self, cut: Cut) -> FrozenPrefix:
        # The features lie as those of the whole network would: the rest may not take others.
        fold = partial(FoldedForward, channels_last=self.data.channels_last)
        prefix = FrozenPrefix(cut.prefix, self.sample(), fold, self.config.precision, self.data.channels_last)
        if self.config.precision != "fp32":
            echo(f"features in {self.config.precision}: they deviate by {prefix.deviation:.2g} of the largest")
        return prefix

    def _obtain(
        self,
        key: str,
        count: int,
        views: int,
        compute: Callable[[int, int], Iterable[tuple[torch.Tensor, ...]]],
        what: str,
    ) -> Features | None:
        together, reason = self.processes, ""

        def everything() -> Iterable[tuple[torch.Tensor, ...]]:
            return compute(0, 1)

        if not self.unusable:
            try:
                if together.count == 1:
                    return cached_features(key, self.root, count, views, everything, what)[0]
                mine = compute(together.rank, together.count)
                return shared_features(key, self.root, count, views, mine, what, together)
            except CacheUnusableError as error:
                self.unusable = True
                self._warn(error.warnings)
                reason = f"the cache {self.root} cannot be written ({error})"
        one = next(iter(everything()))
        size = sum(feature[0].numel() for feature in one) * 4 * count * views
        fits = together.broadcast_object(lambda: size <= SHARE_OF_MEMORY * available_memory())
        if reason:
            instead = "are kept in memory for this run" if fits else "are computed anew in every epoch"
            self._warn([f"{reason}: {size / 2**20:,.0f} MiB of features {instead}"])
        return cached_features(key, None, count, views, everything, what)[0] if fits else None

    def _warn(self, warnings: Iterable[str]) -> None:
        for warning in warnings:
            warn(warning)
            self.warnings.append(warning)

    def _watched(
        self, batches: Iterator[tuple[torch.Tensor, ...]], what: str, total: int
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        started, done = time.perf_counter(), False
        try:
            shown = get_console().is_terminal
            yield from track(batches, what, total=total, console=get_console(), transient=True) if shown else batches
            done = True
        finally:
            if done:
                echo(f"{what}: computed once, in {time.perf_counter() - started:.1f} s")


def available_memory() -> int:
    """Bytes that processes may still take, as Linux tells; elsewhere 4 GiB."""
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4 * 2**30
