"""Drawing abundance maps: arrays in, a matplotlib figure out."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure, SubFigure
from matplotlib.image import AxesImage

from nmfbench.reports.plots import captioned, styled


@dataclass(frozen=True)
class Maps:
    """Abundance maps under a title.

    Parameters
    ----------
    title: the words above them.
    images: (k, height, width), each entry from 0 to 1.
    names: the material of each image.
    columns: images a row, ≥ 1.
    """

    title: str
    images: np.ndarray
    names: Sequence[str]
    columns: int

    @property
    def rows(self) -> int:
        return -(-len(self.images) // self.columns)


@styled
def maps(rows: Sequence[Sequence[Maps | None]], title: str, note: str, *, width: float) -> Figure:
    """Rows of `Maps` on one scale from 0 to 1, on a page of that width in inches. None leaves its place empty."""
    shown = [panel for row in rows for panel in row if panel]
    height, breadth = shown[0].images.shape[1:]
    across = [max(panel.columns for row in rows if (panel := row[j])) for j in range(len(rows[0]))]
    size = (width - 0.9) / sum(across) - 0.1  # of a map, in inches, without its margins
    tall = []
    for row in rows:
        lines = max(name.count("\n") + 1 for panel in row if panel for name in wrapped(panel, size))
        tall.append(max((size * height / breadth + 0.13 * lines) * panel.rows for panel in row if panel) + 0.25)
    figure = Figure(figsize=(width, sum(tall) + 0.9), layout="constrained")
    page, bar = figure.subfigures(1, 2, squeeze=False, width_ratios=[width - 0.7, 0.7])[0]
    places = page.subfigures(len(rows), len(rows[0]), height_ratios=tall, width_ratios=across, squeeze=False)
    for of_row, row in zip(places, rows, strict=True):
        for place, panel, columns in zip(of_row, row, across, strict=True):
            if panel:
                image = _panel(place, panel, columns, size)
    axes = bar.add_axes((0.05, 0.25, 0.2, 0.5), label="<colorbar>")
    figure.colorbar(image, cax=axes, label="abundance")
    return captioned(figure, title, note)


def _panel(place: SubFigure, panel: Maps, columns: int, size: float) -> AxesImage:
    """Draw one panel with room for that many maps a row; returns its last image."""
    place.suptitle(panel.title, fontsize=9, x=0.01, ha="left")
    axes = place.subplots(panel.rows, columns, squeeze=False)
    for ax in axes.flat:
        ax.axis("off")
    for ax, image, name in zip(axes[:, : panel.columns].flat, panel.images, wrapped(panel, size), strict=False):
        drawn = ax.imshow(image, cmap="viridis", vmin=0, vmax=1, interpolation="nearest")
        ax.set_title(name, fontsize=7, pad=2)
    return drawn


def wrapped(panel: Maps, size: float) -> list[str]:
    """The names in lines that fit above maps of that size in inches, broken between materials alone."""
    kept = [" + ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in name.split(" + ")) for name in panel.names]
    return [textwrap.fill(name, max(6, round(18 * size)), break_on_hyphens=False) for name in kept]
