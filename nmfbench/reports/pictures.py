"""Pictures of what one run found: its bases, its codes sorted by class, its clusters against the classes."""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.clustering import Clustering
from nmfbench.records import Record
from nmfbench.reports import curves, materials, plots
from nmfbench.reports.charts import Chart
from nmfbench.reports.maps import Maps
from nmfbench.reports.maps import maps as draw_maps
from nmfbench.reports.words import parts

MOST_TILES, MOST_SPECTRA, MOST_MAPS, WORDS = 100, 12, 24, 10
"""Maximum number of components on a page of images, curves and maps, and of words for each component."""
MOST_COLUMNS = 6
"""Maps side by side."""


def bases(record: Record, fitted: Fitted, data: Dataset) -> Chart | None:
    """Draw the bases of the top layer: images for image data, top words where features have names, else curves.

    For a hyperspectral image, draw the spectra of the first layer's materials, with the true ones if they are known.
    """
    if not fitted.bases:
        return None
    if data.scene is not None:
        return _spectra(record, fitted, data)
    W, title = fitted.bases[-1], _title(record, "bases")
    numbers = pd.DataFrame(W, columns=[f"component {k}" for k in range(W.shape[1])])
    numbers.insert(0, "feature", data.feature_names or range(len(W)))
    if data.shape and int(np.prod(data.shape)) == len(W):
        images, shown = W.T.reshape(-1, *data.shape)[:MOST_TILES], min(MOST_TILES, W.shape[1])
        columns = int(np.ceil(np.sqrt(1.5 * shown)))
        signed = bool((W < 0).any())
        panel = plots.Tiles(f"{shown} of {W.shape[1]} components", images, columns, signed=signed)
        figure = plots.tiles([[panel]], _wrapped(title, 7), "Each image is scaled to its own largest entry.", width=7)
    elif data.feature_names:
        figure = _words(W, data.feature_names, title)
    else:
        figure = _curves(W, title)
    return Chart(
        _name(record, "bases"), title, f"{title}: {W.shape[1]} components of {len(W)} features.", figure, numbers
    )


def _spectra(record: Record, fitted: Fitted, data: Dataset) -> Chart:
    """Draw the spectrum of each component of the first layer, in a panel with the true spectrum matched with it."""
    first, *_ = materials.layers(fitted, data)
    title, M = _title(record, "spectra"), data.truth.get("M")
    known = {} if M is None else dict(zip(map(str, data.truth["materials"]), (M / M.max(0)).T, strict=True))
    panels, numbers = {}, pd.DataFrame({"band": range(1, len(first.bases) + 1)})
    for name, spectrum, angle in zip(first.names, first.bases.T, first.angles, strict=True):
        label = record["solver"] if np.isnan(angle) else f"{record['solver']}, {angle:.1f}°"
        numbers[name] = spectrum
        if name in known:
            numbers[f"{name}, true"] = known[name]
        panels[name] = known.get(name), {label: spectrum}
    note = "Spectra have a maximum of 1." + (
        f" The first {MOST_SPECTRA} are shown." if len(panels) > MOST_SPECTRA else ""
    )
    note += " Each true spectrum is matched with one component; the legend has their angle." if known else ""
    shown = dict(list(panels.items())[:MOST_SPECTRA])
    figure = curves.spectra(numbers["band"].to_numpy(), shown, _wrapped(title, 3.5 * min(3, len(shown))), note)
    return Chart(_name(record, "bases"), title, f"{title}: {', '.join(first.names)}.", figure, numbers)


