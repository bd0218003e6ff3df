"""What the processes of one training tell each other about an epoch; alone, a process hears itself."""

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")


@dataclass(frozen=True)
class ProcessRank:
    """The place of this process among ``count``."""

    rank: int
    count: int


def process_rank() -> ProcessRank:
    """This process."""
    if dist.is_available() and dist.is_initialized():
        return ProcessRank(dist.get_rank(), dist.get_world_size())
    return ProcessRank(0, 1)


def all_reduce_sum(*numbers: torch.Tensor | float) -> tuple[float, ...]:
    """The sum of each number over all processes, which must all come here."""
    if process_rank().count == 1:
        return tuple(map(float, numbers))
    device = next((number.device for number in numbers if isinstance(number, torch.Tensor)), None)
    told = torch.tensor([float(number) for number in numbers], dtype=torch.float64, device=device)
    dist.all_reduce(told)
    return tuple(told.tolist())


def all_gather(value: T) -> list[T]:
    """``value`` of each process in the order of their ranks; all must come here."""
    count = process_rank().count
    if count == 1:
        return [value]
    found: list[Any] = [None] * count
    dist.all_gather_object(found, value)
    return found
