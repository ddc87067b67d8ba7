"""Apply criteria for the rank of one method on one dataset: curves over the ranks, choices, a table and a figure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tabulate import tabulate

from nmfbench.evaluators import Fitted
from nmfbench.numerics import restarts
from nmfbench.records import Record
from nmfbench.reports import rank_rules
from nmfbench.reports.plots import COLOURS, captioned, styled
from nmfbench.reports.rank_rules import Choice, Recommendation

MOST_SAMPLES = 1000
"""Maximum number of evenly spaced samples in the consensus, which holds a number for each pair."""


@dataclass(frozen=True)
class Criterion:
    """A criterion for the rank: the columns of the curves that it reads, and its rule.

    Parameters
    ----------
    title: its name in tables and figures.
    axis: the label of its axis.
    columns: the columns of the curves that it reads; the first is drawn with its spread.
    choose: ranks, these columns, each (ranks,) or (ranks, splits) → choice.
    """

    title: str
    axis: str
    columns: tuple[str, ...]
    choose: Callable[..., Choice]


CRITERIA = {
    "heldout": Criterion("held-out entries", "RMSE", ("heldout",), rank_rules.one_standard_error),
    "bicross": Criterion("bi-cross-validation", "RMSE", ("bicross",), rank_rules.one_standard_error),
    "bic": Criterion("BIC", "BIC", ("bic",), rank_rules.lowest),
    "silhouette": Criterion("stability", "silhouette", ("silhouette", "silhouette_least"), rank_rules.last_stable),
    "cophenetic": Criterion("cophenetic", "correlation", ("cophenetic",), rank_rules.before_fall),
    "dispersion": Criterion("dispersion", "dispersion", ("dispersion",), rank_rules.highest),
}
"""The criteria by name, in the order of tables and figures."""
JUDGES = ("heldout", "bic", "silhouette")
"""The criteria that a recommendation follows: prediction, parsimony and stability. The others were right less often on
problems with a known rank: results/rank/planted.md."""


@dataclass(frozen=True)
class Study:
    """The results of the criteria for one method on one dataset.

    Parameters
    ----------
    curves: column → rank → its value, or its values (splits,) on all splits.
    choices: criterion → its choice, for criteria with values at two or more ranks.
    recommendation: the rank that these choices support, if there is one.
    """

    curves: Mapping[str, Mapping[int, np.ndarray]]
    choices: Mapping[str, Choice]
    recommendation: Recommendation

    @property
    def frame(self) -> pd.DataFrame:
        """A row for each rank: mean and standard deviation of each column over splits, and who chooses it."""
        columns: dict[str, dict[int, float]] = {}
        for name, curve in self.curves.items():
            columns[name] = {rank: float(np.mean(values)) for rank, values in curve.items()}
            if any(np.ndim(values) for values in curve.values()):
                columns[f"{name}_sd"] = {rank: _sd(values) for rank, values in curve.items()}
        table = pd.DataFrame(columns).rename_axis("rank").sort_index().reset_index()
        chosen = {name: [choice.rank == rank for rank in table["rank"]] for name, choice in self.choices.items()}
        recommended = table["rank"] == self.recommendation.rank
        return table.assign(**{f"{name}_chooses": marks for name, marks in chosen.items()}, recommended=recommended)


def study(
    fits: Mapping[int, Sequence[tuple[Record, Fitted]]],
    heldout: Mapping[int, Sequence[Record]],
    bicross: Mapping[int, Sequence[Record]],
) -> Study:
    """Compute the curves, choices and recommendation for one method.

    Parameters
    ----------
    fits: rank → its restarts on the whole data, scored by evaluator=information.
    heldout, bicross: rank → its runs under that evaluator; empty if the method or the data does not allow it.
    """
    curves: dict[str, dict[int, Any]] = {
        "heldout": _splits(heldout, "heldout_rmse"),
        "bicross": _splits(bicross, "bicross_rmse"),
    }
    for rank in sorted(fits):
        pairs = sorted(fits[rank], key=lambda pair: _sort_key(pair[0]))  # the clustering starts from the best restart
        for name, value in _of_restarts(pairs).items():
            if np.isfinite(value):
                curves.setdefault(name, {})[rank] = value
    choices = {
        name: choice for name, criterion in CRITERIA.items() if (choice := _choice(criterion, curves)) is not None
    }
    judges = {CRITERIA[name].title: choices[name] for name in JUDGES if name in choices}
    return Study(curves, choices, rank_rules.recommend(judges))


def _of_restarts(pairs: Sequence[tuple[Record, Fitted]]) -> dict[str, float]:
    """Compute the columns of the curves that follow from the restarts of one rank; NaN where nothing was measured."""
    records = [record for record, _ in pairs]
    measured = {
        "bic": min((v for r in records if (v := value(r, "bic")) is not None), default=np.nan),
        "error": min((v for r in records if (v := value(r, "error")) is not None), default=np.nan),
    }
    if len(pairs) < 2:
        return measured
    bases, codes = [fitted.bases[-1] for _, fitted in pairs], [fitted.codes[-1] for _, fitted in pairs]
    if bases[0].shape[1] == len(codes[0]):
        by_cluster = restarts.silhouettes(restarts.matched(bases))
        measured |= {"silhouette": by_cluster.mean(), "silhouette_least": by_cluster.min()}
        # The scale of a component may lie in either factor; here it lies in the codes.
        codes = [np.linalg.norm(W, axis=0)[:, None] * H for W, H in zip(bases, codes, strict=True)]
    n = codes[0].shape[1]
    looked_at = np.linspace(0, n - 1, min(n, MOST_SAMPLES)).round().astype(int)
    C = restarts.consensus([H[:, looked_at] for H in codes])
    return measured | {"cophenetic": restarts.cophenetic(C), "dispersion": restarts.dispersion(C)}


def _choice(criterion: Criterion, curves: Mapping[str, Mapping[int, Any]]) -> Choice | None:
    known = [curves.get(column, {}) for column in criterion.columns]
    ranks = sorted(set.intersection(*map(set, known)))
    if len(ranks) < 2:
        return None
    return criterion.choose(ranks, *(np.array([curve[rank] for rank in ranks]) for curve in known))


def _splits(records: Mapping[int, Sequence[Record]], metric: str) -> dict[int, np.ndarray]:
    """Return rank → the metric on all splits. Each seed is a split; only seeds with the metric at every rank count."""
    by_rank = {
        rank: {record["seed"]: v for record in of_rank if (v := value(record, metric)) is not None}
        for rank, of_rank in records.items()
    }
    by_rank = {rank: by_seed for rank, by_seed in by_rank.items() if by_seed}
    shared = sorted(set.intersection(*map(set, by_rank.values()))) if by_rank else []
    return {rank: np.array([by_seed[seed] for seed in shared]) for rank, by_seed in by_rank.items()} if shared else {}


def value(record: Record, metric: str) -> float | None:
    """Return the metric in the top layer of a record; None if it is missing or not finite."""
    rows = [row for row in record["metrics"] if row["metric"] == metric and row["value"] is not None]
    top = max(rows, key=lambda row: row.get("layer") or 0, default=None)
    return float(top["value"]) if top and np.isfinite(top["value"]) else None


def _sort_key(record: Record) -> tuple[float, int]:
    objective = record.get("objective")
    return (np.inf if objective is None else objective), record["seed"]


def _sd(values: Any) -> float:
    return float(np.std(values, ddof=1)) if np.size(values) > 1 else np.nan


def table(study: Study) -> str:
    """Format a row for each rank and a column for each criterion; a star marks its choice."""
    frame = study.frame
    columns = {"rank": [str(rank) for rank in frame["rank"]]}
    if "error" in frame:
        columns["error"] = [f"{v:.4f}" for v in frame["error"]]
    for name, choice in study.choices.items():
        values = frame[CRITERIA[name].columns[0]]
        form = ".0f" if name == "bic" else ".3f" if values.abs().max() <= 1 and values.abs().min() > 0.01 else ".4g"
        marks = ["*" if rank == choice.rank else " " for rank in frame["rank"]]
        columns[CRITERIA[name].title] = [
            ("–" if pd.isna(v) else format(v, form)) + mark for v, mark in zip(values, marks, strict=True)
        ]
    align = ["right"] * len(columns)
    return str(tabulate(columns, headers="keys", disable_numparse=True, colalign=align))


@styled
def figure(study: Study, title: str) -> Figure:
    """Draw a panel for each criterion: its curve, one standard deviation where it has splits, and its choice."""
    names = list(study.choices)
    columns = min(3, len(names))
    rows = -(-len(names) // columns)
    page = Figure(figsize=(3.1 * columns, 2.5 * rows + 0.9), layout="constrained")
    axes = page.subplots(rows, columns, squeeze=False)
    frame, recommended = study.frame, study.recommendation.rank
    for ax in axes.flat[len(names) :]:
        ax.axis("off")
    for ax, name in zip(axes.flat, names, strict=False):
        criterion, choice = CRITERIA[name], study.choices[name]
        if recommended is not None:
            ax.axvline(recommended, color="0.85", linewidth=6, zorder=0)
        for column, colour, dash in zip(criterion.columns, COLOURS, ("-", "--"), strict=False):
            sd = frame.get(f"{column}_sd")
            label = "least cluster" if column.endswith("_least") else "mean" if len(criterion.columns) > 1 else None
            ax.errorbar(
                frame["rank"], frame[column], sd, color=colour, linestyle=dash, marker="o", markersize=3, capsize=2,
                label=label,
            )  # fmt: skip
        if choice.rank is not None:
            at = frame.loc[frame["rank"] == choice.rank, criterion.columns[0]]
            ax.plot(choice.rank, at, "o", color=COLOURS[1], markersize=8, fillstyle="none", markeredgewidth=1.8)
        if len(criterion.columns) > 1:
            ax.legend()
        chosen = "no rank" if choice.rank is None else f"{choice.rank}{' ?' if choice.doubt else ''}"
        ax.set_title(f"{criterion.title}: {chosen}")
        ax.set(ylabel=criterion.axis, xlabel="rank")
        ax.xaxis.get_major_locator().set_params(integer=True)
    return captioned(page, title, study.recommendation.sentence)