def maps(record: Record, fitted: Fitted, data: Dataset) -> Chart | None:
    """Draw abundance maps of a hyperspectral image: every component of every layer, and the truth if it is known."""
    if data.scene is None or not fitted.bases:
        return None
    if (fitted.codes[-1] < 0).any():
        return _signed_maps(record, fitted.codes[-1], data, data.scene)
    title, shown = _title(record, "abundance maps"), materials.layers(fitted, data)
    panels = {
        f"layer {l}" if len(shown) > 1 else record["solver"]: (of.abundances, of.names) for l, of in enumerate(shown, 1)
    }
    if "A" in data.truth:
        panels = {"truth": (data.truth["A"], [*map(str, data.truth["materials"])])} | panels
    columns = min(MOST_COLUMNS, max(len(names) for _, names in panels.values()))
    rows = [
        [Maps(name, materials.images(A[:MOST_MAPS], data), names[:MOST_MAPS], columns)]
        for name, (A, names) in panels.items()
    ]
    note = "Abundances sum to one in each pixel." + (
        " Components are named by the true spectrum that is matched with them." if "M" in data.truth else ""
    )
    width = max(4.5, 1.5 * columns + 1)
    figure = draw_maps(rows, _wrapped(title, width), note, width=width)
    of_each = {
        f"{name}: {material}": a for name, (A, names) in panels.items() for material, a in zip(names, A, strict=True)
    }
    numbers = _by_pixel(of_each, data.scene)
    return Chart(_name(record, "maps"), title, f"{title}: {', '.join(shown[0].names)}.", figure, numbers)


def _signed_maps(record: Record, H: np.ndarray, data: Dataset, scene: np.ndarray) -> Chart:
    """Draw codes of either sign as images; they are not abundances."""
    title, columns = _title(record, "maps of the codes"), min(MOST_COLUMNS, len(H))
    panel = plots.Tiles("top layer", np.nan_to_num(materials.images(H, data))[:MOST_MAPS], columns, signed=True)
    width = max(4.5, 1.5 * columns + 1)
    note = "Each map is scaled to its own largest entry; blue is below zero."
    figure = plots.tiles([[panel]], _wrapped(title, width), note, width=width)
    numbers = _by_pixel({f"component {k}": codes for k, codes in enumerate(H)}, scene)
    return Chart(_name(record, "maps"), title, f"{title}: {len(H)} components.", figure, numbers)


def _by_pixel(maps: Mapping[str, np.ndarray], scene: np.ndarray) -> pd.DataFrame:
    """Return a row for each pixel and a column for each map."""
    row, column = np.nonzero(scene >= 0)
    return pd.DataFrame(
        {"row": row, "column": column} | {name: values[scene[row, column]] for name, values in maps.items()}
    )


