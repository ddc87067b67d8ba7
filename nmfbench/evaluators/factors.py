"""The factors themselves, for data that is small enough to be read."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted
from nmfbench.evaluators.measures import OBJECTIVE
from nmfbench.evaluators.metric import Metric
from nmfbench.papers import survey


@dataclass(frozen=True, kw_only=True)
class Factors(Evaluator):
    """Every factor of a hierarchy W_{l−1} ≈ W_l H_l, scaled so that the largest entry of a basis is ``top``.

    For the survey's ratings the printed factors stand beside them, and who is on which basis: De Handschutter, Gillis &
    Siebert (2021), Sec. 4.1.1.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (OBJECTIVE,)

    top: float = 10.0

    def __post_init__(self) -> None:
        if not self.top > 0:
            raise ConfigError(f"top must be positive, got {self.top}")

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if max(dataset.X.shape) > 100:
            raise ConfigError(f"evaluator=factors prints whole factors, and {dataset.name} has {dataset.X.shape}")

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        return []

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[Exhibit]:
        shown = scaled(fitted, self.top)
        printed = survey.factors() if dataset.name == "ratings" and "no scaling" in dataset.preprocessing else {}
        if {name: F.shape for name, F in shown.items()} != {name: F.shape for name, F in printed.items()}:
            printed = {}
        found = []
        X = np.asarray(dataset.X, np.float64)
        if printed:
            shown = in_printed_order(shown, printed)
            found.append(_members(X, shown, printed))
        for name, factor in shown.items():
            # As the survey prints them: codes of samples with a sample a row.
            turned = factor.shape[1] == dataset.n_samples
            title = f"{name}ᵀ" if turned else name
            found.append(Exhibit(title, _matrix(factor.T if turned else factor)))
            if printed:
                found.append(Exhibit(f"{title} as printed", _matrix(printed[name].T if turned else printed[name])))
        if printed:
            rows = {
                "ours": _error(X, shown, 1),
                "as printed": _error(X, printed, 1),
                "its clusters of users, each with its best basis": _clustered(X, printed["H1"].argmax(0))[0],
            }
            table = pd.DataFrame(
                [[name, f"{value:.3f}"] for name, value in rows.items()], columns=["W1 and H1", "value"]
            )
            found.append(Exhibit("half the squared error of X in W1 H1", table))
        return found


def scaled(fitted: Fitted, top: float) -> dict[str, np.ndarray]:
    """W1, H1, W2, H2, H2H1, … of a hierarchy of bases (or of one layer): every W_l with columns of that maximum.

    Bases come in the order of the first column that they take. Nothing of a method that does not factor its bases.
    """
    Ws = [np.asarray(W, np.float64) for name, W in fitted.factors.items() if name.startswith("W")]
    Hs = [np.asarray(H, np.float64) for name, H in fitted.factors.items() if name.startswith("H")]
    if len(Ws) != len(Hs):
        return {}
    shown: dict[str, np.ndarray] = {}
    order, below = np.arange(Hs[0].shape[1]), np.ones(Hs[0].shape[1])
    for l, (W, H) in enumerate(zip(Ws, Hs, strict=True), start=1):
        # The columns of H_l follow W_{l−1}.
        H = H[:, order] / below
        order = np.argsort((H > 0).argmax(1), kind="stable")
        scale = W[:, order].max(0) / top
        below = np.where(scale > 0, scale, 1)
        shown |= {f"W{l}": W[:, order] / below, f"H{l}": H[order] * below[:, None]}
        if l > 1:
            codes = [f"H{k}" for k in range(l, 0, -1)]
            shown["".join(codes)] = np.linalg.multi_dot([shown[name] for name in codes])
    return shown


def in_printed_order(ours: dict[str, np.ndarray], printed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same two layers, each basis in the place of the printed one that its codes are most like."""

    def order(name: str) -> np.ndarray:
        H, G = (F[name] / np.linalg.norm(F[name], axis=1, keepdims=True).clip(min=1e-300) for F in (ours, printed))
        return linear_sum_assignment(G @ H.T, maximize=True)[1]

    one, two = order("H1"), order("H2H1")
    found = {"W1": ours["W1"][:, one], "H1": ours["H1"][one]}
    return found | {"W2": ours["W2"][:, two], "H2": ours["H2"][np.ix_(two, one)], "H2H1": ours["H2H1"][two]}


def _members(X: np.ndarray, ours: dict[str, np.ndarray], printed: dict[str, np.ndarray]) -> Exhibit:
    """Which users and basis users each basis user takes, and whether and how well ours fits beside the printed ones."""
    layers = {"H1": "users", "H2": "basis users of layer 1"}
    table = pd.DataFrame(
        {"layer": name[1], "basis user": str(k + 1), "takes": what}
        | {
            title: ", ".join(map(str, np.flatnonzero(factors[name].argmax(0) == k) + 1))
            for title, factors in (("ours", ours), ("printed", printed))
        }
        for name, what in layers.items()
        for k in range(len(ours[name]))
    )
    moved = [
        f"{what} {', '.join(str(j + 1) for j in others)} elsewhere"
        for name, what in layers.items()
        if len(others := np.flatnonzero(ours[name].argmax(0) != printed[name].argmax(0)))
    ]
    if not moved:
        return Exhibit("ours is the printed hierarchy", table)
    best, W1 = _clustered(X, printed["H1"].argmax(0))
    best += _clustered(W1 / W1.max(0) * ours["W1"].max(), printed["H2"].argmax(0))[0]
    error = _error(X, ours, 1) + _error(ours["W1"], ours, 2)
    fits = "better" if error < best else "worse"
    return Exhibit(
        f"ours is not the printed hierarchy ({'; '.join(moved)}) and fits {fits}: half the squared error of both "
        f"layers is {error:.3f}, with the best factors of the printed clusters {best:.3f}",
        table,
    )


def _error(Y: np.ndarray, factors: dict[str, np.ndarray], layer: int) -> float:
    return float(((Y - factors[f"W{layer}"] @ factors[f"H{layer}"]) ** 2).sum()) / 2


def _clustered(X: np.ndarray, clusters: np.ndarray) -> tuple[float, np.ndarray]:
    """The same with the best basis of each cluster of columns, its first singular vector; and these bases."""
    W = np.zeros((len(X), clusters.max() + 1))
    error = (X**2).sum()
    for k in np.unique(clusters):
        U, s, _ = np.linalg.svd(X[:, clusters == k], full_matrices=False)
        W[:, k], error = np.abs(U[:, 0]), error - s[0] ** 2
    return float(error) / 2, W


def _matrix(factor: np.ndarray) -> pd.DataFrame:
    columns = [str(j) for j in range(1, factor.shape[1] + 1)]
    shown = [[f"{value:.2f}" if value else "0" for value in row] for row in factor]
    return pd.DataFrame(shown, columns=columns, index=range(1, len(factor) + 1)).reset_index(names="")
