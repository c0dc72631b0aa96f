"""The processes of one run: ``accelerate launch`` starts several, which learn together.

Without it there is one, which is the main one, and everything here is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import PartialState
from torch import Tensor, distributed


def gather_together() -> None:
    """Find the other processes, if there are any; call before anything is shared."""
    PartialState(cpu=not torch.cuda.is_available())


def part() -> None:
    """Leave the others in order, at the end."""
    if size() > 1:
        distributed.destroy_process_group()


def size() -> int:
    """Count the processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def rank() -> int:
    """Number this process from 0."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def is_main() -> bool:
    """Tell whether this process is the one that writes."""
    return rank() == 0


def wait() -> None:
    """Go on when all have come here."""
    if size() > 1:
        distributed.barrier()


@contextmanager
def main_first() -> Iterator[None]:
    """Let the main process do something before the others do it, who find its files then."""
    if not is_main():
        wait()
    try:
        yield
    finally:
        if is_main():
            wait()


def as_main_says(*values: float) -> tuple[float, ...]:
    """Give every process the main one's numbers."""
    if size() == 1:
        return values
    told = torch.tensor(values, dtype=torch.float64, device=_device())
    distributed.broadcast(told, 0)
    return tuple(told.tolist())


def total(values: Tensor) -> Tensor:
    """Add numbers up over all processes."""
    if size() == 1:
        return values
    summed = values.detach().clone()
    distributed.all_reduce(summed)
    return summed


def joined(rows: Tensor, dim: int) -> Tensor:
    """Put the processes' tensors of equal shape side by side."""
    if size() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(size())]
    distributed.all_gather(parts, rows.contiguous())
    return torch.cat(parts, dim=dim)


def own_part(rows: Tensor, dim: int) -> Tensor:
    """Take this process's part of what ``joined`` put together."""
    return rows.chunk(size(), dim=dim)[rank()].contiguous() if size() > 1 else rows


def _device() -> torch.device:
    return PartialState().device  # type: ignore[no-any-return]