@plots.styled
def _words(W: np.ndarray, names: Sequence[str], title: str) -> Figure:
    """Draw the words with the largest weights in each component, the heaviest first."""
    shown = min(MOST_SPECTRA, W.shape[1])
    figure = Figure(figsize=(1.3 * min(shown, 6), 0.125 * (WORDS + 2) * -(-shown // 6) + 0.4), layout="constrained")
    axes = figure.subplots(-(-shown // 6), min(shown, 6), squeeze=False)
    for k, ax in enumerate(axes.flat):
        ax.axis("off")
        if k < shown:
            top = np.argsort(-W[:, k], kind="stable")[:WORDS]
            ax.text(0, 1, "\n".join([f"component {k}", "", *(names[j] for j in top)]), va="top", fontsize=7)
    figure.suptitle(_wrapped(title, figure.get_figwidth()))
    return figure


@plots.styled
def _curves(W: np.ndarray, title: str) -> Figure:
    """Draw each component as a curve over the features, divided by its largest entry."""
    shown = min(MOST_SPECTRA, W.shape[1])
    figure = Figure(figsize=(7, 0.7 * shown + 0.8), layout="constrained")
    axes = figure.subplots(shown, 1, sharex=True, squeeze=False)[:, 0]
    for k, ax in enumerate(axes):
        largest = np.abs(W[:, k]).max()
        ax.plot(W[:, k] / (largest or 1), color=plots.COLOURS[0])
        ax.set_ylabel(f"{k}", rotation=0)
        ax.set_yticks([])
    axes[-1].set_xlabel("feature")
    figure.suptitle(_wrapped(title, figure.get_figwidth()))
    return figure


@plots.styled
def codes(record: Record, fitted: Fitted, data: Dataset) -> Chart:
    """Draw the codes of the top layer as a heat map, with samples and components sorted by class."""
    H, title = fitted.codes[-1], _title(record, "codes")
    labels = data.y if data.y is not None else H.argmax(0)
    classes, of_sample = np.unique(labels, return_inverse=True)
    by_class = np.stack([H[:, of_sample == c].mean(1) for c in range(len(classes))], 1)
    samples, components = np.argsort(of_sample, kind="stable"), np.argsort(by_class.argmax(1), kind="stable")
    shown = np.abs(H[components][:, samples])
    largest = shown.max(1, keepdims=True)
    figure = Figure(figsize=(8, 0.6 + min(5.0, 0.12 * len(H) + 1.2)), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(shown / np.where(largest > 0, largest, 1), cmap="gray_r", aspect="auto", interpolation="nearest")
    for edge in np.cumsum(np.bincount(of_sample))[:-1]:
        ax.axvline(edge - 0.5, color=plots.COLOURS[1], linewidth=0.6)
    kind = "class" if data.y is not None else "largest component"
    ax.set(xlabel=f"samples, sorted by {kind}", ylabel="component", yticks=range(len(H)), yticklabels=components)
    ax.tick_params("y", labelsize=max(3, 8 - len(H) // 10))
    figure.colorbar(image, ax=ax, label="share of the\ncomponent's largest", pad=0.01)
    figure.suptitle(_wrapped(title, figure.get_figwidth()))
    numbers = pd.DataFrame(H[:, samples].T, columns=[f"component {k}" for k in range(len(H))])
    numbers.insert(0, "sample", samples)
    numbers.insert(1, kind, np.asarray(labels)[samples])
    text = f"{title}, samples sorted by {kind}, components by the {kind} in which their mean is largest."
    return Chart(_name(record, "codes"), title, text, figure, numbers)


@plots.styled
def confusion(record: Record, fitted: Fitted, data: Dataset) -> Chart | None:
    """Draw how many samples of each class are in each cluster of k-means on the top layer's codes."""
    if data.y is None:
        return None
    classes, of_sample = np.unique(data.y, return_inverse=True)
    clusters = Clustering().labels(fitted.codes[-1], len(classes), record["seed"])
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    np.add.at(counts, (of_sample, clusters), 1)
    counts = counts[
        :, linear_sum_assignment(counts, maximize=True)[1]
    ]  # put the matched cluster of a class on the diagonal
    title = _title(record, "classes and clusters")
    figure = Figure(figsize=(5, 4.4), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(counts / counts.sum(1, keepdims=True), cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 20:
        for (i, j), n in np.ndenumerate(counts):
            if n:
                ax.text(j, i, n, ha="center", va="center", fontsize=7, color="w" if n > counts[i].sum() / 2 else "k")
        ax.set_yticks(range(len(classes)), [str(c) for c in classes])
        ax.set_xticks(range(len(classes)))
    ax.set(xlabel="cluster, matched to the classes", ylabel="class")
    figure.colorbar(image, ax=ax, label="share of the class")
    figure.suptitle(_wrapped(title, figure.get_figwidth()))
    numbers = pd.DataFrame(counts, columns=[f"cluster {k}" for k in range(len(classes))])
    numbers.insert(0, "class", classes)
    matched = np.trace(counts) / counts.sum()
    return Chart(
        _name(record, "confusion"), title, f"{title}: {matched:.1%} lie in the matched cluster.", figure, numbers
    )


def _title(record: Record, what: str) -> str:
    rank = [f"rank {record['rank']}"] if record.get("rank") is not None else []
    method = ", ".join([record["solver"], *rank, *parts(record)])
    return f"{record['dataset']}: {what} of {method}, seed {record['seed']}"


def _name(record: Record, kind: str) -> str:
    """Make a file name that no other run has, with the settings that differ from the YAMLs."""
    words = [kind, record["dataset"], record["solver"], str(record.get("rank")), *parts(record), str(record["seed"])]
    return re.sub(r"[^\w.=+,-]+", "-", "_".join(words))


def _wrapped(title: str, width: float) -> str:
    """Break the title into lines that fit on a page of that width in inches."""
    return textwrap.fill(title, round(11 * width))


KINDS: dict[str, Callable[[Record, Fitted, Dataset], Chart | None]] = {
    "bases": bases,
    "maps": maps,
    "codes": codes,
    "confusion": confusion,
}
"""The kinds of pictures: `nmfbench plot codes` draws one for the best seed of each method."""
