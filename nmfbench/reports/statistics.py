"""Tests of one method against another, paired over seeds, without assuming a distribution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

EXACT = 50
"""The largest number of differences with an exact p. scipy's p is exact up to this number, with ties up to 13."""


@dataclass(frozen=True)
class Effect:
    """The lead of method a over method b on the same seeds.

    Parameters
    ----------
    n: number of seeds.
    wins: number of seeds on which a is larger.
    shift: Hodges–Lehmann estimate, the median of the means of all pairs of differences.
    low: lower end of its interval of at least 95 %, by inverting the signed-rank test; NaN for fewer than six seeds.
    high: upper end of that interval.
    p: Wilcoxon's signed-rank test, two-sided; 1 where all differences are zero.
    """

    n: int
    wins: int
    shift: float
    low: float
    high: float
    p: float


def paired(a: Sequence[float], b: Sequence[float]) -> Effect:
    """Test the lead of a over b, whose a[i] and b[i] are scores of seed i. Wilcoxon (1945); Hodges & Lehmann (1963)."""
    d = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    n = len(d)
    i, j = np.triu_indices(n)
    walsh = np.sort((d[i] + d[j]) / 2)
    cut = largest_sum(n)
    low, high = (walsh[cut], walsh[-1 - cut]) if cut >= 0 else (np.nan, np.nan)
    return Effect(n, int((d > 0).sum()), float(np.median(walsh)), float(low), float(high), _signed_rank(d[d != 0]))


def largest_sum(n: int) -> int:
    """Return the largest sum of the ranks of one sign at which n differences are significant, −1 if none is.

    At most 2.5 % of the sign choices have that sum or less.
    """
    return int(np.searchsorted(np.cumsum(_chances(np.arange(1, n + 1))), 0.025, side="right")) - 1


def _signed_rank(d: np.ndarray) -> float:
    """Return the two-sided p of nonzero differences, exact for up to ``EXACT`` of them, with or without ties."""
    if len(d) > EXACT:
        return float(stats.wilcoxon(d).pvalue)
    ranks = np.rint(2 * stats.rankdata(np.abs(d))).astype(int)  # doubled, because ties have half-integer ranks
    chances, positive = _chances(ranks), ranks[d > 0].sum()
    return float(min(1.0, 2 * min(chances[: positive + 1].sum(), chances[positive:].sum())))


def _chances(ranks: np.ndarray) -> np.ndarray:
    """Return the probability of each sum 0, 1, … of positive ranks if both signs are equally likely."""
    chances = np.ones(1)
    for rank in ranks:
        chances = (np.pad(chances, (0, rank)) + np.pad(chances, (rank, 0))) / 2
    return chances


def holm(p: Sequence[float]) -> list[float]:
    """Return the p values corrected for the number of tests. Holm (1979)."""
    order = np.argsort(p)
    corrected = np.maximum.accumulate([p[k] * (len(p) - i) for i, k in enumerate(order)])
    out = np.empty(len(p))
    out[order] = np.minimum(corrected, 1)
    return [float(value) for value in out]
