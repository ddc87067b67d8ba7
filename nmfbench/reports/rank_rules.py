"""Choose a rank by the curve of each criterion, and recommend one by the choices of several criteria.

Pure rules: numbers in, a choice and its reason out. Ranks ascend. A choice at an end of the curve is in doubt, because
a rank beyond it might be better.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

STABLE, LEAST = 0.8, 0.2
"""Lower bounds at a stable rank for the mean silhouette, and for that of each cluster. Islam et al. (2022)"""
AGREEING = 2
"""Number of criteria that must choose a rank before it is recommended. Chosen on problems with a known rank, see
results/rank/planted.md."""


@dataclass(frozen=True)
class Choice:
    """The choice of one criterion.

    Parameters
    ----------
    rank: the rank; None: the curve supports none.
    reason: the feature of the curve that decides, in words.
    doubt: the reason why the choice may be wrong; empty: the curve shows none.
    """

    rank: int | None
    reason: str
    doubt: str = ""

    @property
    def in_words(self) -> str:
        rank = "no rank" if self.rank is None else str(self.rank)
        return f"{rank}, {self.reason}" + (f" (in doubt: {self.doubt})" if self.doubt else "")


def one_standard_error(ranks: Sequence[int], errors: np.ndarray) -> Choice:
    """Choose the smallest rank whose error is at most one standard error above the lowest.

    ``errors`` (ranks, splits): each column is one split of the data, the same for all ranks. The standard error is
    therefore that of the differences within splits: the spread between splits, which all ranks share, does not count.
    Breiman, Friedman, Olshen & Stone (1984), Sec. 3.4.3
    """
    means = errors.mean(1)
    lowest = int(means.argmin())
    above = errors - errors[lowest]
    standard_errors = above.std(1, ddof=1) / np.sqrt(errors.shape[1]) if errors.shape[1] > 1 else np.zeros(len(ranks))
    chosen = int(np.flatnonzero(above.mean(1) <= standard_errors)[0])
    reason = f"the error is lowest at {ranks[lowest]}"
    if chosen != lowest:
        reason += f"; {ranks[chosen]} is within one standard error of it"
    return Choice(ranks[chosen], reason, _at_end(ranks, chosen, "the error still falls there"))


def lowest(ranks: Sequence[int], values: np.ndarray) -> Choice:
    """Choose the rank of the lowest value. BIC: Schwarz (1978)"""
    chosen = int(np.argmin(values))
    return Choice(ranks[chosen], "the lowest value", _at_end(ranks, chosen, "the value still falls there"))


def last_stable(ranks: Sequence[int], means: np.ndarray, least: np.ndarray) -> Choice:
    """Choose the largest stable rank, whose mean silhouette reaches `STABLE` and whose smallest reaches `LEAST`.

    ``means`` and ``least``: the mean and the smallest silhouette over the clusters of each rank. NMFk takes
    the largest rank before the silhouettes fall, Alexandrov et al. (2013), with the thresholds of Islam et al. (2022).
    """
    stable = np.flatnonzero((means >= STABLE) & (least >= LEAST))
    if not len(stable):
        return Choice(None, f"none has a mean silhouette of {STABLE} and a least one of {LEAST}")
    chosen = int(stable[-1])
    return Choice(ranks[chosen], "the largest stable rank", _at_end(ranks, chosen, "no larger rank was tried"))


def before_fall(ranks: Sequence[int], values: np.ndarray) -> Choice:
    """Choose the rank before the largest fall between two ranks. Cophenetic correlation: Brunet et al. (2004)"""
    falls = values[:-1] - values[1:]
    if len(falls) == 0 or falls.max() <= 0:
        return Choice(None, "the curve does not fall")
    chosen = int(falls.argmax())
    return Choice(ranks[chosen], f"it falls most from {ranks[chosen]} to {ranks[chosen + 1]}", _at_end(ranks, chosen))


def highest(ranks: Sequence[int], values: np.ndarray) -> Choice:
    """Choose the rank of the highest value. Dispersion: Kim & Park (2007)"""
    chosen = int(np.argmax(values))
    return Choice(ranks[chosen], "the highest value", _at_end(ranks, chosen, "the value still rises there"))


def _at_end(ranks: Sequence[int], chosen: int, at_last: str = "") -> str:
    """Return the doubt about a choice at an end of the ranks; rank 2 is no end, because no smaller one makes sense."""
    if chosen == len(ranks) - 1:
        return f"{ranks[chosen]} is the largest rank tried" + (f", and {at_last}" if at_last else "")
    if chosen == 0 and ranks[0] > 2:
        return f"{ranks[0]} is the smallest rank tried"
    return ""


@dataclass(frozen=True)
class Recommendation:
    """A rank recommended by several criteria, or the statement that they do not agree on one.

    Parameters
    ----------
    rank: the rank; None: no rank has enough support.
    sentence: the rank and the criteria that choose it, or the choice of each criterion.
    """

    rank: int | None
    sentence: str


def recommend(choices: Mapping[str, Choice]) -> Recommendation:
    """Recommend the only rank that at least `AGREEING` criteria choose without a doubt, if there is one.

    ``choices``: title → choice, of criteria that ask different questions, so that they seldom make the same mistake:
    docs/choosing-a-rank.md says how often they do.
    """
    votes = Counter(choice.rank for choice in choices.values() if choice.rank is not None and not choice.doubt)
    agreed = [rank for rank, count in votes.items() if count >= AGREEING]
    if len(agreed) == 1:
        supporters = [title for title, choice in choices.items() if choice.rank == agreed[0]]
        others = [_chosen(title, choice) for title, choice in choices.items() if title not in supporters]
        sentence = f"Recommended rank: {agreed[0]}, chosen by {_listed(supporters)}"
        return Recommendation(agreed[0], f"{sentence}{'; ' if others else ''}{', '.join(others)}.")
    if len(choices) < AGREEING:
        known = f"only {_listed(list(choices))} could be computed" if choices else "no criterion could be computed"
        return Recommendation(None, f"No rank is recommended: {known}, and {AGREEING} criteria must agree.")
    verb = "disagree" if len({choice.rank for choice in choices.values()}) > 1 else "do not settle it"
    chosen = ", ".join(_chosen(title, choice) for title, choice in choices.items())
    doubts = dict.fromkeys(choice.doubt for choice in choices.values() if choice.doubt)
    return Recommendation(None, f"The criteria {verb}: {'. '.join([chosen, *map(_capital, doubts)])}.")


def _chosen(title: str, choice: Choice) -> str:
    rank = "no rank" if choice.rank is None else str(choice.rank)
    return f"{title} {rank}{' (in doubt)' if choice.doubt else ''}"


def _listed(titles: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(titles[:-1]), titles[-1]]))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
