"""Factors against the planted ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted
from nmfbench.evaluators.measures import dead_components
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Recovery(Evaluator):
    """Cosine and relative error of W_l and H_l, l = 1, 2, …, against the true ones, and the rank that is found.

    In each layer, components of bases and codes are matched one to one with the true ones, so that the cosines of their
    rank-one matrices have the largest sum. Cosines are means over the true columns of W_l and rows of H_l; one that has
    no match, because the fit has fewer components, counts as 0. For the errors ‖W − Ŵ‖/‖W‖ and ‖H − Ĥ‖/‖H‖, each
    column of Ŵ_l has the length with the least error, rows of Ĥ_l and columns of Ĥ_{l+1} follow, and one factor for all
    of Ĥ_l, which absorbs the scaling of X, is free, as it is in ‖M − M̂‖/‖M‖ of the products without noise, M, and of
    W_l and codes of the fit. The rank found counts the components that are not dead.
    H_l with l > 1 needs a method that factors its bases. Needs ``truth`` "W1" and "H1", "W2" and "H2", ….
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("cosine_W", "mean cosine of the bases to the true ones", decimals=3, better="higher"),
        Metric("cosine_H", "mean cosine of the codes to the true ones", decimals=3, better="higher"),
        Metric("error_W", "relative error of the bases", decimals=3, better="lower"),
        Metric("error_H", "relative error of the codes", decimals=3, better="lower"),
        Metric("error_WH", "relative error against the product of the true factors", decimals=3, better="lower"),
        Metric("rank_found", "components that are not dead", decimals=1),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if not true_layers(dataset.truth):
            raise NotApplicable(
                f"evaluator=recovery needs true factors, and {dataset.name} has none: the sets planted_… and "
                "synthetic have them, with dataset.scaling=max or none"
            )

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        if not fitted.bases or fitted.layering == "convolution":
            return []
        rows: list[dict[str, Any]] = []
        dead = {row["layer"]: row["value"] for row in dead_components(fitted.bases, fitted.codes)}
        links = fitted.hierarchy[1][1:]
        codes = below = None  # the true H_l…H_1, and the map of the components of the layer below
        for l, (W, H) in enumerate(true_layers(dataset.truth)[: len(fitted.bases)], start=1):
            codes = H if codes is None else H @ codes
            found, of_codes = (np.asarray(F[l - 1], np.float64) for F in (fitted.bases, fitted.codes))
            move = matched(W, codes, found, of_codes)
            measured = {"cosine_W": cosines(W.T, (found @ move).T).mean(), "error_W": _error(W, found @ move)}
            if l == 1 or links:
                factor = of_codes if below is None else np.asarray(links[l - 2], np.float64) @ below
                turned = np.linalg.pinv(move) @ factor
                measured |= {"cosine_H": cosines(H, turned).mean(), "error_H": _error(H, _fitted_to(H, turned))}
            below = move
            measured |= {"error_WH": _error(W @ codes, _fitted_to(W @ codes, found @ of_codes))}
            measured |= {"rank_found": found.shape[1] - dead[l]}
            rows += [{"layer": l, "n_clusters": None, "metric": m, "value": float(v)} for m, v in measured.items()]
        return rows


def true_layers(truth: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    """W_l (m, r_l) and H_l (r_l, r_{l−1}) of the layers whose factors the truth names, from the first."""
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    while f"W{len(layers) + 1}" in truth and f"H{len(layers) + 1}" in truth:
        layers.append((truth[f"W{len(layers) + 1}"], truth[f"H{len(layers) + 1}"]))
    return layers


def matched(W: np.ndarray, codes: np.ndarray, found: np.ndarray, of_codes: np.ndarray) -> np.ndarray:
    """D (s, r) with one entry ≥ 0 a column at most, so that the bases found (m, s) times D are near W (m, r).

    The assignment maximises the sum of cosines between true and found bases times those between true and found codes.
    """
    true, mine = linear_sum_assignment(_cosines(W.T, found.T) * _cosines(codes, of_codes), maximize=True)
    D = np.zeros((found.shape[1], W.shape[1]))
    squares = (found[:, mine] ** 2).sum(0)
    D[mine, true] = np.maximum((found[:, mine] * W[:, true]).sum(0), 0) / np.where(squares > 0, squares, 1)
    return D


def cosines(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """The cosine of each row of A with that of B, (k,); that of a zero row is 0."""
    return np.diagonal(_cosines(A, B))


def _cosines(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """(k, l) cosines of the rows of A and of B."""
    A, B = (F / np.where((norms := np.linalg.norm(F, axis=1, keepdims=True)) > 0, norms, 1) for F in (A, B))
    return A @ B.T


def _fitted_to(true: np.ndarray, found: np.ndarray) -> np.ndarray:
    """``found`` times the factor ≥ 0 that brings it nearest to ``true``."""
    return found * (max((found * true).sum(), 0) / max((found**2).sum(), np.finfo(float).tiny))


def _error(true: np.ndarray, found: np.ndarray) -> float:
    return float(np.linalg.norm(true - found) / np.linalg.norm(true))
