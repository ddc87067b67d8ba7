"""Time two functions in turn, so that both meet the same load."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from threadpoolctl import threadpool_limits


@dataclass(frozen=True)
class Pair:
    """Times of two functions that ran in turn, in seconds.

    Parameters
    ----------
    ours: wall times of the first.
    theirs: those of the second.
    ours_cpu: processor times of the first.
    theirs_cpu: those of the second.
    """

    ours: list[float]
    theirs: list[float]
    ours_cpu: list[float]
    theirs_cpu: list[float]

    @property
    def ratio(self) -> float:
        """The ratio of the median wall times."""
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def ratio_cpu(self) -> float:
        """The ratio of the median processor times."""
        return statistics.median(self.ours_cpu) / statistics.median(self.theirs_cpu)

    @property
    def spread(self) -> tuple[float, float]:
        """The quartiles of the ratio of wall times, pair by pair."""
        ratios = [a / b for a, b in zip(self.ours, self.theirs, strict=True)]
        low, _, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        return float(low), float(high)


def pair(ours: Callable[[], object], theirs: Callable[[], object], repeats: int, threads: int) -> Pair:
    """Run both once to warm up, then in turn, each first as often as the other."""
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        ours(), theirs()
        times = Pair([], [], [], [])
        for i in range(repeats):
            both = [(ours, times.ours, times.ours_cpu), (theirs, times.theirs, times.theirs_cpu)]
            for function, wall, cpu in both if i % 2 else reversed(both):
                start = time.perf_counter(), time.process_time()
                function()
                wall.append(time.perf_counter() - start[0])
                cpu.append(time.process_time() - start[1])
    return times
