"""Tests of one method against another, paired over seeds, without assuming a distribution."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

EXACT = 13
"""The largest number of differences for which every choice of signs is tried. scipy has the same limit."""


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
    """The lead of a over b; a[i] and b[i] are their scores of seed i. Wilcoxon (1945); Hodges & Lehmann (1963)."""
    d = np.asarray(a, dtype=float) - np.asarray(b, dtype=float)
    n = len(d)
    i, j = np.triu_indices(n)
    walsh = np.sort((d[i] + d[j]) / 2)
    # ways[s] is the number of sign choices whose positive ranks sum to s.
    ways = np.ones(1)
    for rank in range(1, n + 1):
        ways = np.convolve(ways, [1, *[0] * (rank - 1), 1])
    # Cut as many means at each end as keeps at most 2.5 % of the sign choices outside on that side.
    cut = np.searchsorted(np.cumsum(ways) / 2.0**n, 0.025, side="right") - 1
    low, high = (walsh[cut], walsh[-1 - cut]) if cut >= 0 else (np.nan, np.nan)
    return Effect(n, int((d > 0).sum()), float(np.median(walsh)), float(low), float(high), _signed_rank(d[d != 0]))


def _signed_rank(d: np.ndarray) -> float:
    """The two-sided p of nonzero differences: exact for up to ``EXACT`` of them, with or without ties."""
    if len(d) < 2:
        return 1.0
    if len(d) > EXACT:
        return float(stats.wilcoxon(d).pvalue)

    # With ties, stats.wilcoxon tries the same sign choices one by one, which is fifty times slower.
    def rank_sum(d: np.ndarray, axis: int) -> np.ndarray:
        return (np.sign(d) * stats.rankdata(np.abs(d), axis=axis)).sum(axis)

    test = stats.permutation_test((d,), rank_sum, permutation_type="samples", vectorized=True, n_resamples=np.inf)
    return float(test.pvalue)


def holm(p: Sequence[float]) -> list[float]:
    """The p values corrected for the number of tests. Holm (1979)."""
    order = np.argsort(p)
    corrected = np.maximum.accumulate([p[k] * (len(p) - i) for i, k in enumerate(order)])
    out = np.empty(len(p))
    out[order] = np.minimum(corrected, 1)
    return [float(value) for value in out]
