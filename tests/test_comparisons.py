"""Paired comparisons against scipy and against values worked out by hand."""

import itertools

import numpy as np
import pytest
from scipy import stats

from nmfbench.reports.statistics import holm, paired


@pytest.mark.parametrize("n", [2, 10, 13, 35, 60])
def test_p_is_that_of_the_signed_rank_test(n: int) -> None:
    a, b = np.random.default_rng(n).normal([[0.9], [0]], size=(2, n))
    assert paired(a, b).p == pytest.approx(stats.wilcoxon(a, b).pvalue, rel=1e-12)


@pytest.mark.parametrize("n", [10, 13, 16])
def test_p_is_exact_with_ties_and_zeros(n: int) -> None:
    a, b = np.random.default_rng(n).normal([[0.9], [0]], size=(2, n)).round()
    d = (a - b)[a != b]
    ranks = stats.rankdata(np.abs(d))
    signs = np.array(list(itertools.product((0, 1), repeat=len(d))))
    positive = ranks[d > 0].sum()
    sums = signs @ ranks
    expected = 2 * min((sums <= positive).mean(), (sums >= positive).mean())
    assert len(d) < n and len({*ranks}) < len(d) and paired(a, b).p == pytest.approx(min(1, expected), rel=1e-12)


def test_shift_is_the_median_of_the_means_of_pairs() -> None:
    assert paired([1, 2, 6], [0, 0, 0]).shift == np.median([1, 2, 6, 1.5, 3.5, 4])


@pytest.mark.parametrize("n", [6, 7, 10])
def test_interval_is_the_shortest_that_covers_at_least_95_percent(n: int) -> None:
    d = np.random.default_rng(n).normal(1, 1, n)
    # Whatever the sizes of the differences from the true shift, each choice of their signs is as likely.
    covered = {0: 0, 1: 0}
    for signs in itertools.product((-1, 1), repeat=n):
        sample = np.abs(d) * signs
        effect = paired(sample, np.zeros(n))
        covered[0] += effect.low <= 0 <= effect.high
        inside = np.sort([(a + b) / 2 for a, b in itertools.combinations_with_replacement(sample, 2)])
        narrower = np.searchsorted(inside, effect.low) + 1
        covered[1] += inside[narrower] <= 0 <= inside[-1 - narrower]
    assert covered[0] / 2**n >= 0.95 > covered[1] / 2**n


def test_five_seeds_allow_no_interval() -> None:
    effect = paired([5, 6, 7, 8, 9], [1, 1, 1, 1, 1])
    assert np.isnan([effect.low, effect.high]).all() and effect.shift == 6


def test_equal_scores_are_no_difference() -> None:
    effect = paired([1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    assert (effect.p, effect.shift, effect.low, effect.high) == (1, 0, 0, 0)


def test_one_seed_is_no_evidence() -> None:
    assert paired([5], [1]).p == 1


def test_holm_multiplies_by_the_number_of_tests_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
