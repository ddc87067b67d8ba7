"""Mini-batches of samples, other ones for each restart."""

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

Batch = tuple[Tensor, Tensor | None, Tensor | None]
"""Samples (S, b, …), their mask or None, and their numbers (S, b), None for all samples in their order."""


def count(n: int, size: int | None) -> int:
    """Number of batches of at most ``size`` samples that n samples make; None: one."""
    return 1 if size is None else math.ceil(n / size)


def split(order: Tensor, size: int | None) -> tuple[Tensor, ...]:
    """The batches (S, b) of an order (S, n), nearly equal: a short last one would give its samples more weight."""
    return order.tensor_split(count(order.shape[1], size), dim=1)


def epochs(
    samples: Tensor, mask: Tensor | None, unit: float, orders: Iterator[Tensor], S: int, size: int | None
) -> Iterator[Iterable[Batch]]:
    """Endless epochs of the ``samples`` (n, …) over ``unit``, their ``mask`` (n, …) with them, for S restarts.

    Each takes the samples in an order (S, n) of ``orders``, unless one batch holds all.
    """
    if count(len(samples), size) == 1:
        whole = (samples / unit).expand(S, *samples.shape)
        every = None if mask is None else mask.expand_as(whole)
        while True:
            yield [(whole, every, None)]
    for order in orders:
        parts = split(order, size)
        yield ((_shared(samples, b).div_(unit), None if mask is None else _shared(mask, b), b) for b in parts)


def rows(A: Tensor, batch: Tensor | None) -> Tensor:
    """The rows (S, b, …) of A (S, n, …) that each restart's batch (S, b) names; None: all."""
    # Flattened, because a general index takes several times as long.
    return A if batch is None else A.flatten(0, 1).index_select(0, _flat(batch, A.shape[1])).unflatten(0, batch.shape)


def spread(part: Tensor, batch: Tensor | None, out: Tensor) -> Tensor:
    """``out`` (S, n, …) with ``part`` (S, b, …) at the places (S, b) of the batch, 0 elsewhere; None: ``part``."""
    if batch is None:
        return part
    out.zero_().flatten(0, 1).index_copy_(0, _flat(batch, out.shape[1]), part.flatten(0, 1))
    return out


def _shared(A: Tensor, batch: Tensor) -> Tensor:
    """The rows (S, b, …) of A (n, …), which all restarts share."""
    return A.index_select(0, batch.flatten()).unflatten(0, batch.shape)


def _flat(batch: Tensor, n: int) -> Tensor:
    """Numbers of rows in an array (S, n, …) whose first axes are one."""
    return (batch + n * torch.arange(len(batch), device=batch.device)[:, None]).flatten()
