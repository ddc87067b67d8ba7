"""The figures of the dnsNMF paper."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.measures import hoyer
from nmfbench.progress import plural
from nmfbench.reports import curves, plots
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run, TableFigure, best_of, images
from nmfbench.reports.plots import Tiles

PEOPLE = {"orl32": "ORL", "jaffe": "JAFFE", "yale": "Yale"}
"""Dataset → its name in the paper."""
METHODS = ("dnsnmf", "deep_semi", "nsnmf", "gnmf", "mu")
METRICS = {"accuracy": "accuracy in percent", "nmi_max": "NMI in percent"}


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


def _accuracies(runs: Sequence[Run]) -> dict[str, tuple[str, list[list[float]]]]:
    """Dataset → its name in the paper, and the accuracies (fractions) of all draws at depth 1, 2, …."""
    datasets: dict[str, tuple[str, list[list[float]]]] = {}
    for run in runs:
        layers, dataset = run.setting("ranks"), run.record["dataset"]
        assert isinstance(layers, list)
        (accuracy,) = [
            row["value"]
            for row in run.record["metrics"]
            if row["metric"] == "accuracy" and row["n_clusters"] == 10 and row["layer"] == len(layers)
        ]
        _, of_depth = datasets.setdefault(dataset, (PEOPLE[dataset], [[] for _ in range(5)]))
        of_depth[len(layers) - 1].append(accuracy)
    return datasets


def depth_numbers(runs: Sequence[Run]) -> pd.DataFrame:
    """Mean and standard deviation of the accuracy in percent by dataset and depth. The paper prints a curve alone."""
    rows = []
    for dataset, (name, of_depth) in _accuracies(runs).items():
        over = _repetitions(runs, dataset)
        for depth, accuracies in enumerate(of_depth, start=1):
            values = 100 * pd.Series(accuracies)
            row = {"dataset": name, "layers": depth, "mean": values.mean(), "sd": values.std(), "n": len(values)}
            rows.append(row | {"over": over})
    return pd.DataFrame(rows)


def dnsnmf_fig9(runs: Sequence[Run]) -> Figure:
    lines = {f"{name}, ± sd over {_repetitions(runs, key)}": of for key, (name, of) in _accuracies(runs).items()}
    note = (
        "10 people, rank 10 of the top layer; accuracy of k-means on the top layer. All draws from 10 people are one "
        "set: its bars are over k-means alone. Ranks [10], [20, 10], [40, 20, 10], … and θ = 0.1: chosen here, the "
        "paper prints none."
    )
    return plots.depths(lines, "Accuracy of dnsNMF against its depth (dnsNMF paper, Fig. 9)", note)


def _repetitions(runs: Sequence[Run], dataset: str) -> str:
    """The repetitions on this dataset: draws of people, or seeds on one set of them."""
    own = [run.record for run in runs if run.record["dataset"] == dataset]
    sets = len({record["config"]["dataset"]["sha256"] for record in own})
    seeds = len({record["seed"] for record in own})
    return f"{plural(seeds, 'seed')}, one set of people" if sets == 1 else f"{plural(sets, 'draw')} of people"


def _of_classes(dataset: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """The rows of the paper's methods on this dataset, each with the one setting that the table chose for it."""

    def numbers(table: pd.DataFrame) -> pd.DataFrame:
        fair = table["block"].fillna("") == ""
        shown = table["metric"].isin([*METRICS]) & table["solver"].isin(METHODS)
        columns = ["solver", "variant", "n_clusters", "metric", "mean", "sd", "n", "paper", "difference"]
        return table.loc[fair & shown & (table["dataset"] == dataset), columns].reset_index(drop=True)

    return numbers


def _against_classes(number: int, dataset: str, people: int) -> Callable[[pd.DataFrame, str], Figure]:
    def draw(numbers: pd.DataFrame, source: str) -> Figure:
        rows = {
            title: {
                NAMES[solver]: numbers[(numbers["metric"] == metric) & (numbers["solver"] == solver)]
                for solver in METHODS
            }
            for metric, title in METRICS.items()
        }
        name, n = PEOPLE[dataset], plural(int(numbers["n"].max()), "draw")
        one_set = f" With {people} people all draws are one set, and the band is over starts alone."
        note = (
            "As many clusters and codes as people; NMI over the larger entropy. Each method has the setting that did "
            f"best on other draws.{one_set if people == numbers['n_clusters'].max() else ''} {source}"
        )
        title = f"Accuracy and NMI against the number of people, {name} (dnsNMF paper, Fig. {number})"
        return curves.beside_printed(rows, "n_clusters", "people", f"{n} of people", title, note)

    return draw


FIGURES: dict[str, PaperFigure | TableFigure] = {
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
    **{
        f"dnsnmf_fig{number}": TableFigure(
            f"dnsNMF, Fig. {number}: accuracy and NMI against the number of people, {PEOPLE[dataset]}",
            "dnsnmf_tables",
            _against_classes(number, dataset, people),
            _of_classes(dataset),
        )
        for number, dataset, people in ((6, "orl32", 40), (7, "jaffe", 10), (8, "yale", 15))
    },
    "dnsnmf_fig9": PaperFigure(
        "dnsNMF, Fig. 9: accuracy against depth",
        ("experiment=dnsnmf_depth",),
        dnsnmf_fig9,
        codes=False,
        numbers=depth_numbers,
    ),
}
