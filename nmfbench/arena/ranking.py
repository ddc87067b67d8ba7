"""From scores to a ranking: mean ranks, Elo with intervals, tests against a control, and who beats whom."""

import numpy as np
import pandas as pd

from nmfbench.reports.statistics import holm, paired

ROUNDS = 500
"""Number of bootstrap samples of the tasks for an interval."""
CONTROL = "mu"
"""The method that every other is tested against: the plain NMF of Lee & Seung."""


def matrix(scores: pd.DataFrame, row: str, metric: str = "nmi") -> pd.DataFrame:
    """Tasks × methods: the metric of one row of each method (`nmfbench.arena.scores.ROWS`); NaN where it has none."""
    chosen = scores[scores["row"] == row]
    return chosen.pivot(index="task", columns="solver", values=metric).astype(float)


def on_open_data(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the scores on data that everybody may have; all of them where there are no such."""
    is_open = ~scores["licensed"].astype(bool)
    return scores[is_open] if is_open.any() else scores


def ranking(values: pd.DataFrame) -> pd.DataFrame:
    """The methods, the best first, from values (tasks × methods), the higher the better.

    Columns: rank, the mean over all tasks, where a method without a value comes last; rank_taken, the mean place among
    the methods on the tasks that it takes, from 0 (first) to 1 (last); tasks, how many those are; mean; elo with its
    interval low and high, 95 % by bootstrap over tasks; lead, the Hodges–Lehmann estimate of the lead over `CONTROL`
    on the tasks that both take, with p of Wilcoxon's signed-rank test, corrected by Holm for all methods.
    """
    whole = filled(values)
    places = values.rank(axis=1, ascending=False)
    shares = (places - 1).div((values.notna().sum(axis=1) - 1).clip(lower=1), axis=0)
    board = pd.DataFrame(
        {
            "rank": whole.rank(axis=1, ascending=False).mean(),
            "rank_taken": shares.mean(),
            "tasks": values.notna().sum(),
            "mean": values.mean(),
        }
    )
    board = board.join(elo(whole)).join(against(values, CONTROL))
    return board.sort_values(["rank", "rank_taken"]).rename_axis("solver").reset_index()


def filled(values: pd.DataFrame) -> pd.DataFrame:
    """The values (tasks × methods), where a method without one has less than the last on that task."""
    return values.apply(lambda task: task.fillna(task.min() - 1), axis=1)


def elo(values: pd.DataFrame, prior: float = 0.5) -> pd.DataFrame:
    """Strengths of Bradley & Terry (1952) on the scale of Elo, 1000 in the mean, with 95 % intervals over the tasks.

    On each task of ``values`` (tasks × methods, no NaN) every method plays every other, a tie is half a win. Each pair
    shares two more half wins, or ``prior``, so that a method that wins everything has a finite strength.
    """
    v = values.to_numpy()
    wins = (v[:, :, None] > v[:, None, :]) + 0.5 * (v[:, :, None] == v[:, None, :])  # (tasks, methods, methods)
    draws = np.random.default_rng(0).integers(len(v), size=(ROUNDS, len(v)))
    rounds = [strengths(wins[tasks].sum(0) + prior) for tasks in draws]
    low, high = np.percentile(rounds, [2.5, 97.5], axis=0) if rounds else (np.nan, np.nan)
    return pd.DataFrame({"elo": strengths(wins.sum(0) + prior), "low": low, "high": high}, index=values.columns)


def strengths(wins: np.ndarray) -> np.ndarray:
    """Strengths of methods on the scale of Elo from ``wins`` (i, j), the number of wins of i over j."""
    import choix  # an extra, which most commands do not need

    games = wins.copy()
    np.fill_diagonal(games, 0)
    logits = choix.ilsr_pairwise_dense(games)
    return 1000 + 400 / np.log(10) * (logits - logits.mean())


def wins(values: pd.DataFrame) -> pd.DataFrame:
    """Methods × methods: on how many of the tasks that both take the row is ahead of the column; a tie is a half."""
    v = values.to_numpy()
    ahead = (v[:, :, None] > v[:, None, :]) + 0.5 * (v[:, :, None] == v[:, None, :])
    np.einsum("tii->ti", ahead)[:] = 0
    return pd.DataFrame(ahead.sum(0), index=values.columns, columns=values.columns)


def against(values: pd.DataFrame, control: str) -> pd.DataFrame:
    """Each method's lead over the control on the tasks that both take, with p and its correction by Holm."""
    rows = {}
    for name in values.columns:
        both = values[[name, control]].dropna() if control in values and name != control else values.iloc[:0]
        if len(both) > 1:
            effect = paired(list(both[name]), list(both[control]))
            rows[name] = {"lead": effect.shift, "low_lead": effect.low, "high_lead": effect.high, "p": effect.p}
    board = pd.DataFrame.from_dict(rows, orient="index", columns=["lead", "low_lead", "high_lead", "p"])
    board["p"] = holm(list(board["p"])) if len(board) else []
    return board
