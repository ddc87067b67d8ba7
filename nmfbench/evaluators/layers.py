"""The error of each layer of a hierarchy of bases, and the sparsity of its codes."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Evaluator, Fitted
from nmfbench.evaluators.measures import hoyer
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics import hierarchies
from nmfbench.numerics.problem import place


@dataclass(frozen=True, kw_only=True)
class Layers(Evaluator):
    """KL(W_{l−1}, W_l H_l) of each layer, W_0 = X, and the mean Hoyer sparsity of the rows of H_l…H_1.

    Before the errors are taken, every row of every H_l is scaled to sum to one; without a common scale, errors above
    the first layer cannot be compared between methods. A method that does not factor its bases only gets a sparsity.
    Leplat, Le, Onwunta & Gillis (2023), Table 2
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("layer_error", "error of the layer (KL divergence)", better="lower"),
        # An experiment's table adds this metric if it compares with another method (`relative`).
        Metric("error_ratio", "error of the layer over that of the other method", "%", 1, "lower"),
        Metric("code_sparsity", "Hoyer sparsity of the codes", "%", 1),
    )

    def check(self, dataset: Dataset, labelled: np.ndarray | None) -> None:
        """Accept every dataset."""

    def evaluate(
        self, fitted: Fitted, dataset: Dataset, seed: int, labelled: np.ndarray | None
    ) -> list[dict[str, Any]]:
        fitted.require_bases()
        rows: list[dict[str, Any]] = []
        Ws, Hs = ([torch.as_tensor(factor)[None].double() for factor in factors] for factors in fitted.hierarchy)
        if Ws:
            hierarchies.scale(Ws, Hs, of="H")
            problem = place(dataset.X, "float64", observed=dataset.observed)
            errors = hierarchies.costs(problem, Ws, Hs, 1.0)[0].tolist()
            rows = [{"layer": l, "metric": "layer_error", "value": error} for l, error in enumerate(errors, start=1)]
        rows += [
            {"layer": l, "metric": "code_sparsity", "value": hoyer(np.asarray(H, np.float64), axis=1)}
            for l, H in enumerate(fitted.codes, start=1)
        ]
        return [row | {"n_clusters": None} for row in rows]
