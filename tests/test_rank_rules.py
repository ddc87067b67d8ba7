"""The rules that choose a rank, on curves made by hand."""

import numpy as np
import pytest

from nmfbench.reports import rank_rules
from nmfbench.reports.rank_rules import Choice

RANKS = [2, 3, 4, 5, 6]


def splits(means: list[float], spread: float = 0.0) -> np.ndarray:
    """Errors of four splits around these means; the spread is that of each rank's own error, in turn up and down."""
    signs = np.array([[1, -1, 1, -1], [1, 1, -1, -1]])[np.arange(len(means)) % 2]
    return np.array(means)[:, None] + spread * signs


def test_lowest_error_is_chosen_where_it_is_clear() -> None:
    choice = rank_rules.one_standard_error(RANKS, splits([5, 3, 1, 1.5, 2]))
    assert (choice.rank, choice.doubt) == (4, "") and "lowest at 4" in choice.reason


def test_smaller_rank_within_one_standard_error_is_preferred() -> None:
    errors = splits([5, 3, 1.02, 1, 1.01], spread=0.1)
    choice = rank_rules.one_standard_error(RANKS, errors)
    # The differences of ranks 4 and 5 are 0.02 ± 0.2 and ± 0: standard deviation 0.163, standard error 0.082.
    assert choice.rank == 4 and "4 is within one standard error" in choice.reason
    assert rank_rules.one_standard_error(RANKS, splits([5, 3, 1.1, 1, 1.01], spread=0.1)).rank == 5


def test_spread_that_all_ranks_share_hides_no_difference() -> None:
    errors = splits([5, 3, 1.1, 1, 1.2]) + np.array([0, 10, 20, 30])
    assert rank_rules.one_standard_error(RANKS, errors).rank == 5


def test_one_split_has_no_standard_error() -> None:
    assert rank_rules.one_standard_error(RANKS, np.array([[5.0], [3.0], [1.01], [1.0], [2.0]])).rank == 5


def test_lowest_value_is_chosen_and_doubted_at_an_end() -> None:
    assert rank_rules.lowest(RANKS, np.array([3, 2, 1, 2, 3])) == Choice(4, "the lowest value")
    falling = rank_rules.lowest(RANKS, np.array([5, 4, 3, 2, 1]))
    assert falling.rank == 6 and "6 is the largest rank tried, and the value still falls there" in falling.doubt
    assert rank_rules.lowest(RANKS, np.array([1, 2, 3, 4, 5])).doubt == ""  # two components are the fewest
    assert rank_rules.lowest([4, 5, 6], np.array([1, 2, 3])).doubt == "4 is the smallest rank tried"


@pytest.mark.parametrize(
    ("means", "least", "rank"),
    [
        ([1, 0.95, 0.9, 0.5, 0.3], [1, 0.9, 0.8, 0.1, -0.2], 4),
        ([1, 0.95, 0.9, 0.85, 0.3], [1, 0.9, 0.8, 0.1, -0.2], 4),  # one cluster of rank 5 does not come back
        ([1, 0.7, 0.9, 0.5, 0.3], [1, 0.2, 0.8, 0.1, -0.2], 4),  # the largest, though 3 is less stable
        ([0.7, 0.7, 0.7, 0.5, 0.3], [0.5, 0.5, 0.5, 0.1, -0.2], None),
    ],
)
def test_largest_stable_rank_is_chosen(means: list[float], least: list[float], rank: int | None) -> None:
    choice = rank_rules.last_stable(RANKS, np.array(means), np.array(least))
    assert choice.rank == rank and choice.doubt == ""


def test_stable_at_the_largest_rank_is_in_doubt() -> None:
    assert "largest rank tried" in rank_rules.last_stable(RANKS, np.ones(5), np.ones(5)).doubt


def test_rank_before_the_largest_fall_is_chosen() -> None:
    assert rank_rules.before_fall(RANKS, np.array([0.99, 0.98, 0.99, 0.8, 0.7])).rank == 4
    assert rank_rules.before_fall(RANKS, np.array([0.5, 0.6, 0.7, 0.8, 0.8])).rank is None


def test_highest_value_is_chosen() -> None:
    assert rank_rules.highest(RANKS, np.array([0.1, 0.9, 0.8, 0.7, 0.6])).rank == 3
    assert rank_rules.highest(RANKS, np.array([0.1, 0.2, 0.8, 0.9, 1.0])).doubt


def test_rank_that_two_criteria_choose_is_recommended() -> None:
    found = rank_rules.recommend({"a": Choice(4, ""), "b": Choice(4, ""), "c": Choice(6, "")})
    assert found.rank == 4 and found.sentence == "Recommended rank: 4, chosen by a and b; c 6."
    found = rank_rules.recommend({"a": Choice(4, ""), "b": Choice(4, ""), "c": Choice(4, "", "an end")})
    assert found.sentence == "Recommended rank: 4, chosen by a, b and c."


def test_no_rank_is_recommended_where_criteria_disagree_or_doubt() -> None:
    found = rank_rules.recommend({"a": Choice(4, ""), "b": Choice(5, ""), "c": Choice(None, "")})
    assert found.rank is None and found.sentence == "The criteria disagree: a 4, b 5, c no rank."
    found = rank_rules.recommend({"a": Choice(6, "", "6 is the largest"), "b": Choice(6, "", "6 is the largest")})
    assert found.rank is None
    assert found.sentence == "The criteria do not settle it: a 6 (in doubt), b 6 (in doubt). 6 is the largest."
    two = {"a": Choice(4, ""), "b": Choice(4, ""), "c": Choice(5, ""), "d": Choice(5, "")}
    assert rank_rules.recommend(two).rank is None


def test_one_criterion_recommends_nothing() -> None:
    assert "only a could be computed" in rank_rules.recommend({"a": Choice(4, "")}).sentence
    assert "no criterion could be computed" in rank_rules.recommend({}).sentence
