"""The arena as a report: the ranking, the scores behind it, and everything that a reader needs to doubt it."""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from nmfbench.arena import ranking
from nmfbench.arena.claims import Verdict, written
from nmfbench.arena.protocol import Protocol
from nmfbench.progress import plural
from nmfbench.records import Record
from nmfbench.reports import notes
from nmfbench.reports.grids import Grid, cells_of
from nmfbench.reports.report import Block, Report
from nmfbench.reports.statistics import holm
from nmfbench.reports.words import DASH, number
from nmfbench.running.planning import LeftOut, in_words

_RANKING = {
    "solver": ("method", ""),
    "rank": ("mean rank", ".1f"),
    "rank_taken": ("relative place", ".2f"),
    "tasks": ("tasks", "d"),
    "mean": ("NMI", ".1f"),
    "elo": ("Elo", ".0f"),
    "low": ("Elo from", ".0f"),
    "high": ("Elo to", ".0f"),
    "lead": (f"lead over {ranking.CONTROL}", "+.1f"),
    "low_lead": ("lead from", "+.1f"),
    "high_lead": ("lead to", "+.1f"),
    "p": ("p (Holm)", ".2g"),
    "seconds": ("seconds", ".2f"),
    "to_1_percent": ("to 1 %", ".2f"),
    "capped": ("capped", ".0%"),
    "heldout": ("held-out", ".0f"),
    "stability": ("stability", ".2f"),
    "sparsity": ("sparsity", ".2f"),
}
_READING = (
    "Mean rank: over all tasks, where a method that cannot take a task or fails on it comes last. Relative place: "
    "among "
    "the methods, on the tasks that it takes alone, from 0 (first) to 1 (last). Tasks: how many it takes. NMI: its "
    "mean "
    "over these, so methods that take other tasks cannot be compared by it.",
    f"Elo: strengths of Bradley & Terry, with 95 % intervals by bootstrap over tasks. Lead over {ranking.CONTROL} in "
    "points of NMI on the tasks that both take: Hodges–Lehmann estimate with its 95 % interval; p: Wilcoxon's "
    "signed-rank "
    "test over tasks, corrected by Holm for all methods.",
    "Seconds: of a fit, in the mean over tasks. To 1 %: seconds until the objective was within 1 % of the lowest that "
    "the method reached with the same objective, over those tasks alone where each seed came so far. Capped: share "
    "of the fits "
    "that the time limit ended before they had converged. Held-out: error on hidden entries, in percent of that of "
    "each feature's mean. Stability: adjusted Rand index between the clusters of two seeds. Sparsity: of the codes.",
)


def absent(left_out: Sequence[LeftOut], records: Sequence[Record]) -> list[str]:
    """Sentences on what did not run: refusals and failures, each reason once."""
    # A method that cannot leave entries out has a dash for the error on them.
    refused = [left for left in left_out if "held out" not in str(left.reason)]
    failed = [
        LeftOut(record["solver"], record["dataset"], RuntimeError(f"failed: {record['error']}"))
        for record in records
        if record["status"] == "failed"
    ]
    return in_words([*refused, *failed])


def grid(table: pd.DataFrame, columns: Mapping[str, tuple[str, str]], title: str = "") -> Grid:
    """A table with these columns, in this order: each has a heading and a format; an empty format is text."""
    kept = {key: column for key, column in columns.items() if key in table}
    rows = [
        cells_of([number(row[key], spec) if spec else str(row[key]) for key, (_, spec) in kept.items()])
        for row in table.to_dict("records")
    ]
    numeric = frozenset(i for i, (_, spec) in enumerate(kept.values()) if spec)
    return Grid(cells_of([heading for heading, _ in kept.values()]), rows, title, numeric=numeric)


def board(scores: pd.DataFrame, row: str) -> pd.DataFrame:
    """The ranking of one row of each method, with the means of what was measured beside NMI."""
    board = ranking.ranking(ranking.matrix(scores, row))
    measured = [
        key for key in ("seconds", "to_1_percent", "capped", "heldout", "stability", "sparsity") if key in scores
    ]
    return board.join(scores[scores["row"] == row].groupby("solver")[measured].mean(), on="solver")


