"""The figures of the WNNF paper."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from nmfbench.reports import plots
from nmfbench.reports.figures.common import PaperFigure, Run, best_of, images
from nmfbench.reports.plots import Tiles


def _is_wnnf_or_nmf(config: dict[str, Any]) -> bool:
    solver = config["solver"]
    return solver["name"] == "mu" or (solver["eta"], solver["curriculum"], solver["loss"]) == (0.1, 0, "l1")


def wnnf_fig2(runs: Sequence[Run]) -> Figure:
    shown = {
        "WNNF, η = 0.1, λ = 0.1": best_of(runs, "wnnf", lam=0.1),
        "WNNF, η = 0.1, λ = 0": best_of(runs, "wnnf", lam=0.0),
        "NMF": best_of(runs, "mu"),
    }
    factors = {
        method: {letter if method == "NMF" else f"φ({letter})": run.fitted.factors[letter] for letter in "WH"}
        for method, run in shown.items()
    }
    title = "Elements of the factors of the ORL faces (WNNF paper, Fig. 2)"
    note = "Rank 40, one seed. Printed for λ = 0.1: smallest φ(W) −0.008, smallest φ(H) −0.03."
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
