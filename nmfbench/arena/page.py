"""Build the arena's report: the ranking, the scores behind it, and what a reader needs to question it."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from nmfbench.arena import ranking
from nmfbench.arena.claims import Verdict, written
from nmfbench.arena.protocol import Protocol
from nmfbench.records import Record
from nmfbench.reports import notes
from nmfbench.reports.grids import Grid, cells_of
from nmfbench.reports.report import Block, Report
from nmfbench.reports.words import number
from nmfbench.running.planning import LeftOut, in_words

_RANKING = {
    "solver": ("method", ""),
    "rank": ("mean rank", ".1f"),
    "rank_taken": ("place 0 to 1", ".2f"),
    "tasks": ("tasks", "d"),
    "mean": ("NMI", ".1f"),
    "elo": ("Elo", ".0f"),
    "low": ("from", ".0f"),
    "high": ("to", ".0f"),
    "lead": ("lead", "+.1f"),
    "p": ("p", ".2g"),
    "seconds": ("seconds", ".2f"),
    "capped": ("capped", ".0%"),
    "heldout": ("held-out", ".0f"),
    "stability": ("stability", ".2f"),
    "sparsity": ("sparsity", ".2f"),
}
_READING = (
    "Mean rank: mean over all tasks; a method that cannot take a task or fails on it comes last. Place: mean place "
    "on only the tasks that the method takes, from 0 (first) to 1 (last). Tasks: number of tasks that it takes.",
    f"Elo: strengths of Bradley & Terry, with 95 % intervals by bootstrap over tasks. Lead: median lead over "
    f"{ranking.CONTROL} in points of NMI on the tasks that both take; p: Wilcoxon's signed-rank test over tasks, "
    "corrected by Holm for all methods.",
    "Seconds: time of a fit, averaged over tasks. Capped: share of the fits that the time limit ended before they "
    "converged. Held-out: error on hidden entries, in percent of that of each feature's mean. Stability: adjusted Rand "
    "index between the clusters of two seeds. Sparsity: that of the codes.",
)


def absent(left_out: Sequence[LeftOut], records: Sequence[Record]) -> list[str]:
    """Return sentences on what did not run: refusals and failures, each reason once."""
    # A method that cannot hold entries out already shows a dash in the table, so it needs no sentence.
    refused = [left for left in left_out if "held out" not in str(left.reason)]
    failed = [
        LeftOut(record["solver"], record["dataset"], RuntimeError(f"failed: {record['error']}"))
        for record in records
        if record["status"] == "failed"
    ]
    return in_words([*refused, *failed])


def grid(table: pd.DataFrame, columns: Mapping[str, tuple[str, str]], title: str = "") -> Grid:
    """Format a table with these columns in this order: key → heading, format; an empty format means text."""
    kept = {key: column for key, column in columns.items() if key in table}
    rows = [
        cells_of([number(row[key], spec) if spec else str(row[key]) for key, (_, spec) in kept.items()])
        for row in table.to_dict("records")
    ]
    numeric = frozenset(i for i, (_, spec) in enumerate(kept.values()) if spec)
    return Grid(cells_of([heading for heading, _ in kept.values()]), rows, title, numeric=numeric)


def board(scores: pd.DataFrame, row: str) -> pd.DataFrame:
    """Rank the methods by one of their `ROWS`, and join the means of the other measures."""
    board = ranking.ranking(ranking.matrix(scores, row))
    measured = [key for key in ("seconds", "capped", "heldout", "stability", "sparsity") if key in scores]
    return board.join(scores[scores["row"] == row].groupby("solver")[measured].mean(), on="solver")


def report(
    scores: pd.DataFrame, criteria: pd.DataFrame, protocol: Protocol, records: Sequence[Record], absent: Iterable[str]
) -> Report:
    """Build the report on `scores.table` with the controls; ``absent`` says what did not run, and why."""
    ranked = scores[scores["solver"] != "labels"]
    openly = ranked[~ranked["licensed"].astype(bool)]
    blocks = [_ranking("Each method tuned without labels", openly, "tuned", list(_READING))]
    blocks.append(_ranking("Each method with the defaults of its paper", openly, "default", []))
    if len(openly) < len(ranked):
        blocks.append(_ranking("With the datasets whose licence limits who may have them", ranked, "tuned", []))
    values = ranking.matrix(ranked, "tuned")
    complete = values.columns[values.notna().all()]
    if len(complete) < len(values.columns):
        heading = "Without the methods that cannot take every task"
        blocks.append(_ranking(heading, ranked[ranked["solver"].isin(complete)], "tuned", []))
    blocks += [_tasks(scores), _domains(ranked), _criteria(criteria, protocol), _rules(protocol, absent)]
    return Report(blocks, [], scores, [f"Arena {protocol.name}.", *notes.provenance(records)])


def _ranking(heading: str, scores: pd.DataFrame, row: str, sentences: list[str]) -> Block:
    tasks = scores["task"].nunique()
    return Block(f"{heading}: {tasks} tasks", [grid(board(scores, row), _RANKING)], [], sentences)


def _tasks(scores: pd.DataFrame) -> Block:
    grids = []
    for row, title in (("tuned", "tuned without labels"), ("best", "chosen by the labels: an oracle, never ranked")):
        values = ranking.matrix(scores, row).T
        values = values.loc[values.mean(axis=1).sort_values(ascending=False).index]
        columns = {"solver": ("method", "")} | {task: (task, ".1f") for task in values.columns}
        grids.append(grid(values.reset_index(), columns, title))
    sentences = [
        "NMI in percent at as many clusters as classes, mean over the seeds. raw: k-means on the data; pca: on as many "
        "principal components; random: on random codes; labels: on the classes themselves."
    ]
    return Block("Scores of every task", [], grids, sentences)


def _domains(scores: pd.DataFrame) -> Block:
    values = ranking.matrix(scores, "tuned")
    domain_of = scores.drop_duplicates("task").set_index("task")["domain"]
    places = values.rank(axis=1, ascending=False).groupby(domain_of).mean().T
    places = places.loc[places.mean(axis=1).sort_values().index].rename_axis("solver").reset_index()
    columns = {"solver": ("method", "")} | {domain: (domain, ".1f") for domain in places.columns[1:]}
    return Block("Mean rank by kind of data", [grid(places, columns)], [], [])


def _criteria(criteria: pd.DataFrame, protocol: Protocol) -> Block:
    columns = {
        "criterion": ("criterion", ""),
        "cells": ("methods × tasks", "d"),
        "correlation": ("correlation", "+.2f"),
        "gain": ("gain", "+.1f"),
        "regret": ("regret", ".1f"),
        "better": ("better", ".0%"),
        "worse": ("worse", ".0%"),
    }
    sentences = [
        f"The trial of a method was chosen by {protocol.criterion}. Correlation: Spearman's, between the criterion and "
        "NMI over the trials. Gain: by how many points of NMI its choice exceeds the defaults. Regret: by how many "
        "the best trial exceeds its choice. Better, worse: shares of choices that are more than one point above and "
        "below the defaults."
    ]
    return Block("How well criteria without labels choose", [grid(criteria, columns)], [], sentences)


def _rules(protocol: Protocol, absent: Iterable[str]) -> Block:
    seeds = ", ".join(map(str, protocol.tuning_seeds))
    sentences = [
        f"At most {protocol.trials} settings of each method, its defaults among them, on seeds {seeds}; scores on "
        f"seeds 0 to {protocol.seeds - 1}. Each fit ends when it has converged, or after {protocol.max_seconds:g} s.",
        *(f"{solver} does not take part: {reason}." for solver, reason in protocol.left_out.items()),
        *absent,
    ]
    return Block("Rules, and what did not run", [], [], sentences)


def verdicts(outcomes: Sequence[Verdict], provenance: Sequence[str]) -> Report:
    """Build the report on claims: a row for each verdict, and the effect on each task as the long form."""
    table = pd.DataFrame(
        [
            {
                "claim": f"{outcome.claim.name}: {outcome.claim.says}",
                "verdict": outcome.words,
                "effect": outcome.shift,
                "interval": f"{outcome.low:+.2g} to {outcome.high:+.2g}",
                "smallest": outcome.claim.smallest,
                "p": outcome.p,
                "power": outcome.power,
                "tasks": len(outcome.effects),
                "written": written(outcome.claim),
            }
            for outcome in outcomes
        ]
    )
    columns = {
        "claim": ("claim", ""),
        "verdict": ("verdict", ""),
        "effect": ("effect", "+.2f"),
        "interval": ("95 % interval", ""),
        "smallest": ("matters from", "g"),
        "p": ("p", ".2g"),
        "power": ("power", ".0%"),
        "tasks": ("tasks", "d"),
        "written": ("written in", ""),
    }
    sentences = [
        "Effect: in points of NMI, for `error` a correlation; Hodges–Lehmann estimate over the tasks, tested by "
        "Wilcoxon's signed-rank test. Matters from: the smallest effect that matters, written down before the runs. "
        "Power: the chance to find that effect, given the spread over tasks. Written in: the commit of the claim.",
    ]
    effects = [
        {"claim": outcome.claim.name, "task": task, "effect": effect}
        for outcome in outcomes
        for task, effect in outcome.effects.items()
    ]
    return Report([Block("Claims", [grid(table, columns)], [], sentences)], [], pd.DataFrame(effects), list(provenance))