def report(
    scores: pd.DataFrame, criteria: pd.DataFrame, protocol: Protocol, records: Sequence[Record], absent: Iterable[str]
) -> Report:
    """The report on scores (see `scores.table`, with the controls). ``absent``: what did not run, and why."""
    ranked = scores[scores["solver"] != "labels"]
    # Two ranks on one dataset are no independent tasks, so each track has a ranking of its own.
    first = ranked[ranked["times"] == ranked["times"].min()]
    openly = ranking.on_open_data(first)
    blocks = [_ranking("Each method tuned without labels", openly, "tuned", list(_READING))]
    blocks.append(_ranking("Each method with its defaults", openly, "default", []))
    for times, track in ranked[~ranked["licensed"].astype(bool)].groupby("times"):
        if times != first["times"].iloc[0]:
            blocks.append(_ranking(f"With {times} times as many components as classes", track, "tuned", []))
    if len(openly) < len(first):
        # Results of others come without these sets, which says nothing about their methods.
        there = first.loc[first["licensed"].astype(bool), "solver"]
        among = first[first["solver"].isin(there)]
        blocks.append(_ranking("With the datasets that not everybody may have", among, "tuned", []))
    values = ranking.matrix(openly, "tuned")
    complete = values.columns[values.notna().all()]
    if len(complete) < len(values.columns):
        heading = "Without the methods that cannot take every task"
        blocks.append(_ranking(heading, openly[openly["solver"].isin(complete)], "tuned", []))
    blocks += [_tasks(scores), _domains(first), _criteria(criteria, protocol), _rules(protocol, absent)]
    made = notes.provenance(records)
    return Report(blocks, made, scores, [f"Arena {protocol.name}.", *made])


def _ranking(heading: str, scores: pd.DataFrame, row: str, sentences: list[str]) -> Block:
    tasks = plural(scores["task"].nunique(), "task")
    return Block(f"{heading}: {tasks}", [grid(board(scores, row), _RANKING)], [], sentences)


def _tasks(scores: pd.DataFrame) -> Block:
    grids = []
    for row, title in (("tuned", "tuned without labels"), ("best", "chosen by the labels: an oracle, never ranked")):
        values = ranking.matrix(scores, row).T
        values = values.loc[values.mean(axis=1).sort_values(ascending=False).index]
        columns = {"solver": ("method", "")} | {task: (task, ".1f") for task in values.columns}
        grids.append(grid(values.reset_index(), columns, title))
    sentences = [
        "NMI in percent at as many clusters as classes, mean over the seeds. raw: k-means on the data; pca: on as many "
        "principal components; random: on codes that know nothing; labels: on the classes themselves."
    ]
    return Block("Scores of every task", [], grids, sentences)


def _domains(scores: pd.DataFrame) -> Block:
    values = ranking.matrix(scores, "tuned")
    domain_of = scores.drop_duplicates("task").set_index("task")["domain"]
    places = ranking.filled(values).rank(axis=1, ascending=False).groupby(domain_of).mean()
    places = places.where(values.notna().groupby(domain_of).any()).T
    places = places.loc[places.mean(axis=1).sort_values().index].rename_axis("solver").reset_index()
    columns = {"solver": ("method", "")} | {domain: (domain, ".1f") for domain in places.columns[1:]}
    sentences = ["A method that cannot take a task comes last on it; a dash: it takes none of the kind."]
    return Block("Mean rank by kind of data", [grid(places, columns)], [], sentences)


