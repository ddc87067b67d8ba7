"""The papers' figures, drawn from what their runs saved. Knows records and codes, and runs nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from nmfbench.datasets.base import Dataset
from nmfbench.errors import DataMissing
from nmfbench.evaluators import Fitted
from nmfbench.evaluators.topics import bases
from nmfbench.results import Record

matplotlib.use("Agg")
STYLE: Any = {"font.size": 8, "axes.titlesize": 8, "pdf.fonttype": 42, "savefig.dpi": 200, "image.cmap": "gray_r"}
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"]  # Okabe & Ito: told apart without red and green


@dataclass(frozen=True)
class Run:
    """One finished run: its record, and how to get at its data and at what it left of its factors."""

    record: Record
    load: Callable[[], Dataset]
    load_fitted: Callable[[], Fitted]
    """Raises DataMissing where nothing was kept."""

    @property
    def solver(self) -> dict[str, Any]:
        return self.record["config"]["solver"]

    def is_of(self, dataset: str, solver: str, **parameters: Any) -> bool:
        """Is it of that dataset and solver, with these parameters of the solver?"""
        there = (self.record["dataset"], self.record["solver"]) == (dataset, solver)
        return there and all(self.solver.get(key) == value for key, value in parameters.items())


@dataclass(frozen=True)
class Plot:
    """A figure: what it shows, the experiments that it is drawn from, and the function that draws it."""

    title: str
    experiments: tuple[str, ...]
    draw: Callable[[Sequence[Run]], Figure]


def save(figure: Figure, path: Path) -> list[Path]:
    """Write path.png and path.pdf, the same bytes for the same figure."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path.with_suffix(".png"), metadata={"Software": None})
        figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None, "Producer": None, "Creator": None})
    return [path.with_suffix(".png"), path.with_suffix(".pdf")]


