"""Bases against the true spectra of materials, and codes against their abundances in each pixel."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Unmixing(Evaluator):
    """Spectral angle and abundance error of the first layer against the true materials, each matched with one basis.

    The angle, in degrees, is the mean over the materials between the true spectrum and the basis that is matched with
    it; the matching has the smallest sum of angles. Abundances of the matched bases are scaled to sum to one in each
    pixel, and their root mean square error is taken over materials and pixels. Needs ``truth`` "M" and "A".
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("spectral_angle", "spectral angle, degrees", "degrees", better="lower"),
        Metric("abundance_rmse", "root mean square error of the abundances", better="lower"),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if not {"M", "A"} <= {*dataset.truth}:
            raise NotApplicable(f"evaluator=unmixing needs true spectra and abundances, and {dataset.name} has none")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        if not fitted.bases:
            return []
        W = np.asarray(fitted.bases[0], np.float64)
        H = np.asarray(fitted.codes[0], np.float64)
        angles = spectral_angles(dataset.truth["M"], W)
        materials, bases = linear_sum_assignment(angles)
        A = abundances(W[:, bases], H[bases])
        rmse = np.sqrt(np.mean((A - dataset.truth["A"][materials]) ** 2))
        measured = {"spectral_angle": angles[materials, bases].mean(), "abundance_rmse": rmse}
        return [{"layer": 1, "n_clusters": None, "metric": m, "value": float(v)} for m, v in measured.items()]


def abundances(W: np.ndarray, H: np.ndarray) -> np.ndarray:
    """The codes H (r, n) of the bases W (m, r) as abundances (r, n), which sum to one in each pixel.

    Each basis is scaled to maximum 1 first, like true spectra, and its codes to match. A pixel without codes has equal
    abundances.
    """
    A = H * W.max(0)[:, None]
    total = A.sum(0)
    return np.divide(A, total, out=np.full_like(A, 1 / len(A)), where=total > 0)


def spectral_angles(M: np.ndarray, W: np.ndarray) -> np.ndarray:
    """Angles in degrees between the columns of M (m, k) and of W (m, r): (k, r). A zero column is at 90 degrees."""

    def normalised(A: np.ndarray) -> np.ndarray:
        norms = np.linalg.norm(A, axis=0)
        return np.divide(A, norms, out=np.zeros_like(A, dtype=np.float64), where=norms > 0)

    return np.degrees(np.arccos(np.clip(normalised(M).T @ normalised(W), -1, 1)))
