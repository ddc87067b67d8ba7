"""The arena on data of one's own: the methods under several scalings, the best first, and who is level with whom."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.arena.figures import NO_METHODS
from nmfbench.arena.page import budget, grid
from nmfbench.arena.protocol import LINES_TO_BEAT, Protocol
from nmfbench.arena.ranking import matrix
from nmfbench.arena.scores import Cell, last_layer
from nmfbench.records import Record
from nmfbench.reports import notes
from nmfbench.reports.charts import Chart
from nmfbench.reports.plots import COLOURS, captioned, styled
from nmfbench.reports.report import Block, Report

ROUNDS = 200
"""Number of bootstrap samples of the samples and seeds."""
_MEASURED = {"heldout": ("held-out", ".0f"), "stability": ("stability", ".2f"), "seconds": ("seconds", ".2f")}
_MEASURED |= {"capped": ("capped", ".0%")}


def board(scores: pd.DataFrame, found: dict[tuple[str, str], Cell], protocol: Protocol) -> pd.DataFrame:
    """The methods, the best first: a column a scaling, their mean, and what was measured beside it.

    With labels they are sorted by NMI; low and high bound the mean, and group counts the methods' groups from the top:
    one begins where a method is behind the first of the group before beyond chance. A method that lacks a scaling
    stands below the others and in no group, because its mean is over fewer. Without labels they are sorted by the mean
    of their places in held-out error and stability, in a tie by seconds.
    """
    tuned = scores[(scores["row"] == "tuned") & (scores["solver"] != "labels")]
    means = tuned.groupby("solver")[list(_MEASURED)].mean()
    if scores["nmi"].isna().all():
        signs = {"heldout": 1, "stability": -1}
        places = pd.DataFrame({key: (sign * means[key]).rank(na_option="bottom") for key, sign in signs.items()})
        return means.assign(place=places.mean(axis=1)).sort_values(["place", "seconds"]).reset_index()
    values = matrix(tuned, "tuned").T
    table = values.assign(mean=values.mean(axis=1)).join(means)
    table = table.assign(lacking=values.isna().sum(axis=1)).dropna(subset="mean")
    table = table.sort_values(["lacking", "mean"], ascending=[True, False])
    drawn = bootstrap(found, protocol)
    bounds = {name: np.percentile(draws, [2.5, 97.5]) for name, draws in drawn.items()}
    table["low"] = [bounds[name][0] if name in bounds else np.nan for name in table.index]
    table["high"] = [bounds[name][1] if name in bounds else np.nan for name in table.index]
    comparable = {name: draws for name, draws in drawn.items() if table["lacking"].get(name) == 0}
    table["group"] = groups(list(table.index), comparable)
    return table.drop(columns="lacking").reset_index()


def groups(order: Sequence[str], drawn: dict[str, np.ndarray]) -> list[int | None]:
    """Number the groups of methods from the best, 1: one behind the first of its group beyond chance opens the next.

    ``drawn``: its scores in each round of the bootstrap; a method without any has no group.
    """
    numbers: list[int | None] = []
    first, number = None, 0
    for name in order:
        if name not in drawn:
            numbers.append(None)
            continue
        if first is None or np.percentile(drawn[first] - drawn[name], 2.5) > 0:
            first, number = name, number + 1
        numbers.append(number)
    return numbers


def bootstrap(found: dict[tuple[str, str], Cell], protocol: Protocol) -> dict[str, np.ndarray]:
    """NMI in percent (rounds,) of each tuned method, the mean over scalings, as other samples and seeds would have it.

    A round draws samples and seeds with replacement, the same for all methods; clusters stay as they are. Samples drawn
    twice raise NMI, so the mean rise over the rounds is taken away.
    """
    rng, by_method = np.random.default_rng(0), dict[str, list[np.ndarray]]()
    drawn: dict[int, np.ndarray] = {}
    seeds = rng.integers(protocol.seeds, size=(ROUNDS, protocol.seeds))
    for cell in found.values():
        trial = cell.chosen(protocol, protocol.criterion)
        if trial is None or not {*protocol.scored_seeds} <= {*trial.arena}:
            continue
        rows = [last_layer(trial.arena[seed], "silhouette") for seed in protocol.scored_seeds]
        if "classes" not in rows[0]:
            continue
        y = np.asarray(rows[0]["classes"])
        if len(y) not in drawn:
            drawn[len(y)] = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=ROUNDS)
        weights = np.vstack([np.ones(len(y)), drawn[len(y)]])
        with_all = np.stack([_nmi(y, np.asarray(row["clusters"]), weights) for row in rows])  # (seeds, 1 + rounds)
        by_seed = with_all[:, 1:] - (with_all[:, 1:].mean(1) - with_all[:, 0])[:, None]
        by_method.setdefault(cell.solver, []).append(by_seed[seeds, np.arange(ROUNDS)[:, None]].mean(1))
    return {name: 100 * np.mean(of_scalings, axis=0) for name, of_scalings in by_method.items()}


def _nmi(y: np.ndarray, clusters: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """NMI (arithmetic normaliser) of a clustering, for each row of weights (rounds, n) of the samples."""
    a, b = np.eye(y.max() + 1)[y], np.eye(clusters.max() + 1)[clusters]
    joint = np.einsum("rn,ni,nj->rij", weights, a, b, optimize=True) / len(y)

    def entropy(p: np.ndarray) -> np.ndarray:
        logs = np.log(p, out=np.zeros_like(p), where=p > 0)
        return -(p * logs).reshape(len(p), -1).sum(1)

    of_classes, of_clusters = entropy(joint.sum(2)), entropy(joint.sum(1))
    both = (of_classes + of_clusters) / 2
    return np.divide(of_classes + of_clusters - entropy(joint), both, out=np.zeros_like(both), where=both > 0)


def report(
    table: pd.DataFrame, scores: pd.DataFrame, protocol: Protocol, records: Sequence[Record], absent: Iterable[str]
) -> Report:
    """The report on one's own data, from `board`."""
    scalings = [task.name for task in protocol.tasks]
    columns = {"solver": ("method", "")}
    if "group" in table:
        columns |= {"group": ("group", "d"), **{name: (name, ".1f") for name in scalings}, "mean": ("NMI", ".1f")}
        columns |= {"low": ("from", ".1f"), "high": ("to", ".1f")}
    columns |= _MEASURED
    return Report(
        [Block(_heading(records), [grid(table, columns)], [], [*_sentences(table), budget(protocol), *absent])],
        [],
        scores,
        notes.provenance(records),
    )


