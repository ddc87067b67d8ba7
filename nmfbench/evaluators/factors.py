"""The factors of a small hierarchy themselves, beside those that a paper prints."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from nmfbench import papers
from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted

MOST = 50


@dataclass(frozen=True, kw_only=True)
class Factors(Evaluator):
    """‖W_{l−1} − W_l H_l‖² of each layer of a hierarchy of bases, W_0 = X, at columns of W_l of maximum 10.

    Other factorizations of several layers have no row. Exhibits are the factors, each with its rows of X or its samples
    down, and for the survey's ratings and ranks the printed factors beside them: bases stand in the printed order, each
    matched with one of the printed ones by the cosines of their codes, so that few samples are elsewhere.
    De Handschutter, Gillis & Siebert (2021), Sec. 4.1.1
    """

    metric: ClassVar[str] = "squared_error"

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if max(dataset.X.shape) > MOST:
            raise NotApplicable(
                f"evaluator=factors shows every entry, of at most {MOST} features and samples; {dataset.name} has "
                f"{dataset.X.shape[0]} × {dataset.X.shape[1]}"
            )

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        errors = squared_errors(dataset.X, at_ten(fitted))
        return [
            {"layer": layer, "n_clusters": None, "metric": self.metric, "value": error}
            for layer, error in enumerate(errors, start=1)
        ]

    def exhibits(self, fitted: Fitted, dataset: Dataset) -> list[tuple[str, pd.DataFrame]]:
        ours = at_ten(fitted)
        printed = (
            papers.deep_onmf_factors() if dataset.name == "ratings" and "no scaling" in dataset.preprocessing else {}
        )
        if {name: F.shape for name, F in ours.items()} != {name: F.shape for name, F in printed.items()}:
            printed = {}
        found = []
        if printed:
            ours = in_order(ours, printed)
            found += _compared(dataset.X, ours, printed)
        for name, F in ours.items():
            both = [F, printed[name]] if printed else [F]
            # As the survey shows them: samples down, and H_l for l > 1 as it stands.
            turned = F.shape[1] == dataset.n_samples
            columns = range(1, F.shape[0 if turned else 1] + 1)
            table = pd.DataFrame(
                [_entry(value, name) for value in row] for row in np.hstack([G.T if turned else G for G in both])
            )
            table.columns = [f"{k}{said}" for said in (["", " printed"][: len(both)]) for k in columns]
            named = name[0] == "W" and dataset.vocabulary is not None
            table.insert(0, "", dataset.vocabulary if named else [str(i) for i in range(1, len(table) + 1)])
            found.append((f"{name}{'ᵀ, samples down' if turned else ''}", table))
        return found


def at_ten(fitted: Fitted) -> dict[str, np.ndarray]:
    """W1, H1, W2, H2, H2H1, … of a hierarchy of bases or of one layer, columns of W_l of maximum 10; else nothing."""
    F = [np.asarray(factor, np.float64) for factor in fitted.factors.values()]
    L = len(fitted.codes)
    if len(F) != 2 * L:
        return {}
    found: dict[str, np.ndarray] = {}
    below: Any = 1.0
    for l, (W, H) in enumerate(zip(F[:L], F[L:], strict=True), start=1):
        top = W.max(0) / 10
        top = np.where(top > 0, top, 1.0)
        found[f"W{l}"], found[f"H{l}"] = W / top, H * top[:, None] / below
        if l > 1:
            found["".join(f"H{k}" for k in range(l, 0, -1))] = fitted.codes[l - 1] * top[:, None]
        below = top
    return found


def squared_errors(X: np.ndarray, factors: dict[str, np.ndarray]) -> list[float]:
    """‖W_{l−1} − W_l H_l‖² of each layer."""
    Ws = [F for name, F in factors.items() if name[0] == "W"]
    pairs = zip([X, *Ws], Ws, strict=False)
    return [float(np.square(Y - W @ factors[f"H{l}"]).sum()) for l, (Y, W) in enumerate(pairs, start=1)]


def in_order(ours: dict[str, np.ndarray], printed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same factors of two layers with their bases in the printed order, matched by the cosines of their codes."""

    def order(name: str) -> np.ndarray:
        H, G = (F[name] / np.linalg.norm(F[name], axis=1, keepdims=True).clip(min=1e-300) for F in (ours, printed))
        return linear_sum_assignment(G @ H.T, maximize=True)[1]

    one, two = order("H1"), order("H2H1")
    W1, H1, W2, H2 = ours["W1"][:, one], ours["H1"][one], ours["W2"][:, two], ours["H2"][np.ix_(two, one)]
    return {"W1": W1, "H1": H1, "W2": W2, "H2": H2, "H2H1": H2 @ H1}


