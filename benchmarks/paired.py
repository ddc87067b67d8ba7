"""Time two functions in turn, so that both meet the same load."""

import multiprocessing
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import torch
from measured import Seconds, seconds
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
    """Run both once to warm up, then in turn, each first as often as the other.

    Each runs in a fork of this process, which must not have run anything on several threads: threads of one library
    that wait for work by spinning take the cores of another.
    """
    context = multiprocessing.get_context("fork")
    pipes, workers = [], []
    for function in (ours, theirs):
        here, there = context.Pipe()
        pipes.append(here)
        workers.append(context.Process(target=_serve, args=(function, there, threads), daemon=True))
        workers[-1].start()
    times: list[list[Seconds]] = [[], []]
    for i in range(-1, repeats):
        for side in (0, 1) if i % 2 else (1, 0):
            pipes[side].send(True)
            took = pipes[side].recv()
            if i >= 0:
                times[side].append(took)
    for pipe, worker in zip(pipes, workers, strict=True):
        pipe.send(False)
        worker.join()
    return Pair(*([took[clock] for took in side] for clock in (0, 1) for side in times))


def _serve(function: Callable[[], object], pipe: Connection, threads: int) -> None:
    torch.set_num_threads(threads)
    with threadpool_limits(threads):
        while pipe.recv():
            pipe.send(seconds(function))