def _heading(records: Sequence[Record]) -> str:
    data = records[0]["data"]
    return f"{records[0]['dataset']}: {data['samples']} samples × {data['features']} features"


def _sentences(table: pd.DataFrame) -> list[str]:
    if "group" not in table:
        return [
            "There are no labels. Methods are sorted by the mean of their places in held-out error and stability, in a "
            "tie by seconds. Held-out: error on hidden entries, in percent of that of each feature's mean. Stability: "
            "adjusted Rand index between the clusters of two seeds."
        ]
    means = table.set_index("solver")["mean"]
    lines = means[means.index.isin(LINES_TO_BEAT)]
    first = list(table.loc[table["group"] == 1, "solver"])
    ahead = [name for name in first if name not in LINES_TO_BEAT and means[name] > lines.max()]
    return [
        f"The first group, none of which is behind its first method beyond chance: {', '.join(first)}.",
        *(
            [
                f"Lines to beat: {', '.join(f'{name} {line:.1f}' for name, line in lines.items())}. Ahead of "
                f"them in the first group: {', '.join(ahead) or 'none'}."
            ]
            if len(lines)
            else []
        ),
        "Capped: share of the fits that the time limit ended before they had converged. Where it is large, more time "
        "would move the method.",
        "NMI in percent for each scaling, and their mean. From, to: 95 % intervals, by bootstrap over the samples and "
        "the seeds, with the clusters as they are. A group begins where a method is behind the first of the group "
        "before by more than chance, each comparison by itself. A method that lacks a scaling stands below, in no "
        "group. Each method was tuned "
        "without labels.",
    ]


@styled
def chart(table: pd.DataFrame, title: str) -> Chart:
    """One picture for a slide: the methods with their intervals."""
    by, ordered = "mean" if "mean" in table else "place", table.iloc[::-1]
    figure = Figure(figsize=(7, 1.2 + 0.19 * len(ordered)), layout="constrained")
    ax = figure.subplots()
    y = np.arange(len(ordered))
    colours = [COLOURS[1] if name in NO_METHODS else COLOURS[0] for name in ordered["solver"]]
    if "low" in ordered:
        ax.hlines(y, ordered["low"], ordered["high"], color=colours, linewidth=1.5)
        for k, (below, above) in enumerate(pairwise(ordered["group"].fillna(0))):
            if below != above:
                ax.axhline(k + 0.5, color="0.85", linewidth=0.8)
    ax.scatter(ordered[by], y, color=colours, s=22, zorder=3)
    ax.set_yticks(y, ordered["solver"])
    ax.set_ylim(-0.7, len(ordered) - 0.3)
    ax.set_xlabel("NMI in percent, mean over scalings" if by == "mean" else "mean place, 1 is the best")
    note = "Lines: 95 % intervals by bootstrap over samples and seeds. Orange: raw data, PCA and random codes."
    captioned(figure, title, note if "low" in ordered else "Held-out error and stability; there are no labels.")
    text = f"{len(table)} methods, the first are {', '.join(table['solver'].head(3))}."
    return Chart("ranking", "Ranking", text, figure, table)