def best_factors(X: np.ndarray, clusterings: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The factors of the least ‖W_{l−1} − W_l H_l‖², layer by layer, that put column j on basis clusterings[l][j]."""
    Ws, Hs = [], []
    for clusters in clusterings:
        W, H = np.zeros((len(X), clusters.max() + 1)), np.zeros((clusters.max() + 1, X.shape[1]))
        for k in np.unique(clusters):
            # The best approximation of rank one; X ≥ 0, so that the singular vectors have one sign.
            U, s, Vt = np.linalg.svd(X[:, clusters == k], full_matrices=False)
            W[:, k], H[k, clusters == k] = np.abs(U[:, 0]), np.abs(s[0] * Vt[0])
        top = np.where(W.max(0) > 0, W.max(0), 1.0) / 10
        Ws.append(W / top)
        Hs.append(H * top[:, None])
        X = Ws[-1]
    numbered = enumerate(zip(Ws, Hs, strict=True), start=1)
    return {f"{letter}{l}": F for l, both in numbered for letter, F in zip("WH", both, strict=True)}


def _compared(
    X: np.ndarray, ours: dict[str, np.ndarray], printed: dict[str, np.ndarray]
) -> list[tuple[str, pd.DataFrame]]:
    """Is it the printed hierarchy, and which fits better? Errors, then who is on which basis, in the printed order."""
    settled = best_factors(X, [printed[name].argmax(0) for name in ("H1", "H2")])
    columns = {"ours": ours, "printed factors": printed, "best factors of the printed clusters": settled}
    errors = {said: squared_errors(X, factors) for said, factors in columns.items()}
    table = pd.DataFrame({said: [f"{e:.2f}" for e in (*found, sum(found))] for said, found in errors.items()})
    table.insert(0, "squared error of layer", ["1", "2", "both"])
    moved = {name: np.flatnonzero(ours[name].argmax(0) != printed[name].argmax(0)) + 1 for name in ("H1", "H2")}
    ahead = sum(errors["ours"]), sum(errors["best factors of the printed clusters"])
    if not any(len(found) for found in moved.values()):
        said = "ours is the printed hierarchy"
    else:
        differ = [
            f"{what} {', '.join(map(str, moved[name]))} on another basis"
            for name, what in (("H1", "users"), ("H2", "basis users"))
            if len(moved[name])
        ]
        said = f"ours is not the printed hierarchy ({'; '.join(differ)}) and "
        said += (
            f"fits {'better' if ahead[0] < ahead[1] else 'worse'}: squared error {ahead[0]:.2f} against {ahead[1]:.2f}"
        )
    members = pd.DataFrame(
        [
            {"layer": name[1], "basis user": str(k + 1), "of": what}
            | {said: ", ".join(map(str, np.flatnonzero(F[name].argmax(0) == k) + 1)) for said, F in both.items()}
            for both in ({"ours": ours, "printed": printed},)
            for name, what in (("H1", "users"), ("H2", "basis users of layer 1"))
            for k in range(len(ours[name]))
        ]
    )
    return [(said, table), ("who is on which basis user", members)]


def _entry(value: float, name: str) -> str:
    """One digit for bases and two for codes, as the survey prints them; 0 where there is nothing."""
    return "0" if value == 0 else f"{value:.{1 if name[0] == 'W' else 2}f}"
