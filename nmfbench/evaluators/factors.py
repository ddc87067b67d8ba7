"""The factors themselves, for data small enough to read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted, require_all_entries
from nmfbench.evaluators.measures import OBJECTIVE
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Factors(Evaluator):
    """Every factor of a hierarchy W_{l−1} ≈ W_l H_l, scaled so that the largest entry of a basis is ``top``.

    If ``dataset.truth`` holds the factors that a paper prints, with the same names and shapes (W1, H1, W2, H2, H2H1,
    …), they stand beside them, with the samples on each basis and the errors of both. The survey's ratings have them:
    De Handschutter, Gillis & Siebert (2021), Sec. 4.1.1.

    Parameters
    ----------
    top: largest entry of every basis, > 0; the survey's ratings go from 0 to 10.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (OBJECTIVE,)

    top: float = 10.0

    def __post_init__(self) -> None:
        if not self.top > 0:
            raise ConfigError(f"top must be positive, got {self.top}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        require_all_entries("factors", dataset)
        if max(dataset.X.shape) > 100:
            raise ConfigError(f"evaluator=factors prints whole factors, and {dataset.name} has {dataset.X.shape}")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        return []

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[Exhibit]:
        fitted.require_bases()
        shown = scaled(fitted, self.top)
        printed = references(shown, dataset.truth)
        X = np.asarray(dataset.X, np.float64)
        exhibits = []
        if printed:
            shown = in_printed_order(shown, printed)
            exhibits.append(_members(X, shown, printed, dataset.sample))
        for name, factor in shown.items():
            # Show codes of samples with a sample a row, as the survey prints them.
            turned = factor.shape[1] == dataset.n_samples
            title = f"{name}ᵀ" if turned else name
            exhibits.append(_matrix(title, factor.T if turned else factor))
            if printed:
                exhibits.append(_matrix(f"{title} as printed", printed[name].T if turned else printed[name]))
        if printed:
            clustered = _clustered(X, printed["H1"].argmax(0))[0]
            values = {
                "ours": _error(X, shown, 1),
                "as printed": _error(X, printed, 1),
                f"its clusters of {dataset.sample}s, each with its best basis": clustered,
            }
            rows = [[name, f"{value:.3f}"] for name, value in values.items()]
            exhibits.append(Exhibit("half the squared error of X in W1 H1", ["W1 and H1", "value"], rows))
        return exhibits


def scaled(fitted: Fitted, top: float) -> dict[str, np.ndarray]:
    """W1, H1, W2, H2, H2H1, … of a hierarchy of bases (or of one layer): columns of W_l have maximum ``top``.

    Bases come in the order of the first column assigned to them. Empty for a method that does not factor its bases.
    """
    shown: dict[str, np.ndarray] = {}
    order, below = np.arange(fitted.codes[0].shape[1]), np.ones(fitted.codes[0].shape[1])
    for l, (W, H) in enumerate(zip(*fitted.hierarchy, strict=True), start=1):
        W, H = np.asarray(W, np.float64), np.asarray(H, np.float64)
        # The columns of H_l follow the new order and scale of W_{l−1}.
        H = H[:, order] / below
        order = np.argsort((H > 0).argmax(1), kind="stable")
        scale = W[:, order].max(0) / top
        below = np.where(scale > 0, scale, 1)
        shown |= {f"W{l}": W[:, order] / below, f"H{l}": H[order] * below[:, None]}
        if l > 1:
            shown[_codes(l)] = np.linalg.multi_dot([shown[f"H{k}"] for k in range(l, 0, -1)])
    return shown


def references(shown: dict[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The factors in ``truth`` with these names; empty unless it has all of them, in these shapes."""
    same = all(name in truth and truth[name].shape == factor.shape for name, factor in shown.items())
    return {name: truth[name] for name in shown} if same else {}


def in_printed_order(ours: dict[str, np.ndarray], printed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Reorder the bases of each layer: each takes the place of the printed basis with the most similar codes."""
    ordered: dict[str, np.ndarray] = {}
    below = np.arange(ours["H1"].shape[1])
    for l in range(1, _depth(ours) + 1):
        codes = _codes(l)
        H, G = (F[codes] / np.linalg.norm(F[codes], axis=1, keepdims=True).clip(min=1e-300) for F in (ours, printed))
        order = linear_sum_assignment(G @ H.T, maximize=True)[1]
        ordered |= {f"W{l}": ours[f"W{l}"][:, order], f"H{l}": ours[f"H{l}"][np.ix_(order, below)]}
        if l > 1:
            ordered[codes] = ours[codes][order]
        below = order
    return ordered


def _codes(l: int) -> str:
    """The name of layer l's codes: H_l…H_1."""
    return "".join(f"H{k}" for k in range(l, 0, -1))


def _depth(factors: dict[str, np.ndarray]) -> int:
    return sum(name.startswith("W") for name in factors)


def _members(X: np.ndarray, ours: dict[str, np.ndarray], printed: dict[str, np.ndarray], sample: str) -> Exhibit:
    """The samples and bases assigned to each basis, ours and printed; if they differ, the errors of both."""
    layers = range(1, _depth(ours) + 1)
    takes = {f"H{l}": f"basis {sample}s of layer {l - 1}" if l > 1 else f"{sample}s" for l in layers}
    rows = [
        [name[1:], str(k + 1), what]
        + [", ".join(map(str, np.flatnonzero(factors[name].argmax(0) == k) + 1)) for factors in (ours, printed)]
        for name, what in takes.items()
        for k in range(len(ours[name]))
    ]
    columns = ["layer", f"basis {sample}", "takes", "ours", "printed"]
    moved = [
        f"{what} {', '.join(str(j + 1) for j in others)} elsewhere"
        for name, what in takes.items()
        if len(others := np.flatnonzero(ours[name].argmax(0) != printed[name].argmax(0)))
    ]
    if not moved:
        return Exhibit("ours is the printed hierarchy", columns, rows)
    error = best = 0.0
    below, clustered = X, X
    for l in layers:
        error += _error(below, ours, l)
        cost, W = _clustered(clustered, printed[f"H{l}"].argmax(0))
        best += cost
        below, clustered = ours[f"W{l}"], W / W.max(0).clip(min=1e-300) * ours[f"W{l}"].max()
    fits = "better" if error < best else "worse"
    which = {1: "the layer", 2: "both layers"}.get(len(layers), "all layers")
    return Exhibit(
        f"ours is not the printed hierarchy ({'; '.join(moved)}) and fits {fits}: half the squared error of {which} "
        f"is {error:.3f}, with the best factors of the printed clusters {best:.3f}",
        columns,
        rows,
    )


def _error(Y: np.ndarray, factors: dict[str, np.ndarray], layer: int) -> float:
    return float(((Y - factors[f"W{layer}"] @ factors[f"H{layer}"]) ** 2).sum()) / 2


def _clustered(X: np.ndarray, clusters: np.ndarray) -> tuple[float, np.ndarray]:
    """Half the squared error with the best basis of each cluster of columns, its first singular vector; these bases."""
    W = np.zeros((len(X), clusters.max() + 1))
    error = (X**2).sum()
    for k in np.unique(clusters):
        U, s, _ = np.linalg.svd(X[:, clusters == k], full_matrices=False)
        W[:, k], error = np.abs(U[:, 0]), error - s[0] ** 2
    return float(error) / 2, W


def _matrix(title: str, factor: np.ndarray) -> Exhibit:
    """The factor with its rows and columns numbered from 1."""
    rows = [[str(i), *(f"{value:.2f}" if value else "0" for value in row)] for i, row in enumerate(factor, start=1)]
    return Exhibit(title, ["", *(str(j) for j in range(1, factor.shape[1] + 1))], rows)
