"""Abundance maps and spectra of hyperspectral images: figures of the deep KL-NMF paper and of the survey."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.topics import shares
from nmfbench.evaluators.unmixing import abundances, spectral_angles
from nmfbench.reports import curves, maps
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run, best_of
from nmfbench.reports.maps import Maps


@dataclass(frozen=True)
class Layer:
    """The components of a layer as materials, in the order in which they are shown.

    Parameters
    ----------
    bases: (m, r), each scaled to maximum 1.
    abundances: (r, n), which sum to one in each pixel.
    names: the material of each, or the materials of the first layer that it merges.
    angles: (r,), degrees between each and the true spectrum that is matched with it; NaN: with none.
    """

    bases: np.ndarray
    abundances: np.ndarray
    names: list[str]
    angles: np.ndarray


def layers(fitted: Fitted, data: Dataset, like: np.ndarray | None = None) -> list[Layer]:
    """All layers, components in the order of the materials, those of an upper layer in that of what they merge.

    In the first layer, each known material names the basis that is matched with it, at the smallest sum of angles; a
    basis that is left has the name of the nearest material and a number. Without known materials, components are
    numbered, in the order in which they correlate best with the abundances ``like``. A component goes to the one above
    that has the largest share of it.
    """
    fitted.require_bases()
    W, H = (np.asarray(factor[0], np.float64) for factor in (fitted.bases, fitted.codes))
    angles = np.full(len(H), np.nan)
    if "M" in data.truth:
        between = spectral_angles(data.truth["M"], W)
        matched, bases = linear_sum_assignment(between)
        nearest = between.argmin(0)
        nearest[bases], angles[bases] = matched, between[matched, bases]
        order = np.lexsort((np.isnan(angles), nearest))
        names = numbered([str(data.truth["materials"][k]) for k in nearest[order]])
    else:
        order = np.arange(len(H)) if like is None else matching(abundances(W, H), like)
        names = [str(k) for k in range(1, len(H) + 1)]
    shown = [_layer(W, H, order, names, angles)]
    for W, H, share in zip(fitted.bases[1:], fitted.codes[1:], shares(fitted), strict=True):
        parent = share.argmax(0)[order]  # of each component below, as they are shown
        merged = [np.flatnonzero(parent == k) for k in range(len(H))]
        order = np.array(sorted(range(len(H)), key=lambda k: merged[k][0] if len(merged[k]) else len(parent)))
        names = [" + ".join(names[i] for i in merged[k]) or "–" for k in order]
        shown.append(
            _layer(np.asarray(W, np.float64), np.asarray(H, np.float64), order, names, np.full(len(H), np.nan))
        )
    return shown


def _layer(W: np.ndarray, H: np.ndarray, order: np.ndarray, names: list[str], angles: np.ndarray) -> Layer:
    largest = W.max(0)
    scaled = W / np.where(largest > 0, largest, 1)
    return Layer(scaled[:, order], abundances(W, H)[order], names, angles[order])


def numbered(names: Sequence[str]) -> list[str]:
    """The names; the second of one name has a 2 behind it, and so on."""
    return [name if (n := names[: i + 1].count(name)) == 1 else f"{name} {n}" for i, name in enumerate(names)]


def matching(codes: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The order in which the rows of ``codes`` correlate best with those of ``like``."""
    r = len(codes)
    return np.asarray(linear_sum_assignment(np.corrcoef(like, codes)[:r, r:], maximize=True)[1])


def _shown(runs: Sequence[Run], solvers: Sequence[str]) -> dict[str, list[Layer]]:
    """Solver → the layers of its run with the lowest objective."""
    data, like, shown = runs[0].dataset, None, {}
    for solver in solvers:
        shown[solver] = layers(best_of(runs, solver).fitted, data, like)
        like = shown[solvers[0]][0].abundances
    return shown


