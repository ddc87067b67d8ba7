"""The figures of the deep KL-NMF paper, but for its abundance maps, which `unmixing` draws."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from nmfbench.evaluators.base import Fitted
from nmfbench.numerics import hierarchies
from nmfbench.numerics.problem import Problem
from nmfbench.papers import rules
from nmfbench.reports import plots
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run, best_of, images
from nmfbench.reports.plots import Tiles


def layer_costs(X: np.ndarray, fitted: Fitted) -> np.ndarray:
    """KL(W_{l−1}, W_l H_l) of each layer (L,), W_0 = X. Factors are scaled to H_l e = e first: errors scale with W."""
    fitted.require_bases()
    Ws, Hs = ([torch.from_numpy(factor)[None].double() for factor in factors] for factors in fitted.hierarchy)
    hierarchies.scale(Ws, Hs, of="H")
    return hierarchies.costs(Problem(torch.from_numpy(X).double()), Ws, Hs, 1.0)[0].numpy()


def error_ratios(runs: Sequence[Run]) -> tuple[list[int], dict[int, np.ndarray]]:
    """Iterations (I,), and layer → errors (seeds, I) of deep KL-NMF over the final one of multilayer KL-NMF."""
    X = runs[0].dataset.X
    deep: dict[int, dict[int, np.ndarray]] = {}
    final: dict[int, np.ndarray] = {}
    for run in runs:
        costs, seed = layer_costs(X, run.fitted), run.record["seed"]
        if run.solver == "multilayer_kl":
            final[seed] = costs
        else:
            deep.setdefault(run.record["config"]["stopping"]["max_iter"], {})[seed] = costs
    iterations = sorted(deep)
    ratios = np.array([[deep[i][seed] / final[seed] for i in iterations] for seed in final])
    return iterations, {l + 1: ratios[..., l] for l in range(ratios.shape[2])}


def _ratio_numbers(printed: Mapping[int, float]) -> Callable[[Sequence[Run]], pd.DataFrame]:
    """A table of those ratios in percent, with the printed one at the last iteration."""

    def numbers(runs: Sequence[Run]) -> pd.DataFrame:
        iterations, ratios = error_ratios(runs)
        rows = []
        for layer, of_seed in ratios.items():
            for i, ratio in zip(iterations, 100 * of_seed.T, strict=True):
                row = {"layer": layer, "iteration": i, "median": np.median(ratio), "low": ratio.min()}
                row |= {"high": ratio.max(), "n": len(ratio)}
                rows.append(row | {"paper": printed[layer] if i == iterations[-1] else None})
        return pd.DataFrame(rows)

    return numbers


def _deep_kl_ratios(number: int, name: str, printed: Mapping[int, float]) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        iterations, ratios = error_ratios(runs)
        layers = {f"layer {layer}": of_seed for layer, of_seed in ratios.items()}
        ends = {f"layer {layer}": percent / 100 for layer, percent in printed.items()}
        n_runs = len(ratios[1])
        lam = best_of(runs, "deep_kl").setting("weights")
        weights = f", λ = {lam}" if lam else ""
        many = f"Median and range of {n_runs} runs" if n_runs > 1 else "One run"
        note = (
            f"Ranks {runs[0].setting('ranks')}{weights}. {many}; deep KL-NMF starts from 500 iterations of "
            f"multilayer KL-NMF, against 1,000 iterations of it. Errors KL(W$_{{l−1}}$, W$_l$H$_l$) "
            "after the scaling H$_l$e = e."
        )
        title = f"Error of each layer on {name} (deep KL-NMF paper, Fig. {number})"
        return plots.ratios(iterations, layers, ends, title, note)

    return draw


def deep_kl_fig3(runs: Sequence[Run]) -> Figure:
    shown = [best_of(runs, solver) for solver in ("multilayer_kl", "deep_kl")]
    rows = [
        [Tiles(f"{NAMES[run.solver]}, layer {l}", images(run.fitted.codes[l - 1].T, (19, 19)), 10) for run in shown]
        for l in (1, 2, 3)
    ]
    note = (
        f"Ranks {shown[0].setting('ranks')}, one seed, the same start for both methods: rows of H$_l$…H$_1$, in their "
        "order, each from 0 (white) to its largest entry (black)."
    )
    return plots.tiles(rows, "Features of the CBCL faces (deep KL-NMF paper, Fig. 3)", note, width=8)


_CBCL, _TDT2 = "experiment=deep_kl_cbcl", "experiment=deep_kl_tdt2"
_PRINTED = {
    table: {int(row["layer"]): float(row["error_deep_over_multilayer_percent"]) for row in rules.rows(table)}
    for table in ("deep_kl_table2", "deep_kl_fig4")
}
FIGURES = {
    "deep_kl_fig2": PaperFigure(
        "deep KL-NMF, Fig. 2: error of each layer against iterations, CBCL",
        (_CBCL,),
        _deep_kl_ratios(2, "the CBCL faces", _PRINTED["deep_kl_table2"]),
        numbers=_ratio_numbers(_PRINTED["deep_kl_table2"]),
    ),
    "deep_kl_fig3": PaperFigure(
        "deep KL-NMF, Fig. 3: facial features of three layers",
        (f"{_CBCL} seeds=1",),
        deep_kl_fig3,
        shows=lambda config: config["solver"]["name"] == "multilayer_kl" or config["stopping"]["max_iter"] == 500,
    ),
    "deep_kl_fig4": PaperFigure(
        "deep KL-NMF, Fig. 4: error of each layer against iterations, TDT2",
        (_TDT2,),
        _deep_kl_ratios(4, "TDT2", _PRINTED["deep_kl_fig4"]),
        numbers=_ratio_numbers(_PRINTED["deep_kl_fig4"]),
    ),
}
