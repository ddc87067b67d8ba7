"""Interpret the components of a hyperspectral image as materials: spectra, abundances, names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.topics import shares
from nmfbench.evaluators.unmixing import abundances, spectral_angles


@dataclass(frozen=True)
class Layer:
    """The components of a layer as materials, in the order in which they are shown.

    Parameters
    ----------
    bases: (m, r), each scaled to maximum 1.
    abundances: (r, n), which sum to one in each pixel.
    names: the material of each component, or the materials of the first layer that it merges.
    angles: (r,), degrees between each basis and the true spectrum matched with it; NaN: no spectrum is matched.
    """

    bases: np.ndarray
    abundances: np.ndarray
    names: list[str]
    angles: np.ndarray


def layers(fitted: Fitted, data: Dataset, like: np.ndarray | None = None) -> list[Layer]:
    """Return all layers, with components in the order of the materials, or of the components that they merge.

    In the first layer, each known material names the basis matched with it, at the smallest sum of angles; a basis
    without a match gets the name of the nearest material and a number. Without known materials, components are
    numbered, in the order in which they correlate best with the abundances ``like``. A component is merged into the
    component of the next layer that has the largest share of it.
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
        parent = share.argmax(0)[order]  # the parent of each component below, in their displayed order
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
    """Number repeated names: the second occurrence of a name gets a 2, and so on."""
    return [name if (n := names[: i + 1].count(name)) == 1 else f"{name} {n}" for i, name in enumerate(names)]


def matching(codes: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return the order in which the rows of ``codes`` correlate best with those of ``like``."""
    r = len(codes)
    return np.asarray(linear_sum_assignment(np.corrcoef(like, codes)[:r, r:], maximize=True)[1])


def images(A: np.ndarray, data: Dataset) -> np.ndarray:
    """Turn the rows of A (k, n) into images (k, height, width); NaN where the scene has no pixel."""
    assert data.scene is not None
    return np.column_stack([A, np.full(len(A), np.nan)])[:, data.scene]  # −1 is the last column