def _map_numbers(solvers: Sequence[str]) -> Callable[[Sequence[Run]], pd.DataFrame]:
    """The maps in numbers: mean and largest abundance of each, and the root mean square error of known materials.

    `Unmixing` takes that error after the matched components alone are scaled to sum to one; maps show all components.
    """

    def numbers(runs: Sequence[Run]) -> pd.DataFrame:
        truth, rows = runs[0].dataset.truth, []
        known = dict(zip(map(str, truth.get("materials", [])), truth.get("A", []), strict=True))
        for solver, of_solver in _shown(runs, solvers).items():
            for l, layer in enumerate(of_solver, start=1):
                for name, A, angle in zip(layer.names, layer.abundances, layer.angles, strict=True):
                    rmse = np.sqrt(np.mean((A - known[name]) ** 2)) if name in known and l == 1 else np.nan
                    row = {"solver": solver, "layer": l, "material": name, "mean": A.mean(), "largest": A.max()}
                    rows.append(row | {"rmse": rmse, "angle": angle})
        return pd.DataFrame(rows)

    return numbers


def _images(A: np.ndarray, data: Dataset) -> np.ndarray:
    """(k, height, width) from abundances (k, n), whose pixels are stored column by column."""
    height, width = map(int, data.truth["grid"])
    return A.reshape(-1, width, height).transpose(0, 2, 1)


def _note(runs: Sequence[Run], solvers: Sequence[str]) -> str:
    named = (
        "Components of layer 1 are named by the true spectrum that is matched with them, an upper one by those it takes"
        if "M" in runs[0].dataset.truth
        else "Components are numbered in the order of the first method, an upper one has the numbers of those it takes"
    )
    return f"Abundances sum to one in each pixel. {named}. {_seeds(runs, solvers)}"


def _seeds(runs: Sequence[Run], solvers: Sequence[str]) -> str:
    counts = {solver: sum(run.solver == solver for run in runs) for solver in solvers}
    best = [f"{NAMES[s]} {best_of(runs, s).record['seed']} (of {n})" for s, n in counts.items()]
    return f"Seeds with the lowest objective: {', '.join(best)}."


def _side_by_side(numbers: str, name: str, solvers: Sequence[str]) -> Callable[[Sequence[Run]], Figure]:
    """A column a method, a row a layer; the true abundances, where they are known, in a last column."""

    def draw(runs: Sequence[Run]) -> Figure:
        data, shown = runs[0].dataset, _shown(runs, solvers)
        rows: list[list[Maps | None]] = [
            [
                Maps(f"({label}) {NAMES[solver]}, layer {l + 1}", _images(of[l].abundances, data), of[l].names, 2)
                for label, (solver, of) in zip("abc", shown.items(), strict=False)
            ]
            for l in range(len(shown[solvers[0]]))
        ]
        if "A" in data.truth:
            true = Maps("truth", _images(data.truth["A"], data), [*map(str, data.truth["materials"])], 2)
            rows = [[*row, true if l == 0 else None] for l, row in enumerate(rows)]
        return maps.maps(rows, f"Abundance maps of {name} ({numbers})", _note(runs, solvers), width=11)

    return draw


def _stacked(numbers: str, name: str, solvers: Sequence[str]) -> Callable[[Sequence[Run]], Figure]:
    """A row a layer, one method below the other; the true abundances, where they are known, in a first row."""

    def draw(runs: Sequence[Run]) -> Figure:
        data, rows = runs[0].dataset, []
        if "A" in data.truth:
            true = _images(data.truth["A"], data)
            rows = [[Maps("truth", true, [*map(str, data.truth["materials"])], len(true))]]
        for solver, of_solver in _shown(runs, solvers).items():
            for l, layer in enumerate(of_solver, start=1):
                images = _images(layer.abundances, data)
                rows.append([Maps(f"{NAMES[solver]}, layer {l}", images, layer.names, len(images))])
        return maps.maps(rows, f"Abundance maps of {name} ({numbers})", _note(runs, solvers), width=9)

    return draw


