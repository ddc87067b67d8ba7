"""What is measured on a factorization: one evaluator a file; `evaluate` is the usual one, for codes in memory.

Names are imported on first use, so that a declaration of a metric needs neither scikit-learn nor torch.
"""

import importlib
import pkgutil
from functools import cache
from typing import TYPE_CHECKING, Any

from nmfbench.evaluators.metric import Metric

if TYPE_CHECKING:
    from nmfbench.evaluators.base import Evaluator, Exhibit, Fitted, scored
    from nmfbench.evaluators.clustering import Clustering, evaluate

_HOMES = {
    "Clustering": "nmfbench.evaluators.clustering",
    "Evaluator": "nmfbench.evaluators.base",
    "Exhibit": "nmfbench.evaluators.base",
    "Fitted": "nmfbench.evaluators.base",
    "evaluate": "nmfbench.evaluators.clustering",
    "scored": "nmfbench.evaluators.base",
}
__all__ = ["Clustering", "Evaluator", "Exhibit", "Fitted", "Metric", "declared", "evaluate", "scored"]


def declared() -> dict[str, Metric]:
    """Every metric by its name: what is measured on every factorization, and what each imported evaluator declares.

    The evaluators of this package count as imported.
    """
    _import_all()
    from nmfbench.evaluators import base, measures

    found = {metric.name: metric for metric in measures.MEASURES}
    classes = [base.Evaluator]
    for cls in classes:  # the list grows while it is read
        classes += cls.__subclasses__()
        for metric in getattr(cls, "metrics", ()):
            found.setdefault(metric.name, metric)
    return found


@cache
def _import_all() -> None:
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
