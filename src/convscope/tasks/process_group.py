"""Collective operations of the processes of one training; a single process gets its own values back."""

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessRank:
    """The rank of this process among ``count`` processes."""

    rank: int
    world_size: int


def process_rank() -> ProcessRank:
    """Return the rank of this process; 0 of 1 without a process group."""
    if dist.is_available() and dist.is_initialized():
        return ProcessRank(dist.get_rank(), dist.get_world_size())
    return ProcessRank(0, 1)


def all_reduce_sum(*numbers: torch.Tensor | float) -> tuple[float, ...]:
    """Return the sum of each number over all processes, all of which must call this."""
    if process_rank().world_size == 1:
        return tuple(map(float, numbers))
    device = next((number.device for number in numbers if isinstance(number, torch.Tensor)), None)
    sums = torch.tensor([float(number) for number in numbers], dtype=torch.float64, device=device)
    dist.all_reduce(sums)
    return tuple(sums.tolist())


def all_gather(value: T) -> list[T]:
    """Return the ``value`` of each process, in the order of their ranks; all processes must call this."""
    count = process_rank().world_size
    if count == 1:
        return [value]
    values: list[Any] = [None] * count
    dist.all_gather_object(values, value)
    return values
