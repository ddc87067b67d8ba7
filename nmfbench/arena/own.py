"""The arena on a user's own data: methods under several scalings, sorted, in groups that chance cannot separate."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.arena.page import grid
from nmfbench.arena.protocol import CONTROLS, Protocol
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


def board(scores: pd.DataFrame, cells: dict[tuple[str, str], Cell], protocol: Protocol) -> pd.DataFrame:
    """Return the methods, the best first, with a column for each scaling, their mean, and the other measures.

    With labels, methods are sorted by NMI; low and high bound the mean, and group numbers the `groups` from the top.
    Without labels, they are sorted by their mean place in held-out error, stability and seconds.
    """
    tuned = scores[(scores["row"] == "tuned") & (scores["solver"] != "labels")]
    means = tuned.groupby("solver")[list(_MEASURED)].mean()
    if scores["nmi"].isna().all():
        signs = {"heldout": 1, "stability": -1, "seconds": 1}
        places = pd.DataFrame({key: (sign * means[key]).rank(na_option="bottom") for key, sign in signs.items()})
        return means.assign(place=places.mean(axis=1)).sort_values("place").reset_index()
    values = matrix(tuned, "tuned").T
    table = values.assign(mean=values.mean(axis=1)).join(means)
    table = table.dropna(subset="mean").sort_values("mean", ascending=False)
    drawn = bootstrap(cells, protocol)
    bounds = {name: np.percentile(draws, [2.5, 97.5]) for name, draws in drawn.items()}
    table["low"] = [bounds[name][0] if name in bounds else np.nan for name in table.index]
    table["high"] = [bounds[name][1] if name in bounds else np.nan for name in table.index]
    table["group"] = groups(list(table.index), drawn)
    return table.reset_index()


def groups(order: Sequence[str], drawn: dict[str, np.ndarray]) -> list[int | None]:
    """Number the groups of methods, 1 for the best.

    A method that is behind the first of a group beyond chance opens the next group.
    ``drawn``: method → its scores in each round of the bootstrap; a method without scores has no group.
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


def bootstrap(cells: dict[tuple[str, str], Cell], protocol: Protocol) -> dict[str, np.ndarray]:
    """Bootstrap the NMI of each tuned method over samples and seeds: method → percent (rounds,), mean over scalings.

    A round draws samples and seeds with replacement, the same for all methods; clusters stay as they are.
    """
    rng, by_method = np.random.default_rng(0), dict[str, list[np.ndarray]]()
    drawn: dict[int, np.ndarray] = {}
    seeds = rng.integers(protocol.seeds, size=(ROUNDS, protocol.seeds))
    for cell in cells.values():
        trial = cell.chosen(protocol, protocol.criterion)
        if trial is None or not {*protocol.scored_seeds} <= {*trial.arena}:
            continue
        rows = [last_layer(trial.arena[seed], "silhouette") for seed in protocol.scored_seeds]
        if "classes" not in rows[0]:
            continue
        y = np.asarray(rows[0]["classes"])
        if len(y) not in drawn:
            drawn[len(y)] = rng.multinomial(len(y), np.full(len(y), 1 / len(y)), size=ROUNDS)
        by_seed = np.stack([_nmi(y, np.asarray(row["clusters"]), drawn[len(y)]) for row in rows])  # (seeds, rounds)
        by_method.setdefault(cell.solver, []).append(by_seed[seeds, np.arange(ROUNDS)[:, None]].mean(1))
    return {name: 100 * np.mean(of_scalings, axis=0) for name, of_scalings in by_method.items()}


def _nmi(y: np.ndarray, clusters: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the NMI (arithmetic normaliser) of a clustering (n,) for each row of sample weights (rounds, n)."""
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
    """Build the report on a user's own data from its `board`; ``absent`` says what did not run."""
    scalings = [task.name for task in protocol.tasks]
    columns = {"solver": ("method", "")}
    if "group" in table:
        columns |= {"group": ("group", "d"), **{name: (name, ".1f") for name in scalings}, "mean": ("NMI", ".1f")}
        columns |= {"low": ("from", ".1f"), "high": ("to", ".1f")}
    columns |= _MEASURED
    return Report(
        [Block(_heading(records), [grid(table, columns)], [], [*_sentences(table), *absent])],
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
            "There are no labels. Methods are sorted by the mean of their places in held-out error, stability and "
            "seconds. Held-out: error on hidden entries, in percent of that of each feature's mean. Stability: "
            "adjusted Rand index between the clusters of two seeds."
        ]
    means = table.set_index("solver")["mean"]
    controls = means[means.index.isin(CONTROLS)]
    first = list(table.loc[table["group"] == 1, "solver"])
    ahead = [name for name in first if name not in CONTROLS and means[name] > controls.max()]
    return [
        f"The first group, whose methods do not differ beyond chance: {', '.join(first)}.",
        f"Lines to beat: {', '.join(f'{name} {nmi:.1f}' for name, nmi in controls.items())}. Of the first group, "
        f"{', '.join(ahead) or 'no method'} is above them.",
        "NMI in percent for each scaling, and their mean. From, to: 95 % intervals, by bootstrap over the samples and "
        "the seeds. A group begins where a method is behind the first of the previous group beyond chance. Each "
        "method was tuned without labels.",
    ]


@styled
def chart(table: pd.DataFrame, title: str) -> Chart:
    """Draw the methods with their intervals, as one picture for a slide."""
    by = "mean" if "mean" in table else "place"
    ordered = table.sort_values(by, ascending=by == "mean")
    figure = Figure(figsize=(7, 1.2 + 0.19 * len(ordered)), layout="constrained")
    ax = figure.subplots()
    y = np.arange(len(ordered))
    colours = [COLOURS[1] if name in (*CONTROLS, "random") else COLOURS[0] for name in ordered["solver"]]
    if "low" in ordered:
        ax.hlines(y, ordered["low"], ordered["high"], color=colours, linewidth=1.5)
        for k, (below, above) in enumerate(pairwise(ordered["group"])):
            if below != above:
                ax.axhline(k + 0.5, color="0.85", linewidth=0.8)
    ax.scatter(ordered[by], y, color=colours, s=22, zorder=3)
    ax.set_yticks(y, ordered["solver"])
    ax.set_ylim(-0.7, len(ordered) - 0.3)
    ax.set_xlabel("NMI in percent, mean over scalings" if by == "mean" else "mean place, 1 is the best")
    note = "Lines: 95 % intervals by bootstrap over samples and seeds. Orange: raw data, PCA and random codes."
    captioned(
        figure, title, note if "low" in ordered else "Held-out error, stability and seconds; there are no labels."
    )
    text = f"{len(table)} methods, the first are {', '.join(table['solver'].head(3))}."
    return Chart("ranking", "Ranking", text, figure, table)
