"""Measure the agreement of restarts: how tightly their bases cluster, and how often they put two samples together."""

from collections.abc import Sequence

import numpy as np
from scipy.cluster.hierarchy import cophenet, linkage
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import squareform

ROUNDS = 100
"""Maximum rounds of `matched`; five are usual."""


def matched(bases: Sequence[np.ndarray]) -> np.ndarray:
    """Return the unit bases (S, r, m) of S restarts (m, r), reordered so that component i of all restarts is a cluster.

    Runs k-means with cosines, where each restart gives one basis to each cluster, from the bases of the first restart.
    A zero column stays zero. Alexandrov et al. (2013), Supplement: the clustering of NMFk.
    """
    units = np.stack([_unit(np.asarray(W, np.float64).T) for W in bases])
    centres = units[0]
    for _ in range(ROUNDS):
        orders = [linear_sum_assignment(centres @ unit.T, maximize=True)[1] for unit in units]
        ordered = np.stack([unit[order] for unit, order in zip(units, orders, strict=True)])
        previous, centres = centres, _unit(ordered.mean(0))
        if np.array_equal(centres, previous):
            break
    return ordered


def silhouettes(units: np.ndarray) -> np.ndarray:
    """Return the mean cosine silhouette (r,) of each cluster of `matched` bases (S, r, m); NaN if r = 1 or S = 1.

    The silhouette of a basis is (b − a)/max(a, b), where a is its mean distance to the others of its cluster, and b
    that to the nearest other cluster. Rousseeuw (1987)
    """
    S, r, _ = units.shape
    if r == 1 or S == 1:
        return np.full(r, np.nan)
    # (S, r, r): the mean cosine of each basis with every cluster; its own cluster has S − 1 others.
    means = np.einsum("sim,jm->sij", units, units.mean(0))
    own = (means[:, range(r), range(r)] * S - (units**2).sum(-1)) / (S - 1)
    means[:, range(r), range(r)] = -np.inf
    a, b = np.maximum(1 - own, 0), np.maximum(1 - means.max(-1), 0)
    larger = np.maximum(a, b)
    return np.divide(b - a, larger, out=np.zeros_like(a), where=larger > 0).mean(0)


def consensus(codes: Sequence[np.ndarray]) -> np.ndarray:
    """Return the share (n, n) of the restarts in which two samples have their largest code at the same component.

    Brunet et al. (2004). ``codes``: (r, n) of each restart, in one unit for all components.
    """
    return np.mean([np.equal.outer(own, own) for own in (H.argmax(0) for H in codes)], axis=0)


def cophenetic(C: np.ndarray) -> float:
    """Correlate 1 − C with its cophenetic distances under average linkage; 1 if all restarts agree.

    ``C``: a `consensus` (n, n). NaN if all samples are together. Brunet et al. (2004)
    """
    distances = squareform(1 - C, checks=False)
    if len(distances) == 0 or distances.max() == distances.min():
        return np.nan
    fused = cophenet(linkage(distances, "average"))
    return float(np.corrcoef(distances, fused)[0, 1])


def dispersion(C: np.ndarray) -> float:
    """Return the mean of 4 (C − ½)²: 1 if all restarts agree on every pair, 0 if half of them do.

    ``C``: a `consensus` (n, n). Kim & Park (2007)
    """
    return float(np.mean(4 * (C - 0.5) ** 2))


def _unit(rows: np.ndarray) -> np.ndarray:
    # Divide by the largest entry first, so that squares of huge or tiny entries stay finite.
    rows = rows / max(np.abs(rows).max(initial=0), np.finfo(float).tiny)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, norms, out=np.zeros_like(rows), where=norms > 0)
