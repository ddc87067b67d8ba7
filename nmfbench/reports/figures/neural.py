"""The figures of the Neural NMF slides: the layers of the toy hierarchy by three methods."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.papers import neural
from nmfbench.reports import heatmaps
from nmfbench.reports.figures.common import PaperFigure, Run, best_of

METHODS = {"neural": "Neural NMF", "hierarchical": "hierarchical NMF", "deep_mu": "deep NMF by MU"}


def layers(run: Run) -> list[tuple[np.ndarray, np.ndarray]]:
    """Bases A_1…A_l (m, r_l) and codes S_l (r_l, n) of each layer, the layer of most topics first.

    `deep_mu` counts its layers from the other end.
    """
    pairs = list(zip(run.fitted.bases, run.fitted.codes, strict=True))
    return pairs[::-1] if run.solver == "deep_mu" else pairs


def _rows(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    """Error of each layer's product and NMI of its codes, one row a run and layer."""
    for run in runs:
        X = run.dataset.X
        scores = {row["n_clusters"]: row["value"] for row in run.record["metrics"] if row["metric"] == "topics"}
        printed = neural.printed(run.record).get((None, None, "error"))
        pairs = layers(run)
        for l, (A, S) in enumerate(pairs, start=1):
            error = np.linalg.norm(X - A @ S) / np.linalg.norm(X)
            row = {"solver": run.solver, "layer": l, "topics": len(S), "error": error, "nmi": 100 * scores[len(S)]}
            yield row | {"paper": printed if l == len(pairs) else None}


def numbers(runs: Sequence[Run]) -> pd.DataFrame:
    """Mean and standard deviation over the seeds, a row a method and layer; the paper prints the last layer's error."""
    table = pd.DataFrame(_rows(runs)).groupby(["solver", "layer", "topics"], sort=False)
    made = table[["error", "nmi"]].agg(["mean", "std", "count"])
    made.columns = ["_".join(pair) for pair in made.columns]
    made = made.drop(columns="nmi_count").rename(columns={"error_count": "n"})
    return made.assign(paper_error=table["paper"].first()).reset_index()


def _draw(labels: str) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        shown = {name: best_of(runs, solver) for solver, name in METHODS.items()}
        drawn = {}
        for name, run in shown.items():
            rows = _rows([run])
            drawn[name] = [
                heatmaps.Layer(f"{row['topics']} topics\nerror {row['error']:.2f}, NMI {row['nmi']:.0f}", A, S)
                for row, (A, S) in zip(rows, layers(run), strict=True)
            ]
        note = (
            f"{labels}; of all seeds the one with the lowest objective. Each panel: the layer's bases (left), its "
            "codes (above) and their product, components in the order of the samples. Error: of that product. NMI: of "
            "k-means on the codes with the labels of as many topics. Deep NMF by MU stands in for Flenner and Hunter's."
        )
        title = f"Layers of the toy hierarchy (Neural NMF slides, {labels[0].lower()}{labels[1:]})"
        return heatmaps.layers(drawn, runs[0].dataset.X, title, note)

    return draw


def _shows(share: float, ranks: list[int]) -> Callable[[dict[str, Any]], bool]:
    def shows(config: dict[str, Any]) -> bool:
        own = config["solver"]["ranks"]
        return (config.get("label_fraction") or 0) == share and sorted(own, reverse=True) == ranks

    return shows


FIGURES = {
    "neural_unsupervised": PaperFigure(
        "Neural NMF, slides: the layers of the toy hierarchy without labels, 9 and 4 topics",
        ("experiment=neural_table1",),
        _draw("Without labels"),
        shows=_shows(0, [9, 4]),
        numbers=numbers,
    ),
    "neural_semisupervised": PaperFigure(
        "Neural NMF, slides: the layers of the toy hierarchy with 40 % of the labels, 9, 4 and 2 topics",
        ("experiment=neural_table1",),
        _draw("With 40 % of the labels of 2 topics"),
        shows=_shows(0.4, [9, 4, 2]),
        numbers=numbers,
    ),
}
