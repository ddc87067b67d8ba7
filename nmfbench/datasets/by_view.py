"""Views of the same samples, one below the other in X: stacked, and scaled each by itself."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import csc_array, issparse, vstack

from nmfbench.errors import ConfigError

if TYPE_CHECKING:
    from nmfbench.datasets.base import Dataset


def stacked(views: Sequence[Any]) -> Any:
    """The views (m_v, n) one below the other, sparse if all are."""
    if all(map(issparse, views)):
        return csc_array(vstack(views))
    return np.concatenate([view.toarray() if issparse(view) else view for view in views])


def scaled(raw: "Dataset", scale: Callable[["Dataset"], "Dataset"]) -> "Dataset":
    """The dataset whose views were scaled each by itself; messages of ``scale`` name the view.

    Raises ConfigError if the dataset has no views.
    """
    if not raw.views:
        raise ConfigError(f"scaling=by_view is for datasets of several views, and {raw.name} is none")
    views, end = [], 0
    for name, size in raw.views.items():
        start, end = end, end + size
        names = raw.feature_names and raw.feature_names[start:end]
        views.append(scale(replace(raw, name=name, X=raw.X[start:end], feature_names=names, views=None)))
    proposals = [view.proposed for view in views if view.proposed]
    return replace(
        views[0],
        name=raw.name,
        X=stacked([view.X for view in views]),
        feature_names=raw.feature_names,
        views=raw.views,
        preprocessing=(*views[0].preprocessing, "each view by itself"),
        proposed=next((proposal for proposal in proposals if proposal.scaling != "max"), next(iter(proposals), None)),
    )