def spectra_numbers(solvers: Sequence[str]) -> Callable[[Sequence[Run]], pd.DataFrame]:
    """A row a material and band: the true spectrum, and that of each method with its angle."""

    def numbers(runs: Sequence[Run]) -> pd.DataFrame:
        truth = runs[0].dataset.truth
        table = pd.DataFrame(
            {
                "material": np.repeat(truth["materials"], len(truth["M"])),
                "band": np.tile(np.arange(1, len(truth["M"]) + 1), len(truth["materials"])),
                "true": (truth["M"] / truth["M"].max(0)).T.ravel(),
            }
        )
        for solver, (first, *_) in _shown(runs, solvers).items():
            known = [first.names.index(str(material)) for material in truth["materials"]]
            table[solver] = first.bases[:, known].T.ravel()
            table[f"{solver}_angle"] = np.repeat(first.angles[known], len(truth["M"]))
        return table

    return numbers


def _spectra_against_truth(numbers: str, name: str, solvers: Sequence[str]) -> Callable[[Sequence[Run]], Figure]:
    def draw(runs: Sequence[Run]) -> Figure:
        materials = {}
        for material, rows in spectra_numbers(solvers)(runs).groupby("material", sort=False):
            estimates = {f"{NAMES[s]}, {rows[f'{s}_angle'].iloc[0]:.1f}°": rows[s].to_numpy() for s in solvers}
            materials[str(material)] = rows["true"].to_numpy(), estimates
        bands = np.arange(1, len(rows) + 1)
        note = (
            "First layer; each material is matched with one basis, at the smallest sum of spectral angles (in the "
            f"legend). Spectra have a maximum of 1. {_seeds(runs, solvers)}"
        )
        return curves.spectra(bands, materials, f"Spectra of {name} against the truth ({numbers})", note)

    return draw


_METHODS = ("deep_kl_minvol", "lc_dmf", "multilayer_kl")
_UNMIXED = f"experiment=hyperspectral dataset={{}} solver={','.join(_METHODS)}"
_DEEP = ("deep_onmf", "deep_kl_minvol")
FIGURES = {
    **{
        f"deep_kl_fig{figures}": PaperFigure(
            f"deep KL-NMF, Figs. {figures.replace('_', ' and ')}: abundance maps of {name}",
            (_UNMIXED.format(dataset),),
            _side_by_side(f"deep KL-NMF paper, Figs. {figures.replace('_', ' and ')}", name, _METHODS),
            numbers=_map_numbers(_METHODS),
        )
        for figures, dataset, name in (
            ("6_7", "moffett", "Moffett Field"),
            ("8_9", "tumor", "the tumour"),
            ("10_11", "samson", "Samson"),
        )
    },
    "samson_spectra": PaperFigure(
        "survey, Fig. 6, for Samson: spectra against the truth",
        (_UNMIXED.format("samson"),),
        _spectra_against_truth("as the survey's Fig. 6", "Samson", _METHODS),
        numbers=spectra_numbers(_METHODS),
    ),
    "urban_synthetic_maps": PaperFigure(
        "survey, Fig. 5, and deep KL-NMF, Fig. 1, for a seeded mixture of Urban's size: abundance maps",
        ("experiment=urban_synthetic",),
        _stacked("as the survey's Fig. 5 and deep KL-NMF's Fig. 1", "a seeded mixture of Urban's size", _DEEP),
        numbers=_map_numbers(_DEEP),
    ),
    "urban_synthetic_spectra": PaperFigure(
        "survey, Fig. 6, for a seeded mixture of Urban's size: spectra against the truth",
        ("experiment=urban_synthetic",),
        _spectra_against_truth("as the survey's Fig. 6", "a seeded mixture of Urban's size", _DEEP),
        numbers=spectra_numbers(_DEEP),
    ),
    "survey_fig5": PaperFigure(
        "survey, Fig. 5: abundance maps of Urban by deep ONMF; your own Urban.mat",
        ("experiment=urban solver=deep_onmf",),
        _stacked("survey, Fig. 5", "Urban", _DEEP[:1]),
        numbers=_map_numbers(_DEEP[:1]),
    ),
    "deep_kl_fig1": PaperFigure(
        "deep KL-NMF, Fig. 1: abundance maps of Urban; your own Urban.mat",
        ("experiment=urban solver=deep_kl_minvol",),
        _stacked("deep KL-NMF paper, Fig. 1", "Urban", _DEEP[1:]),
        numbers=_map_numbers(_DEEP[1:]),
    ),
}
