"""Random numbers: one named stream per purpose and seed, drawn on the CPU."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


class Streams:
    """The generators of a batch of restarts: `streams("W")` is one numpy Generator a seed.

    A stream depends only on its name and its seed. So a seed means the same start for every solver and on every
    device, whatever was drawn before, and a restart draws the same numbers in a batch as alone.
    """

    def __init__(self, seeds: Sequence[int]):
        self.seeds = tuple(seeds)

    def __call__(self, name: str) -> list[np.random.Generator]:
        return [np.random.default_rng([zlib.crc32(name.encode()), seed]) for seed in self.seeds]

    def uniform(self, name: str, shape: tuple[int, ...], like: Tensor, low: float = 0.0, high: float = 1.0) -> Tensor:
        """(S, *shape), uniform on [low, high). Drawn in float64 so that a seed means the same start in every dtype."""
        draws = torch.empty((len(self.seeds), *shape), dtype=like.dtype)
        for draw, generator in zip(draws, self(name), strict=True):
            draw.copy_(torch.from_numpy(generator.uniform(low, high, shape)))
        return draws.to(like.device)

    def permutations(self, name: str, n: int, like: Tensor) -> Iterator[Tensor]:
        """Endless random orders (S, n) of 0 … n − 1."""
        generators = self(name)
        while True:
            order = torch.from_numpy(np.stack([g.permutation(n) for g in generators]))
            # The host waits for a copy to a GPU, except from pinned memory.
            yield (order.pin_memory() if like.is_cuda else order).to(like.device, non_blocking=True)


def integer(name: str, seed: int) -> int:
    """A 31-bit seed for libraries that take an integer, from the stream of that name."""
    return int(np.random.default_rng([zlib.crc32(name.encode()), seed]).integers(2**31))
