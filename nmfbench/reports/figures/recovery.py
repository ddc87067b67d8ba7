"""Figures of planted factors: how well methods recover them."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.progress import plural
from nmfbench.reports import plots
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run

ROWS = {"cosine_W": "cosine to the true bases", "cosine_H": "cosine to the true codes"}
LOSSES = {"layers": "layer-centric", "data": "data-centric"}


def recovered(runs: Sequence[Run]) -> pd.DataFrame:
    """A row a method, loss, noise, draw, layer and metric. The authors print none of these numbers."""
    rows = []
    for run in runs:
        volume = f", min-vol α = {run.setting('alpha')}" if any(run.setting("alpha") or []) else ""
        common = {"method": NAMES[run.solver] + volume, "loss": LOSSES[run.setting("loss")]}
        common |= {"noise": run.record["config"]["dataset"]["noise"], "seed": run.record["seed"]}
        rows += [
            common | {"layer": row["layer"], "metric": row["metric"], "value": row["value"]}
            for row in run.record["metrics"]
            if row["metric"] in ROWS
        ]
    return pd.DataFrame(rows)


def recovery_numbers(runs: Sequence[Run]) -> pd.DataFrame:
    """Mean and standard deviation over the draws of what the figure shows."""
    keys = ["method", "loss", "noise", "layer", "metric"]
    grouped = recovered(runs).groupby(keys, sort=False)["value"]
    return grouped.agg(mean="mean", sd="std", n="count").reset_index()


def deep_loss(runs: Sequence[Run]) -> Figure:
    table = recovered(runs)
    panels: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for (metric, method), part in table.groupby(["metric", "method"], sort=False):
        curves = {
            f"{loss}, layer {layer}": curve.pivot(index="seed", columns="noise", values="value").to_numpy()
            for (layer, loss), curve in part.groupby(["layer", "loss"], sort=False)
        }
        panels[ROWS[str(metric)], str(method)] = curves
    note = (
        "W$_2$ (50 × 3), H$_2$ (3 × 6) and H$_1$ (6 × 200) of dataset planted_deep; mean ± standard deviation over "
        f"{plural(table['seed'].nunique(), 'draw')} of them. For each draw both losses start from the same factors."
    )
    title = "Recovery of planted factors by the layer-centric and the data-centric loss"
    x = sorted(table["noise"].unique())
    return plots.sweeps(panels, x, "norm of the noise over that of X", title, note)


FIGURES = {
    "deep_loss": PaperFigure(
        "deep KL-NMF, Sec. 2.2: does the layer-centric loss identify better than the data-centric one?",
        ("experiment=deep_loss",),
        deep_loss,
        codes=False,
        numbers=recovery_numbers,
    ),
}
