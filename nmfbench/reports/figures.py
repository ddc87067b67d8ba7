"""The papers' figures: which runs each one shows, and what of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.measures import hoyer
from nmfbench.numerics import hierarchies
from nmfbench.records import Record
from nmfbench.reports import plots
from nmfbench.reports.plots import Tiles
from nmfbench.running.jobs import Job, load

NAMES = {
    "deep_kl": "deep KL-NMF",
    "deep_kl_minvol": "min-vol deep KL-NMF",
    "deep_semi": "deep semi-NMF",
    "dnsnmf": "dnsNMF",
    "lc_dmf": "LC-DMF",
    "mu": "NMF",
    "multilayer_kl": "multilayer KL-NMF",
    "wnnf": "WNNF",
}


@dataclass(frozen=True)
class Run:
    """A finished run: its job, its record, and the codes and factors beside it."""

    job: Job
    record: Record
    fitted: Fitted

    @property
    def solver(self) -> str:
        return str(self.record["solver"])

    @property
    def dataset(self) -> Dataset:
        return load(self.job.loader_node)

    def setting(self, key: str) -> object:
        """A parameter of the solver; None where it has none of that name."""
        return self.job.config["solver"].get(key)


@dataclass(frozen=True)
class PaperFigure:
    what: str
    runs: tuple[str, ...]
    """What follows `nmfbench run` to make the runs it shows."""
    draw: Callable[[Sequence[Run]], Figure]
    shows: Callable[[Job], bool] = lambda job: True
    """Which of these runs it needs."""
    codes: bool = True
    """Is it drawn from codes and factors? If not, from records alone."""


def of(runs: Sequence[Run], solver: str, **settings: object) -> Run:
    """The run of that solver and those settings of it; of several, the one with the least objective."""
    fitting = [run for run in runs if run.solver == solver and all(run.setting(k) == v for k, v in settings.items())]
    return min(fitting, key=lambda run: run.record["objective"])


def features(fitted: Fitted) -> list[np.ndarray]:
    """The features (m, r_l) of each layer of a chain as the dnsNMF paper shows them: Z_1, Z_1S_1Z_2, ….

    They are the bases but for the last S, which makes the features of a layer alike. Without smoothing, every S is I.
    """
    fitted.require_bases()
    first, *others = [factor for name, factor in fitted.factors.items() if name != "H"]
    return [first, *(below @ Z for below, Z in zip(fitted.bases, others, strict=False))]


def layer_costs(X: np.ndarray, fitted: Fitted) -> np.ndarray:
    """KL(W_{l−1}, W_l H_l) of each layer (L,), W_0 = X, after the scaling H_l e = e: it is linear in W_l's."""
    fitted.require_bases()
    Ws, Hs = ([torch.from_numpy(factor)[None].double() for factor in factors] for factors in fitted.hierarchy)
    hierarchies.scale(Ws, Hs, of="H")
    return hierarchies.costs(torch.from_numpy(X), Ws, Hs, 1.0)[0].numpy()