def tiles(images: np.ndarray, columns: int) -> np.ndarray:
    """(n, height, width) as one image, ``columns`` a row, each from 0 to its own maximum, with a line between them."""
    n, height, width = images.shape
    top = np.abs(images).max(axis=(1, 2), keepdims=True)
    scaled = np.divide(images, top, out=np.zeros(images.shape), where=top > 0)
    rows = -(-n // columns)
    whole = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for i, image in enumerate(scaled):
        y, x = i // columns * (height + 1), i % columns * (width + 1)
        whole[y : y + height, x : x + width] = image
    return whole


def _pictures(panels: Sequence[tuple[str, np.ndarray]], columns: int, each: int, width: float = 7.0) -> Figure:
    """Panels of tiles, ``columns`` panels a row and ``each`` tiles a row of a panel. Negative entries are orange."""
    rows = -(-len(panels) // columns)
    shown = [tiles(images, each) for _, images in panels]
    ratios = [max(i.shape[0] / i.shape[1] for i in shown[r * columns : (r + 1) * columns]) for r in range(rows)]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, width / columns * sum(ratios) + 0.3 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, height_ratios=ratios).ravel()
        for axis, (title, _), image in zip(axes, panels, shown, strict=False):
            signed = np.nanmin(image) < 0
            axis.imshow(image, cmap="PuOr_r" if signed else "gray_r", vmin=-1 if signed else 0, vmax=1)
            axis.set_title(title)
        for axis in axes:
            axis.set_axis_off()
    return figure


def _one(runs: Sequence[Run], dataset: str, solver: str, **parameters: Any) -> Run:
    """The first seed of that run."""
    found = next((run for run in runs if run.is_of(dataset, solver, **parameters)), None)
    if found is None:
        raise DataMissing(f"no run of {solver} on {dataset} is there")
    return found


def wnnf_histograms(runs: Sequence[Run]) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        axes = figure.subplots(2, 2, sharey="row")
        for row, lam in zip(axes, (0.1, 0.0), strict=True):
            factors = _one(runs, "orl", "wnnf", lam=lam, eta=0.1, loss="l1").load_fitted().factors
            for axis, name in zip(row, ("W", "H"), strict=True):
                values = factors[name].ravel()
                axis.hist(values, bins=80, log=True, color=COLOURS[0])
                axis.axvline(0, color="black", linewidth=0.6)
                axis.set_title(f"φ({name}), η = 0.1, λ = {lam:g}: least entry {values.min():.3g}")
        axes[0, 0].set_ylabel("entries")
        axes[1, 0].set_ylabel("entries")
    return figure


def wnnf_factors(runs: Sequence[Run]) -> Figure:
    panels = []
    shown: dict[str, tuple[str, dict[str, Any]]]
    shown = {"WNNF": ("wnnf", {"lam": 0.1, "eta": 0.1, "loss": "l1"}), "NMF": ("mu", {"beta": 2.0})}
    shown |= {f"deconvolutional, s = {s}": ("wnnf_deconv", {"latent": "sum", "stride": s}) for s in (2, 4)}
    for letter, (title, (solver, parameters)) in zip("abcd", shown.items(), strict=True):
        run = _one(runs, "orl", solver, **parameters)
        s, shape = parameters.get("stride", 1), run.load().shape or ()
        height, width = (-(-side // s) for side in shape)
        W = run.load_fitted().factors["W"].reshape(height, width, -1)
        strongest = np.argsort(-np.linalg.norm(W, axis=(0, 1)), kind="stable")[:16]
        panels.append((f"({letter}) {title} ({height} × {width})", W[..., strongest].transpose(2, 0, 1)))
    return _pictures(panels, columns=2, each=8)


def _cbcl_features(solver: str) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        run = _one(runs, "cbcl", solver)
        faces = run.load().X[:, :36].reshape(19, 19, -1)
        panels = [("faces", faces.transpose(2, 0, 1))]
        Ws = [factor for name, factor in run.load_fitted().factors.items() if name[0] in "WZ"]
        product = np.eye(361)
        for l, W in enumerate(Ws, start=1):
            product = product @ W
            name = "".join(f"Z{i}" for i in range(1, l + 1))
            panels.append((f"layer {l}: {name}", product[:, :36].reshape(19, 19, -1).transpose(2, 0, 1)))
        return _pictures(panels, columns=4, each=6)

    return draw


def cbcl_codes(runs: Sequence[Run]) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7, 3.6), layout="constrained")
        for axis, solver in zip(figure.subplots(1, 2), ("dnsnmf", "deep_semi"), strict=True):
            codes = _one(runs, "cbcl", solver).load_fitted().codes
            H = codes[-1][:, np.random.default_rng(0).permutation(codes[-1].shape[1])[:20]]
            axis.imshow(H / np.abs(H).max(0), aspect="auto", vmin=0, vmax=1)
            axis.set(title=f"{solver}: {np.mean(1e-3 * H.max(0) > H):.0%} of the entries are zero", xlabel="face")
            axis.set_ylabel(f"row of H{len(codes)}")
    return figure


def depth_curve(runs: Sequence[Run]) -> Figure:
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.5, 3), layout="constrained")
        axis = figure.subplots()
        for colour, dataset in zip(COLOURS, dict.fromkeys(run.record["dataset"] for run in runs), strict=False):
            by_depth: dict[int, list[float]] = {}
            for run in runs:
                if run.record["dataset"] == dataset:
                    depth = len(run.solver["ranks"])
                    by_depth.setdefault(depth, []).append(100 * _value(run.record, "accuracy", depth))
            depths = sorted(by_depth)
            means, sds = ([f(by_depth[d]) for d in depths] for f in (np.mean, lambda v: np.std(v, ddof=1)))
            axis.errorbar(depths, means, sds, color=colour, marker="o", capsize=3, label=dataset)
        axis.set(xlabel="layers", ylabel="accuracy (%), 10 classes, mean ± sd", xticks=depths)
        axis.legend()
    return figure


def _value(record: Record, metric: str, layer: int) -> float:
    return next(row["value"] for row in record["metrics"] if (row["metric"], row.get("layer")) == (metric, layer))


