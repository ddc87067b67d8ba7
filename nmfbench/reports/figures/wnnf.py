"""The figures of the WNNF paper."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.papers import rules
from nmfbench.reports import plots
from nmfbench.reports.figures.common import PaperFigure, Run, best_of, images
from nmfbench.reports.plots import Tiles

_PRINTED = {row["factor"]: float(row["minimum"]) for row in rules.rows("wnnf_fig2")}


def _is_wnnf_or_nmf(config: dict[str, Any]) -> bool:
    solver = config["solver"]
    return solver["name"] == "mu" or (solver["eta"], solver["curriculum"], solver["loss"]) == (0.1, 0, "l1")


def _shown_in_fig2(runs: Sequence[Run]) -> dict[str, Run]:
    return {
        "WNNF, η = 0.1, λ = 0.1": best_of(runs, "wnnf", lam=0.1),
        "WNNF, η = 0.1, λ = 0": best_of(runs, "wnnf", lam=0.0),
        "NMF": best_of(runs, "mu"),
    }


def minima(runs: Sequence[Run]) -> pd.DataFrame:
    """Smallest entry and share of negative entries of each factor; the paper prints the minima for λ = 0.1."""
    rows = []
    for method, run in _shown_in_fig2(runs).items():
        for letter in "WH":
            factor = run.fitted.factors[letter]
            paper = _PRINTED[letter] if run.solver == "wnnf" and run.setting("lam") == 0.1 else None
            row = {
                "method": method,
                "factor": letter,
                "minimum": factor.min(),
                "negative_fraction": (factor < 0).mean(),
            }
            rows.append(row | {"paper": paper})
    return pd.DataFrame(rows)


def wnnf_fig2(runs: Sequence[Run]) -> Figure:
    factors = {
        method: {letter if method == "NMF" else f"φ({letter})": run.fitted.factors[letter] for letter in "WH"}
        for method, run in _shown_in_fig2(runs).items()
    }
    title = "Elements of the factors of the ORL faces (WNNF paper, Fig. 2)"
    printed = ", ".join(f"smallest φ({letter}) {_PRINTED[letter]}".replace("-", "−") for letter in "WH")
    note = f"Rank 40, one seed. Printed for λ = 0.1: {printed}."
    return plots.histograms(factors, title, note)


def wnnf_fig3(runs: Sequence[Run]) -> Figure:
    height, width = runs[0].dataset.shape or ()
    panels = []
    for label, name, run, s in (
        ("a", "WNNF", best_of(runs, "wnnf"), 1),
        ("b", "NMF", best_of(runs, "mu"), 1),
        ("c", "deconvolutional, s = 2", best_of(runs, "wnnf_deconv", stride=2), 2),
        ("d", "deconvolutional, s = 4", best_of(runs, "wnnf_deconv", stride=4), 4),
    ):
        W, H = run.fitted.factors["W"], run.fitted.factors["H"]
        size = np.linalg.norm(W, axis=0) * np.linalg.norm(H.reshape(W.shape[1], -1), axis=1)
        largest = np.sort(np.argsort(-size, kind="stable")[:20])
        shape = (-(-height // s), -(-width // s))
        panels.append(Tiles(f"({label}) {name} ({shape[0]}×{shape[1]})", images(W[:, largest], shape), 4))
    note = (
        "Rank 40, one seed: the 20 bases with the largest ‖w‖‖h‖, each from 0 (white) to its largest entry (black). "
        "Resolution in parentheses."
    )
    return plots.tiles([panels], "Bases learnt from the ORL faces (WNNF paper, Fig. 3)", note, width=11)


FIGURES = {
    "wnnf_fig2": PaperFigure(
        "WNNF, Fig. 2: histograms of the elements of the factors",
        ("experiment=wnnf_table2 solver=wnnf seeds=1", "experiment=wnnf_table3a dataset=orl solver=mu seeds=1"),
        wnnf_fig2,
        shows=_is_wnnf_or_nmf,
        numbers=minima,
    ),
    "wnnf_fig3": PaperFigure(
        "WNNF, Fig. 3: the bases as images, deconvolutional ones too",
        (
            "experiment=wnnf_table3a dataset=orl solver=wnnf,mu seeds=1",
            "experiment=wnnf_table4 solver=wnnf_deconv seeds=1",
        ),
        wnnf_fig3,
        shows=lambda config: config["solver"].get("latent") != "raw",  # the same factors
    ),
}