def _criteria(criteria: pd.DataFrame, protocol: Protocol) -> Block:
    columns = {
        "criterion": ("criterion", ""),
        "cells": ("methods × tasks", "d"),
        "correlation": ("correlation", "+.2f"),
        "gain": ("gain", "+.1f"),
        "over_random": ("over random", "+.1f"),
        "low": ("from", "+.1f"),
        "high": ("to", "+.1f"),
        "regret": ("regret", ".1f"),
        "better": ("better", ".0%"),
        "worse": ("worse", ".0%"),
    }
    sentences = [
        f"The trial of a method was chosen by {protocol.criterion}, which was picked by this table: labels entered "
        f"there. "
        "On the tuning seeds of the open tasks. Correlation: Spearman's, between the criterion and "
        "NMI over the trials. Gain: NMI of its choice over that of the defaults, in points. Over random: over the mean "
        "of all trials, with a 95 % interval by bootstrap over tasks. Regret: NMI of the best trial over that of its "
        "choice. Better, worse: share of the choices more than a point above and below the defaults."
    ]
    return Block("Criteria for tuning without labels", [grid(criteria, columns)], [], sentences)


def budget(protocol: Protocol) -> str:
    """The sentence on trials, seeds and time."""
    seeds = ", ".join(map(str, protocol.tuning_seeds))
    return (
        f"{protocol.trials} settings of each method at most, its defaults among them, chosen by "
        f"{protocol.criterion} on "
        f"seeds {seeds}; scores on seeds 0 to {protocol.seeds - 1}. Each fit ends when it has converged, or after "
        f"{protocol.max_seconds:g} s."
    )


def _rules(protocol: Protocol, absent: Iterable[str]) -> Block:
    sentences = [
        budget(protocol),
        *(f"{solver} does not take part: {reason}." for solver, reason in protocol.left_out.items()),
        *(f"Not run, in all or some settings: {line}" for line in absent),
    ]
    return Block("Rules, and what did not run", [], [], sentences)


def verdicts(found: Sequence[Verdict], protocol: Protocol, records: Sequence[Record], absent: Sequence[str]) -> Report:
    """The verdicts on claims, one a row, and the effect on each task as the report's long form."""
    table = pd.DataFrame(
        [
            {
                "claim": f"{one.claim.name}: {one.claim.says}",
                "verdict": one.words,
                "effect": one.shift,
                "interval": DASH if math.isnan(one.low) else f"{one.low:+.2g} to {one.high:+.2g}",
                "smallest": one.claim.smallest,
                "p": one.p,
                "p_holm": corrected,
                "power": one.power,
                "datasets": one.datasets,
                "written": written(one.claim),
            }
            for one, corrected in zip(found, _holm([one.p for one in found]), strict=True)
        ]
    )
    columns = {
        "claim": ("claim", ""),
        "verdict": ("verdict", ""),
        "effect": ("effect", "+.2f"),
        "interval": ("95 % interval", ""),
        "smallest": ("matters from", "g"),
        "p": ("p", ".2g"),
        "p_holm": ("p, all claims", ".2g"),
        "power": ("power", ".0%"),
        "datasets": ("datasets", "d"),
        "written": ("written in", ""),
    }
    sentences = [
        "Effect: in points of NMI, for `error` of correlation; Hodges–Lehmann estimate over the datasets, tested by "
        "Wilcoxon's signed-rank test, two-sided; p, all claims: corrected by Holm for the claims of this page. "
        "Verdict: by "
        "the interval, which is not corrected; *holds*: it is above 0, and the estimate is one that matters. "
        "Several tasks "
        "of a dataset count once, by their mean. Matters from: the smallest effect that matters, written down "
        "before the "
        "runs. Power: the chance to find that effect with this spread over datasets. Written in: the commit of the "
        "claim.",
        f"Each fit had {protocol.max_seconds:g} s at most: a claim about a method that needs more is about that time.",
        *absent,
    ]
    effects = [
        {"claim": one.claim.name, "task": task, "effect": effect}
        for one in found
        for task, effect in one.effects.items()
    ]
    made = notes.provenance(records)
    return Report([Block("Claims", [grid(table, columns)], [], sentences)], made, pd.DataFrame(effects), made)


def _holm(p: Sequence[float]) -> list[float]:
    """Correct the p values of the claims that were tested for their number; the others stay NaN."""
    tested = iter(holm([value for value in p if not math.isnan(value)]))
    return [value if math.isnan(value) else next(tested) for value in p]
