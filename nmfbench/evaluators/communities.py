"""Communities of the nodes of a graph, read off the codes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from nmfbench.datasets.base import Dataset
from nmfbench.errors import NotApplicable
from nmfbench.evaluators.base import Evaluator, Fitted, scored
from nmfbench.evaluators.clustering import Clustering, scores
from nmfbench.evaluators.metric import Metric


@dataclass(frozen=True, kw_only=True)
class Communities(Evaluator):
    """In each layer, a sample's community is the component with its largest code, times the length of its basis.

    So no community depends on the scale that lies in bases or codes. Scored against the labels as by `Clustering`, and
    where X is the adjacency matrix of a graph, by the modularity of its communities: Newman & Girvan (2004).
    A method without components, or whose bases and codes are not multiplied, has no row.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        *Clustering.metrics,
        Metric("modularity", "modularity of the communities", decimals=3, better="higher"),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        if dataset.y is None and not is_graph(dataset.X):
            raise NotApplicable(
                f"evaluator=communities needs labels or the adjacency matrix of a graph, and {dataset.name} has neither"
            )

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        samples, has_graph = scored(dataset, labelled), is_graph(dataset.X)
        for layer, (W, H) in enumerate(zip(fitted.bases, fitted.codes, strict=False), start=1):
            if W.shape[1] == len(H):
                community = (np.linalg.norm(W, axis=0)[:, None] * H).argmax(0)
                measured = {} if dataset.y is None else scores(dataset.y[samples], community[samples])
                if has_graph:
                    measured["modularity"] = modularity(dataset.X, community)
                rows += [{"layer": layer, "n_clusters": None, "metric": m, "value": v} for m, v in measured.items()]
        return rows


def is_graph(X: Any) -> bool:
    """Whether X (m, n) is the adjacency matrix of an undirected graph with edges: symmetric, ≥ 0 and not 0."""
    return X.shape[0] == X.shape[1] and X.min() >= 0 and X.max() > 0 and abs(X - X.T).max() == 0


def modularity(A: Any, community: np.ndarray) -> float:
    """The share of the edges A (n, n) within communities (n,), less that of a random graph with the same degrees."""
    M = np.eye(community.max() + 1)[:, community]
    shares = M @ (A @ M.T) / A.sum()
    return float(shares.trace() - (shares.sum(0) ** 2).sum())
