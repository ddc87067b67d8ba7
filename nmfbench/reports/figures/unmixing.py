"""Abundance maps and spectra of hyperspectral images: figures of the deep KL-NMF paper and of the survey."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from nmfbench.reports import curves, maps
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run, best_of
from nmfbench.reports.maps import Maps
from nmfbench.reports.materials import Layer, images, layers


def _shown(runs: Sequence[Run], solvers: Sequence[str]) -> dict[str, list[Layer]]:
    """Return solver → the layers of its run with the lowest objective."""
    data, like, shown = runs[0].dataset, None, {}
    for solver in solvers:
        shown[solver] = layers(best_of(runs, solver).fitted, data, like)
        like = shown[solvers[0]][0].abundances
    return shown


def _map_numbers(solvers: Sequence[str]) -> Callable[[Sequence[Run]], pd.DataFrame]:
    """Describe the maps in numbers: mean and largest abundance, and the root mean square error of known materials.

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
    """Draw a column for each method and a row for each layer; known true abundances form the last column."""

    def draw(runs: Sequence[Run]) -> Figure:
        data, shown = runs[0].dataset, _shown(runs, solvers)
        rows: list[list[Maps | None]] = [
            [
                Maps(f"({label}) {NAMES[solver]}, layer {l + 1}", images(of[l].abundances, data), of[l].names, 2)
                for label, (solver, of) in zip("abc", shown.items(), strict=False)
            ]
            for l in range(len(shown[solvers[0]]))
        ]
        if "A" in data.truth:
            true = Maps("truth", images(data.truth["A"], data), [*map(str, data.truth["materials"])], 2)
            rows = [[*row, true if l == 0 else None] for l, row in enumerate(rows)]
        return maps.maps(rows, f"Abundance maps of {name} ({numbers})", _note(runs, solvers), width=11)

    return draw


def _stacked(numbers: str, name: str, solvers: Sequence[str]) -> Callable[[Sequence[Run]], Figure]:
    """Draw a row for each layer, method below method; known true abundances form the first row."""

    def draw(runs: Sequence[Run]) -> Figure:
        data, rows = runs[0].dataset, []
        if "A" in data.truth:
            names = [*map(str, data.truth["materials"])]
            rows = [[Maps("truth", images(data.truth["A"], data), names, len(names))]]
        for solver, of_solver in _shown(runs, solvers).items():
            for l, layer in enumerate(of_solver, start=1):
                of_layer = images(layer.abundances, data)
                rows.append([Maps(f"{NAMES[solver]}, layer {l}", of_layer, layer.names, len(of_layer))])
        return maps.maps(rows, f"Abundance maps of {name} ({numbers})", _note(runs, solvers), width=9)

    return draw


def spectra_numbers(solvers: Sequence[str]) -> Callable[[Sequence[Run]], pd.DataFrame]:
    """Return a row for each material and band: the true spectrum, and that of each method with its angle."""

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
