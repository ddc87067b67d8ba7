"""Whether a fit has converged, measured alike for all methods, from its history alone."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

TOLERANCE = 1e-5
"""Relative fall of the objective in `STEP` iterations up to which a restart has converged."""
STEP, SPAN = 10, 100
"""Iterations over which the fall is measured: of an objective that only falls, and of one that also rises."""

History = Sequence[Sequence[float]]
"""(iteration, objective, …) at each look."""


def has_converged(history: History) -> bool:
    """Whether the objective fell by at most `TOLERANCE` of itself per `STEP` iterations at the end, and did not rise.

    Where it rose anywhere in the last `SPAN` iterations, as steps on random batches do, those `SPAN` iterations count
    instead of the last `STEP`, because the noise of a few steps hides the trend.
    """
    recent = history[bisect_left(history, history[-1][0] - SPAN, key=_iteration) :]
    rose = any(later[1] > earlier[1] for earlier, later in pairwise(recent))
    before, span = _before(history, SPAN if rose else STEP)
    objective = history[-1][1]
    return span > 0 and 0 <= before - objective <= TOLERANCE * span / STEP * abs(objective)


def fall(history: History) -> float | None:
    """Relative fall of the objective over the last `SPAN` iterations, or the second half of a shorter fit.

    Negative: it rose. None: the fit took no iteration, or ended at an objective of 0. Looks that lie further apart
    count in proportion.
    """
    if not history or not history[-1][1]:
        return None
    iteration, objective = history[-1][0], history[-1][1]
    before, span = _before(history, min(SPAN, iteration / 2))
    return (before - objective) / abs(objective) * SPAN / max(span, SPAN) if span else None


def _before(history: History, iterations: float) -> tuple[float, float]:
    """The objective at the last look that many iterations before the end, and how many they are; else at the first."""
    end = history[-1][0]
    look = history[max(0, bisect_right(history, end - iterations, key=_iteration) - 1)]
    return look[1], end - look[0]


def _iteration(look: Sequence[float]) -> float:
    return look[0]
