"""How far each criterion that needs no labels follows the labels, over all methods and tasks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

import numpy as np
import pandas as pd
from scipy import stats

from nmfbench.arena.protocol import CRITERIA, Protocol
from nmfbench.arena.scores import Cell, value_of

ROUNDS = 500
"""Number of bootstrap samples of the tasks for an interval."""


def followed(cells: Iterable[Cell], protocol: Protocol) -> pd.DataFrame:
    """For each criterion, over the methods and tasks with at least three trials, on the tuning seeds.

    cells: methods × tasks where it was measured. correlation: mean of Spearman's correlation with NMI over the trials.
    gain: NMI of its choice over that of the defaults, in points. over_random: NMI of its choice over the mean of all
    trials, with its interval low and high, 95 % by bootstrap over tasks; criteria that were measured on different cells
    can be compared by it. regret: NMI of the best trial over that of its choice. better, worse: shares of the cells
    where its choice is more than a point of NMI above or below the defaults. A random choice has a row of its own.
    """
    measured = [
        (cell.task.name, [trial for trial in cell.ordered() if value_of(trial, protocol, "nmi") is not None])
        for cell in cells
    ]
    rows = []
    for criterion in (*CRITERIA, "random"):
        correlations, gains, regrets = [], [], []
        over_random: dict[str, list[float]] = {}
        for task, trials in measured:
            if len(trials) < 3 or trials[0].setting:
                continue
            nmi = [100 * float(value_of(trial, protocol, "nmi") or 0) for trial in trials]
            chosen = fmean(nmi)
            if criterion != "random":
                values = [value_of(trial, protocol, criterion) for trial in trials]
                known = {k: value for k, value in enumerate(values) if value is not None}
                if not known:
                    continue
                chosen = nmi[max(known, key=lambda k: known[k])]  # as `Cell.chosen` does
                pairs = [(value, nmi[k]) for k, value in known.items()]
                if len(pairs) > 2 and all(len({*side}) > 1 for side in zip(*pairs, strict=True)):
                    correlations.append(float(stats.spearmanr(*zip(*pairs, strict=True)).statistic))
            gains.append(chosen - nmi[0])
            regrets.append(max(nmi) - chosen)
            over_random.setdefault(task, []).append(chosen - fmean(nmi))
        low, high = _interval(over_random) if criterion != "random" else (math.nan, math.nan)
        rows.append(
            {
                "criterion": criterion,
                "cells": len(gains),
                "correlation": _mean(correlations),
                "gain": _mean(gains),
                "over_random": _mean([lead for leads in over_random.values() for lead in leads]),
                "low": low,
                "high": high,
                "regret": _mean(regrets),
                "better": _mean([float(gain > 1) for gain in gains]),
                "worse": _mean([float(gain < -1) for gain in gains]),
            }
        )
    return pd.DataFrame(rows)


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else math.nan


def _interval(by_task: Mapping[str, Sequence[float]]) -> tuple[float, float]:
    """Return the 95 % interval of the mean over all cells, by bootstrap over tasks; NaN for fewer than two tasks."""
    if len(by_task) < 2:
        return math.nan, math.nan
    sums, counts = np.array([(sum(values), len(values)) for values in by_task.values()]).T
    drawn = np.random.default_rng(0).integers(len(sums), size=(ROUNDS, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / counts[drawn].sum(1), [2.5, 97.5])
    return float(low), float(high)
