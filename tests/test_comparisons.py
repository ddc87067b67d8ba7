"""Paired comparisons against scipy and against values worked out by hand."""

import numpy as np
import pytest
from scipy import stats

from nmfbench.comparisons import holm, paired


@pytest.mark.parametrize("n", [2, 10, 13, 35])
@pytest.mark.parametrize("digits", [9, 0], ids=["no ties", "ties and zeros"])
def test_p_is_that_of_the_signed_rank_test(n: int, digits: int) -> None:
    a, b = np.random.default_rng(n).normal([[0.9], [0]], size=(2, n)).round(digits)
    assert paired(a, b).p == pytest.approx(stats.wilcoxon(a, b).pvalue, rel=1e-12)


def test_shift_is_the_median_of_the_means_of_pairs() -> None:
    assert paired([1, 2, 6], [0, 0, 0]).shift == np.median([1, 2, 6, 1.5, 3.5, 4])


def test_interval_covers_the_true_shift_in_about_19_of_20_samples() -> None:
    rng = np.random.default_rng(1)
    effects = [paired(rng.normal(3, 1, 10), rng.normal(0, 1, 10)) for _ in range(400)]
    assert 0.91 < np.mean([effect.low <= 3 <= effect.high for effect in effects]) < 0.98
    assert all(effect.low <= effect.shift <= effect.high for effect in effects)


def test_equal_scores_are_no_difference() -> None:
    effect = paired([1, 2, 3], [1, 2, 3])
    assert (effect.p, effect.shift, effect.low, effect.high) == (1, 0, 0, 0)


def test_one_seed_is_no_evidence() -> None:
    assert paired([5], [1]).p == 1


def test_holm_multiplies_by_the_number_of_tests_left_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