def _error_curves(dataset: str) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        deep = [run.record for run in runs if run.is_of(dataset, "deep_kl")]
        final = {run.record["seed"]: run.record for run in runs if run.is_of(dataset, "multilayer_kl")}
        with matplotlib.rc_context(STYLE):
            figure = Figure(figsize=(4.5, 3), layout="constrained")
            axis = figure.subplots()
            for layer, colour in enumerate(COLOURS[: len(deep[0]["config"]["solver"]["ranks"])], start=1):
                ratios: dict[int, list[float]] = {}
                for record in deep:
                    divisor = _value(final[record["seed"]], "layer_error", layer)
                    sweeps = record["config"]["stopping"]["max_iter"]
                    ratios.setdefault(sweeps, []).append(_value(record, "layer_error", layer) / divisor)
                sweeps = sorted(ratios)
                medians = [np.median(ratios[s]) for s in sweeps]
                axis.plot(sweeps, medians, marker="o", markersize=3, color=colour, label=f"layer {layer}")
            axis.axhline(1, color="black", linewidth=0.6)
            axis.set(xlabel="sweeps of deep KL-NMF", ylabel="error / multilayer KL-NMF's", yscale="log")
            axis.set_title(f"{dataset}: median over {len(final)} seed{'s' if len(final) > 1 else ''}")
            axis.legend()
        return figure

    return draw


def facial_features(runs: Sequence[Run]) -> Figure:
    panels = []
    for solver in ("multilayer_kl", "deep_kl"):
        of_solver = [run for run in runs if run.is_of("cbcl", solver)]
        codes = max(of_solver, key=lambda run: run.record["config"]["stopping"]["max_iter"]).load_fitted().codes
        panels += [(f"{solver}, layer {l}", H[:20].reshape(-1, 19, 19)) for l, H in enumerate(codes, start=1)]
    return _pictures(panels, columns=3, each=5)


def _abundances(dataset: str) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        panels = []
        solvers = ("deep_kl_minvol", "lc_dmf", "multilayer_kl")
        for layer in (0, -1):
            for solver in solvers:
                run = _one(runs, dataset, solver)
                fitted, (height, width) = run.load_fitted(), run.load().truth["grid"]
                maps = fitted.codes[layer] * bases(fitted)[layer].sum(0)[:, None]
                # The files number the pixels of an image column by column.
                maps = maps.reshape(-1, width, height).transpose(0, 2, 1)
                panels.append((f"{solver}, layer {len(fitted.codes) if layer else 1}", maps))
        most = max(len(images) for _, images in panels)
        return _pictures(panels, columns=len(solvers), each=-(-most // 2))

    return draw


PLOTS = {
    "wnnf_fig2": Plot("WNNF paper, Fig. 2: histograms of the factors' entries", ("wnnf_table2",), wnnf_histograms),
    "wnnf_fig3": Plot("WNNF paper, Fig. 3: learnt factors", ("wnnf_table3a", "wnnf_table4"), wnnf_factors),
    "dnsnmf_fig3": Plot("dnsNMF paper, Fig. 3: its features on CBCL", ("figures_cbcl",), _cbcl_features("dnsnmf")),
    "dnsnmf_fig4": Plot(
        "dnsNMF paper, Fig. 4: features of deep semi-NMF on CBCL", ("figures_cbcl",), _cbcl_features("deep_semi")
    ),
    "dnsnmf_fig5": Plot("dnsNMF paper, Fig. 5: codes of 20 faces", ("figures_cbcl",), cbcl_codes),
    "dnsnmf_fig9": Plot("dnsNMF paper, Fig. 9: accuracy against depth", ("figures_depth",), depth_curve),
    "deep_kl_fig2": Plot(
        "Deep KL-NMF paper, Fig. 2: error of each layer, CBCL", ("figures_deep_kl",), _error_curves("cbcl")
    ),
    "deep_kl_fig3": Plot("Deep KL-NMF paper, Fig. 3: facial features", ("figures_deep_kl",), facial_features),
    "deep_kl_fig4": Plot(
        "Deep KL-NMF paper, Fig. 4: error of each layer, TDT2", ("figures_deep_kl",), _error_curves("tdt2")
    ),
    "deep_kl_fig6_7": Plot(
        "Deep KL-NMF paper, Figs. 6 and 7: abundance maps of Moffett", ("hyperspectral",), _abundances("moffett")
    ),
    "deep_kl_fig8_9": Plot(
        "Deep KL-NMF paper, Figs. 8 and 9: abundance maps of Tumor", ("hyperspectral",), _abundances("tumor")
    ),
    "deep_kl_fig10_11": Plot(
        "Deep KL-NMF paper, Figs. 10 and 11: abundance maps of Samson", ("hyperspectral",), _abundances("samson")
    ),
}
