"""Draw the curves of the truth track: planted factors under noise, and data under corruption."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.progress import plural
from nmfbench.reports import plots
from nmfbench.reports.blocks import corruption
from nmfbench.reports.figures.common import PaperFigure, Run

RECOVERED = {"cosine_W": "cosine to the true bases", "error_WH": "error of WH to the truth"}
SCORES = {"nmi": "NMI", "error_clean": "error to the clean data"}
METHODS = {"mu": "mu, β = {beta:g}", "robust": "robust, {loss}"}


def recovered(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row for each method, dataset, noise, draw and metric."""
    return pd.DataFrame(
        common | {"dataset": run.record["dataset"], "noise": run.record["config"]["dataset"]["noise"]} | values
        for run in runs
        for common, values in _measured(run, RECOVERED)
    )


def corrupted(runs: Sequence[Run]) -> pd.DataFrame:
    """Return a row for each method, dataset, corruption, level, seed and metric; clean data is level 0 of all kinds."""
    kinds = list(dict.fromkeys(kind for run in runs if (kind := corruption(run.record).get("kind"))))
    rows = []
    for run in runs:
        node = corruption(run.record)
        for common, values in _measured(run, SCORES):
            # An uncorrupted run is level 0 of every kind, so it appears once for each.
            for kind in [node["kind"]] if node else kinds:
                at = {"dataset": run.record["dataset"], "corruption": kind, "level": node.get("level", 0.0)}
                rows.append(common | at | values)
    return pd.DataFrame(rows)


def _measured(run: Run, metrics: Iterable[str]) -> list[tuple[dict[str, object], dict[str, object]]]:
    method = METHODS.get(run.solver, run.solver).format(loss=run.setting("loss"), beta=run.setting("beta"))
    common = {"method": method, "seed": run.record["seed"]}
    values = {row["metric"]: row["value"] for row in run.record["metrics"]}
    values.setdefault("error_clean", values["error"])
    return [(common, {"metric": name, "value": values[name]}) for name in metrics]


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Average the runs of each point: mean, standard deviation and number."""
    keys = [column for column in table.columns if column not in ("seed", "value")]
    grouped = table.groupby(keys, sort=False)["value"]
    return grouped.agg(mean="mean", sd="std", n="count").reset_index()


def _curves(table: pd.DataFrame, x: str) -> dict[str, np.ndarray]:
    """Return method → values (runs, values of x)."""
    parts = table.groupby("method", sort=False)
    return {str(method): part.pivot(index="seed", columns=x, values="value").to_numpy() for method, part in parts}


def truth(runs: Sequence[Run]) -> Figure:
    table = recovered(runs)
    panels = {
        (RECOVERED[str(metric)], str(dataset)): _curves(part, "noise")
        for (metric, dataset), part in table.groupby(["metric", "dataset"], sort=False)
    }
    note = (
        "150 samples of 6 components, fitted with 6; mean ± standard deviation over "
        f"{plural(table['seed'].nunique(), 'draw')} of the data. Bases are matched one to one."
    )
    noise = sorted(table["noise"].unique())
    return plots.sweeps(panels, noise, "norm of the noise over that of WH", "Recovery of planted factors", note)


def robustness(runs: Sequence[Run]) -> Figure:
    table = corrupted(runs)
    panels = {
        (f"{dataset}: {SCORES[str(metric)]}", str(kind)): _curves(part, "level")
        for (dataset, metric, kind), part in table.groupby(["dataset", "metric", "corruption"], sort=False)
    }
    note = (
        f"Mean ± standard deviation over {plural(table['seed'].nunique(), 'seed')}; as many components as classes, at "
        "most 300 iterations, 100 of wnnf on digits. Level: share of entries, pixels or samples; gaussian: norm "
        "of the noise over that of X."
    )
    levels = sorted(table["level"].unique())
    return plots.sweeps(panels, levels, "level of corruption", "Robust losses under corruption", note)


FIGURES = {
    "truth": PaperFigure(
        "planted problems: which methods recover the factors, and how near WH comes to the truth",
        ("experiment=truth",),
        truth,
        shows=lambda config: config["solver"]["rank"] == 6,
        codes=False,
        numbers=lambda runs: _numbers(recovered(runs)),
    ),
    "corruption": PaperFigure(
        "corrupted data: do robust losses keep the clusters and the clean data?",
        ("experiment=corruption",),
        robustness,
        shows=lambda config: (
            config["solver"]["name"] != "hals"
        ),  # mu already shows squares, by the same steps as robust
        codes=False,
        numbers=lambda runs: _numbers(corrupted(runs)),
    ),
}
