"""Graphs of the samples. A method draws the codes of neighbours together."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_array, diags_array
from torch import Tensor

from nmfbench.numerics.sparse import SparseMatrix


@dataclass(frozen=True)
class Graph:
    """An undirected graph of n samples without loops.

    It is in float64, because neighbours' codes differ by little. All restarts of a fit share it.

    Parameters
    ----------
    adjacency: A ≥ 0 (n, n), symmetric.
    degrees: the diagonal (n,) of D = diag(A1).
    """

    adjacency: SparseMatrix
    degrees: Tensor

    def split(self, H: Tensor) -> tuple[Tensor, Tensor]:
        """(HA, HD) of codes H (…, r, n), both ≥ 0 where H is. The Laplacian is L = D − A, so HL = HD − HA."""
        wide = H.double()
        return (wide @ self.adjacency).to(H.dtype), (wide * self.degrees).to(H.dtype)

    def roughness(self, H: Tensor) -> Tensor:
        """Tr(HLHᵀ) = ½ Σ_ij a_ij ‖h_i − h_j‖², (…,)."""
        HA, HD = self.split(H.double())
        return (H * (HD - HA)).sum((-2, -1)).clamp(min=0).to(H.dtype)


def nearest_neighbours(X: Tensor | SparseMatrix, p: int) -> Graph:
    """The graph that joins each sample of X (m, n) with the p samples nearest to it, with weight 1. Cai et al. (2011).

    Two samples are joined if either is among the p nearest of the other.
    """
    samples = _to_scipy(X.mT) if isinstance(X, SparseMatrix) else X.mT.cpu().numpy()
    # Scale the samples, because distances are squared and may overflow; only their order matters.
    from sklearn.neighbors import kneighbors_graph  # takes seconds to import

    one_way = csr_array(kneighbors_graph(samples / max(abs(samples).max(), np.finfo(samples.dtype).tiny), p))
    return _graph(one_way.maximum(one_way.T), X.device)


def is_adjacency(X: Tensor | SparseMatrix) -> bool:
    """Whether X (m, n) is symmetric, as the adjacency matrix of an undirected graph is."""
    if X.shape[0] != X.shape[1]:
        return False
    if isinstance(X, Tensor):
        return torch.equal(X, X.mT)
    pairs = ((part(X.csr), part(X.csr_t)) for part in (Tensor.crow_indices, Tensor.col_indices, Tensor.values))
    return all(torch.equal(rows, columns) for rows, columns in pairs)


def of_data(X: Tensor | SparseMatrix, p: int) -> Graph:
    """The graph whose adjacency matrix X (n, n) is, its largest weight scaled to 1; else that of `nearest_neighbours`.

    Loops are left out.
    """
    if not is_adjacency(X):
        return nearest_neighbours(X, p)
    A = _to_scipy(X)
    A = A - diags_array(A.diagonal())
    return _graph(A / (A.max() or 1.0), X.device)


def same_label(labels: Tensor, labelled: Tensor) -> Graph:
    """Two samples of the mask ``labelled`` (n,) are joined, with weight 1, if their ``labels`` (n,) are equal."""
    seen = np.flatnonzero(labelled.cpu().numpy())
    _, classes = np.unique(labels.cpu().numpy()[seen], return_inverse=True)
    member = csr_array((np.ones(len(seen)), (seen, classes)), (len(labels), len(seen) + 1))
    alike = member @ member.T
    return _graph(alike - diags_array(alike.diagonal()), labels.device)


def _to_scipy(X: Tensor | SparseMatrix) -> csr_array:
    if isinstance(X, Tensor):
        return csr_array(X.cpu().numpy())
    parts = X.csr.values(), X.csr.col_indices(), X.csr.crow_indices()
    return csr_array(tuple(part.cpu().numpy() for part in parts), shape=tuple(X.shape))


def _graph(adjacency: Any, device: torch.device) -> Graph:
    degrees = torch.from_numpy(np.asarray(adjacency.sum(0), dtype=np.float64))
    return Graph(SparseMatrix.of(adjacency, torch.float64, device), degrees.to(device))
