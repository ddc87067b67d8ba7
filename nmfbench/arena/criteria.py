"""Measure how well each label-free criterion agrees with the labels, over all methods and tasks."""

import math
from collections.abc import Iterable

import pandas as pd
from scipy import stats

from nmfbench.arena.protocol import CRITERIA, Protocol
from nmfbench.arena.scores import Cell, value_of


def followed(cells: Iterable[Cell], protocol: Protocol) -> pd.DataFrame:
    """Compare each criterion with NMI on the tuning seeds, over the methods and tasks with at least three trials.

    cells: number of methods × tasks where it was measured. correlation: mean of Spearman's correlation with NMI over
    the trials. gain: by how many points the NMI of its choice exceeds that of the defaults. regret: by how many points
    the best trial exceeds its choice. better, worse: shares of the cells where its choice is more than one point of NMI
    above or below the defaults. A random choice has a row of its own.
    """
    trials = [[trial for trial in cell.ordered() if value_of(trial, protocol, "nmi") is not None] for cell in cells]
    rows = []
    for criterion in (*CRITERIA, "random"):
        correlations, gains, regrets = [], [], []
        for measured in trials:
            nmi = [100 * float(value_of(trial, protocol, "nmi") or 0) for trial in measured]
            if len(measured) < 3 or measured[0].setting:
                continue
            if criterion == "random":
                gains.append(sum(nmi) / len(nmi) - nmi[0])
                regrets.append(max(nmi) - sum(nmi) / len(nmi))
                continue
            values = [value_of(trial, protocol, criterion) for trial in measured]
            if None in values:
                continue
            chosen = measured.index(max(zip(measured, values, strict=True), key=lambda pair: float(pair[1] or 0))[0])
            gains.append(nmi[chosen] - nmi[0])
            regrets.append(max(nmi) - nmi[chosen])
            if len({*nmi}) > 1 and len({*values}) > 1:
                correlations.append(float(stats.spearmanr(values, nmi).statistic))
        n = len(gains)
        rows.append(
            {
                "criterion": criterion,
                "cells": n,
                "correlation": sum(correlations) / len(correlations) if correlations else math.nan,
                "gain": sum(gains) / n if n else math.nan,
                "regret": sum(regrets) / n if n else math.nan,
                "better": sum(gain > 1 for gain in gains) / n if n else math.nan,
                "worse": sum(gain < -1 for gain in gains) / n if n else math.nan,
            }
        )
    return pd.DataFrame(rows)
