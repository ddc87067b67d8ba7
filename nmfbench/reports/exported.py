"""A finished run as plain tables: who is in which cluster, the factors, and what each component is made of."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.clustering import Clustering
from nmfbench.records import Record

TOP = 20
"""Features shown of each component."""


def tables(
    record: Record, fitted: Fitted, features: Sequence[str] = (), samples: Sequence[str] = ()
) -> dict[str, pd.DataFrame]:
    """Return file name → table, each with samples, features or components in rows, numbered from 0 or by their names.

    clusters: of the codes of the top layer, by k-means as the clustering evaluator does it, at the numbers of clusters
    that the run was scored at, else at the rank; and the component with the largest code. codes and bases of every
    layer. top_features: the features with the largest weights of each component of the top layer; ``features``
    and ``samples`` are their names.
    """
    top = fitted.codes[-1]
    scored = {row.get("n_clusters") for row in record["metrics"]} - {None}
    counts = [k for k in sorted(scored or {len(top)}) if k <= top.shape[1]]
    settings = {key: record["config"]["evaluator"].get(key) for key in ("n_init", "max_iter")}
    evaluator = Clustering(**{key: value for key, value in settings.items() if value is not None})
    clusters = {f"cluster of {k}": evaluator.labels(top, k, record["seed"]) for k in counts}
    exported = {"clusters": pd.DataFrame(clusters | {"largest component": top.argmax(0)})}
    exported |= {f"codes_{layer}": _components(codes.T) for layer, codes in enumerate(fitted.codes, start=1)}
    for table in exported.values():
        table.insert(0, "sample", samples if len(samples) == len(table) else range(len(table)))
    names = np.asarray(features, dtype=object) if len(features) else np.arange(record["data"]["features"])
    for layer, bases in enumerate(fitted.bases, start=1):
        exported[f"bases_{layer}"] = _components(bases)
        exported[f"bases_{layer}"].insert(0, "feature", names[: len(bases)])
    if fitted.bases:
        exported["top_features"] = _top(fitted.bases[-1], names)
    return exported


def _components(factor: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(factor, columns=[f"component {k}" for k in range(factor.shape[1])])


def _top(bases: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    order = np.argsort(-bases, axis=0, kind="stable")[:TOP]
    rows = [
        (k, place, names[j], bases[j, k]) for k in range(bases.shape[1]) for place, j in enumerate(order[:, k], start=1)
    ]
    return pd.DataFrame(rows, columns=["component", "place", "feature", "weight"])