def images(columns: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """(k, height, width) from the columns (pixels, k), pixels in row-major order."""
    return columns.T.reshape(-1, *shape)


def _is_wnnf_or_nmf(job: Job) -> bool:
    solver = job.config["solver"]
    return solver["name"] == "mu" or (solver["eta"], solver["curriculum"], solver["loss"]) == (0.1, 0, "l1")


def wnnf_fig2(runs: Sequence[Run]) -> Figure:
    shown = {
        "WNNF, η = 0.1, λ = 0.1": of(runs, "wnnf", lam=0.1),
        "WNNF, η = 0.1, λ = 0": of(runs, "wnnf", lam=0.0),
        "NMF": of(runs, "mu"),
    }
    factors = {
        method: {letter if method == "NMF" else f"φ({letter})": run.fitted.factors[letter] for letter in "WH"}
        for method, run in shown.items()
    }
    title = "Elements of the factors of the ORL faces (WNNF paper, Fig. 2)"
    note = "Rank 40, one seed. Printed for λ = 0.1: least φ(W) −0.008, least φ(H) −0.03."
    return plots.histograms(factors, title, note)


def wnnf_fig3(runs: Sequence[Run]) -> Figure:
    height, width = runs[0].dataset.shape or ()
    panels = []
    for label, name, run, s in (
        ("a", "WNNF", of(runs, "wnnf"), 1),
        ("b", "NMF", of(runs, "mu"), 1),
        ("c", "deconvolutional, s = 2", of(runs, "wnnf_deconv", stride=2), 2),
        ("d", "deconvolutional, s = 4", of(runs, "wnnf_deconv", stride=4), 4),
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


def _dnsnmf_features(solver: str, number: int) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        run = of(runs, solver)
        data, smoothed = run.dataset, solver == "dnsnmf"
        layers = features(run.fitted)
        products = ("Z₁", "Z₁S₁Z₂", "Z₁S₁Z₂S₂Z₃") if smoothed else ("Z₁", "Z₁Z₂", "Z₁Z₂Z₃")
        assert data.shape is not None
        # Without the paper's panel (a), original images: they may not be passed on.
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
        codes = of(runs, solver).fitted.codes[-1]
        codes = codes[:, _some(codes.shape[1], 20)]
        shown[f"({label}) {NAMES[solver]}"] = (codes, np.array([hoyer(h, 0) for h in codes.T]))
    title = "Representation of 20 random CBCL faces (dnsNMF paper, Fig. 5)"
    theta = of(runs, "dnsnmf").setting("theta")
    note = f"Codes of the top layer, ranks {runs[0].setting('ranks')}; θ = {theta} in dnsNMF."
    return plots.representations(shown, title, note)


def dnsnmf_fig9(runs: Sequence[Run]) -> Figure:
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
    note = (
        "10 people, 10 draws (of JAFFE all the same), rank 10 of the top layer; mean ± sd of the accuracy of k-means "
        "on the top layer. Ranks [10], [20, 10], [40, 20, 10], … and θ = 0.1: chosen here, the paper prints none."
    )
    return plots.depths(curves, "Accuracy of dnsNMF against its depth (dnsNMF paper, Fig. 9)", note)


def _deep_kl_ratios(number: int, name: str, printed: Sequence[float]) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        X = runs[0].dataset.X
        deep: dict[int, dict[int, np.ndarray]] = {}
        final: dict[int, np.ndarray] = {}
        for run in runs:
            costs, seed = layer_costs(X, run.fitted), run.record["seed"]
            if run.solver == "multilayer_kl":
                final[seed] = costs
            else:
                deep.setdefault(run.job.stopping.max_iter, {})[seed] = costs
        looks = sorted(deep)
        layers = {
            f"layer {l + 1}": np.array([[deep[look][seed][l] / final[seed][l] for look in looks] for seed in final])
            for l in range(len(printed))
        }
        given = of(runs, "deep_kl").setting("weights")
        weights = f", λ = {given}" if given else ""
        many = f"Median and range of {len(final)} runs" if len(final) > 1 else "One run"
        note = (
            f"Ranks {runs[0].setting('ranks')}{weights}. {many}; deep KL-NMF starts from 500 iterations of "
            f"multilayer KL-NMF, against 1,000 iterations of it. Errors KL(W$_{{l−1}}$, W$_l$H$_l$) "
            "after the scaling H$_l$e = e."
        )
        title = f"Error of each layer on {name} (deep KL-NMF paper, Fig. {number})"
        return plots.ratios(looks, layers, dict(zip(layers, printed, strict=True)), title, note)

    return draw


def deep_kl_fig3(runs: Sequence[Run]) -> Figure:
    shown = [of(runs, solver) for solver in ("multilayer_kl", "deep_kl")]
    rows = [
        [Tiles(f"{NAMES[run.solver]}, layer {l}", images(run.fitted.codes[l - 1].T, (19, 19)), 10) for run in shown]
        for l in (1, 2, 3)
    ]
    note = (
        f"Ranks {shown[0].setting('ranks')}, one seed, the same start for both methods: rows of H$_l$…H$_1$, in their "
        "order, each from 0 (white) to its largest entry (black)."
    )
    return plots.tiles(rows, "Features of the CBCL faces (deep KL-NMF paper, Fig. 3)", note, width=8)


def _abundances(numbers: str, name: str) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        height, width = map(int, runs[0].dataset.truth["grid"])
        shown = [of(runs, solver) for solver in ("deep_kl_minvol", "lc_dmf", "multilayer_kl")]
        rows = []
        for layer in (1, 2):
            first = shown[0].fitted.codes[layer - 1]
            rows.append(
                [
                    # Pixels lie column by column.
                    Tiles(
                        f"({label}) {NAMES[run.solver]}, layer {layer}",
                        images(aligned(run.fitted.codes[layer - 1], first).T, (width, height)).transpose(0, 2, 1),
                        2,
                    )
                    for label, run in zip("abc", shown, strict=True)
                ]
            )
        note = "Each map from 0 to its largest entry; the order of the maps follows (a)."
        title = f"Abundance maps of {name} (deep KL-NMF paper, Figs. {numbers})"
        return plots.tiles(rows, title, note, width=9, cmap="viridis", scale="share of the map's largest entry")

    return draw


def aligned(codes: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The rows in the order in which they correlate best with those of ``like``."""
    r = len(codes)
    return codes[linear_sum_assignment(np.corrcoef(like, codes)[:r, r:], maximize=True)[1]]


_CBCL, _TDT2 = "experiment=deep_kl_cbcl", "experiment=deep_kl_tdt2"
_UNMIXED = "experiment=hyperspectral dataset={} solver=deep_kl_minvol,lc_dmf,multilayer_kl"
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
        shows=lambda job: job.config["solver"].get("latent") != "raw",  # the same factors
    ),
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
        "dnsNMF, Fig. 9: accuracy against depth", ("experiment=dnsnmf_depth",), dnsnmf_fig9, codes=False
    ),
    # Printed at the end: Table 2 of the paper, and its Sec. 4.2.
    "deep_kl_fig2": PaperFigure(
        "deep KL-NMF, Fig. 2: error of each layer against iterations, CBCL",
        (_CBCL,),
        _deep_kl_ratios(2, "the CBCL faces", (1.083, 0.268, 0.044)),
    ),
    "deep_kl_fig3": PaperFigure(
        "deep KL-NMF, Fig. 3: facial features of three layers",
        (f"{_CBCL} seeds=1",),
        deep_kl_fig3,
        shows=lambda job: job.config["solver"]["name"] == "multilayer_kl" or job.stopping.max_iter == 500,
    ),
    "deep_kl_fig4": PaperFigure(
        "deep KL-NMF, Fig. 4: error of each layer against iterations, TDT2",
        (_TDT2,),
        _deep_kl_ratios(4, "TDT2", (1.075, 0.30, 0.22)),
    ),
    "deep_kl_fig6_7": PaperFigure(
        "deep KL-NMF, Figs. 6 and 7: abundance maps of Moffett Field",
        (_UNMIXED.format("moffett"),),
        _abundances("6 and 7", "Moffett Field"),
    ),
    "deep_kl_fig8_9": PaperFigure(
        "deep KL-NMF, Figs. 8 and 9: abundance maps of the tumour",
        (_UNMIXED.format("tumor"),),
        _abundances("8 and 9", "the tumour"),
    ),
    "deep_kl_fig10_11": PaperFigure(
        "deep KL-NMF, Figs. 10 and 11: abundance maps of Samson",
        (_UNMIXED.format("samson"),),
        _abundances("10 and 11", "Samson"),
    ),
}
