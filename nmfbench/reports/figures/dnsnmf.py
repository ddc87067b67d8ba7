"""The figures of the dnsNMF paper."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.measures import hoyer
from nmfbench.progress import plural
from nmfbench.reports import plots
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run, best_of, images
from nmfbench.reports.plots import Tiles


def features(fitted: Fitted) -> list[np.ndarray]:
    """The features (m, r_l) of each layer of a chain as the dnsNMF paper shows them: Z_1, Z_1S_1Z_2, ….

    Each is the layer's bases without the last S, which makes features alike. Without smoothing, every S is I.
    """
    fitted.require_bases()
    first, *others = [factor for name, factor in fitted.factors.items() if name != "H"]
    return [first, *(below @ Z for below, Z in zip(fitted.bases, others, strict=False))]


def _dnsnmf_features(solver: str, number: int) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        run = best_of(runs, solver)
        data, smoothed = run.dataset, solver == "dnsnmf"
        layers = features(run.fitted)
        products = ("Z₁", "Z₁S₁Z₂", "Z₁S₁Z₂S₂Z₃") if smoothed else ("Z₁", "Z₁Z₂", "Z₁Z₂Z₃")
        assert data.shape is not None
        # The paper's panel (a) shows original images, which may not be redistributed.
        panels = []
        for label, product, W in zip("bcd", products, layers, strict=True):
            side = round(W.shape[1] ** 0.5)
            panels.append(Tiles(f"({label}) {product}: {W.shape[1]}", images(W, data.shape), side, not smoothed))
        scale = "0 (white) to its largest entry (black)"
        scale = scale if smoothed else "minus (blue) to plus (red) its largest absolute entry, 0 white"
        theta = f" and θ = {run.setting('theta')}" if smoothed else ""
        note = f"Ranks {run.setting('ranks')}{theta}, chosen here: the paper prints none. Each feature from {scale}."
        title = f"Features of the CBCL faces by {NAMES[solver]} (dnsNMF paper, Fig. {number})"
        return plots.tiles([panels], title, note, width=11)

    return draw


def _some(n: int, k: int) -> np.ndarray:
    """k of n samples, the same at every call."""
    return np.sort(np.random.default_rng(0).choice(n, k, replace=False))


def dnsnmf_fig5(runs: Sequence[Run]) -> Figure:
    shown = {}
    for label, solver in zip("ab", ("dnsnmf", "deep_semi"), strict=True):
        codes = best_of(runs, solver).fitted.codes[-1]
        codes = codes[:, _some(codes.shape[1], 20)]
        shown[f"({label}) {NAMES[solver]}"] = (codes, np.array([hoyer(h, 0) for h in codes.T]))
    title = "Representation of 20 random CBCL faces (dnsNMF paper, Fig. 5)"
    theta = best_of(runs, "dnsnmf").setting("theta")
    note = f"Codes of the top layer, ranks {runs[0].setting('ranks')}; θ = {theta} in dnsNMF."
    return plots.representations(shown, title, note)


def _accuracies(runs: Sequence[Run]) -> dict[str, list[list[float]]]:
    """Dataset → the accuracies (fractions) of all draws at depth 1, 2, …."""
    curves: dict[str, list[list[float]]] = {}
    for run in runs:
        layers = run.setting("ranks")
        assert isinstance(layers, list)
        name = {"orl32": "ORL", "jaffe": "JAFFE", "yale": "Yale"}[run.record["dataset"]]
        (accuracy,) = [
            row["value"]
            for row in run.record["metrics"]
            if row["metric"] == "accuracy" and row["n_clusters"] == 10 and row["layer"] == len(layers)
        ]
        of_depth = curves.setdefault(name, [[] for _ in range(5)])
        of_depth[len(layers) - 1].append(accuracy)
    return curves


def depth_numbers(runs: Sequence[Run]) -> pd.DataFrame:
    """Mean and standard deviation of the accuracy in percent by dataset and depth. The paper prints a curve alone."""
    columns = {
        (dataset, depth): 100 * pd.Series(accuracies)
        for dataset, of_depth in _accuracies(runs).items()
        for depth, accuracies in enumerate(of_depth, start=1)
    }
    rows = [
        {"dataset": dataset, "layers": depth, "mean": values.mean(), "sd": values.std(), "n": len(values)}
        for (dataset, depth), values in columns.items()
    ]
    return pd.DataFrame(rows)


def dnsnmf_fig9(runs: Sequence[Run]) -> Figure:
    curves = _accuracies(runs)
    n_draws = max(len(accuracies) for depths in curves.values() for accuracies in depths)
    note = (
        f"10 people, {plural(n_draws, 'draw')} (of JAFFE all the same), rank 10 of the top layer; mean ± sd of the "
        "accuracy of k-means on the top layer. Ranks [10], [20, 10], [40, 20, 10], … and θ = 0.1: chosen here, the "
        "paper prints none."
    )
    return plots.depths(curves, "Accuracy of dnsNMF against its depth (dnsNMF paper, Fig. 9)", note)


FIGURES = {
    "dnsnmf_fig3": PaperFigure(
        "dnsNMF, Fig. 3: features of three layers, by dnsNMF",
        ("experiment=dnsnmf_cbcl solver=dnsnmf",),
        _dnsnmf_features("dnsnmf", 3),
    ),
    "dnsnmf_fig4": PaperFigure(
        "dnsNMF, Fig. 4: features of three layers, by deep semi-NMF",
        ("experiment=dnsnmf_cbcl solver=deep_semi",),
        _dnsnmf_features("deep_semi", 4),
    ),
    "dnsnmf_fig5": PaperFigure(
        "dnsNMF, Fig. 5: sparseness of the representations", ("experiment=dnsnmf_cbcl",), dnsnmf_fig5
    ),
    "dnsnmf_fig9": PaperFigure(
        "dnsNMF, Fig. 9: accuracy against depth",
        ("experiment=dnsnmf_depth",),
        dnsnmf_fig9,
        codes=False,
        numbers=depth_numbers,
    ),
}
