"""Drawing the layers of a factorization as heat maps: each product with its two factors at its sides."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from nmfbench.reports.plots import captioned, styled

SIDE = 0.12
"""Least width of a factor, of that of the product: two columns beside ninety would be a line."""


@dataclass(frozen=True)
class Layer:
    """A layer as it is drawn.

    Parameters
    ----------
    title: the words above it.
    W: its bases (m, r), at the left.
    H: its codes (r, n), above.
    """

    title: str
    W: np.ndarray
    H: np.ndarray

    @property
    def in_order(self) -> "Layer":
        """Components from the first sample to the last by where their codes lie; bases have the maximum 1."""
        largest = self.W.max(0)
        largest = np.where(largest > 0, largest, 1)
        W, H = self.W / largest, self.H * largest[:, None]
        weight = H.sum(1)
        centre = (H @ np.arange(H.shape[1])) / np.where(weight > 0, weight, 1)
        order = np.argsort(np.where(weight > 0, centre, np.inf), kind="stable")
        return Layer(self.title, W[:, order], H[order])


@styled
def layers(methods: Mapping[str, Sequence[Layer]], X: np.ndarray, title: str, note: str) -> Figure:
    """A row a method and a column a layer: WH with W at its left and H above, and X (m, n) itself in a last column.

    Each factor is drawn from 0 (white) to its largest entry (black), each product from 0 to the largest entry of X.
    """
    columns = 1 + max(map(len, methods.values()))
    figure = Figure(figsize=(2.9 * columns, 2.9 * len(methods) + 0.9), layout="constrained")
    parts = figure.subfigures(len(methods), columns, squeeze=False)
    for row, (method, drawn) in zip(parts, methods.items(), strict=True):
        for part, layer in zip(row, drawn, strict=False):
            layer = layer.in_order
            (corner, above), (left, inside) = _quarters(part, len(X), X.shape[1], layer.W.shape[1])
            corner.axis("off")
            _image(above, layer.H, layer.H.max())
            _image(left, layer.W, 1)
            _image(inside, layer.W @ layer.H, X.max())
            above.set_title(f"{method}, {layer.title}")
            left.set_ylabel("feature")
            inside.set_xlabel("sample")
    (corner, above), (left, inside) = _quarters(parts[0, -1], len(X), X.shape[1], 1)
    for ax in (corner, above, left):
        ax.axis("off")
    _image(inside, X, X.max())
    inside.set_title("X")
    inside.set_xlabel("sample")
    return captioned(figure, title, note)


def _quarters(part: SubFigure, m: int, n: int, r: int) -> np.ndarray:
    """Four axes, the lower right one for a product (m, n) of rank r."""
    widths, heights = ([max(r / size, SIDE), 1] for size in (n, m))
    return part.subplots(2, 2, width_ratios=widths, height_ratios=heights)


def _image(ax: Axes, values: np.ndarray, largest: float) -> None:
    ax.imshow(values, cmap="gray_r", vmin=0, vmax=largest or 1, aspect="auto", interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    for side in ax.spines.values():
        side.set(visible=True, linewidth=0.5, color="0.6")
