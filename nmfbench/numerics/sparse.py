"""A sparse data matrix. Solvers that only need products with X use it like a dense one."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class SparseMatrix:
    """X (m, n) in compressed rows, kept together with its transpose: each product runs along rows of one of them.

    Parameters
    ----------
    csr: X (m, n) in compressed rows.
    csr_t: Xᵀ (n, m) in compressed rows.
    """

    csr: Tensor
    csr_t: Tensor

    @classmethod
    def of(cls, X: Any, dtype: torch.dtype, device: torch.device | str = "cpu") -> "SparseMatrix":
        """Convert a scipy sparse matrix or array; duplicates are summed."""

        def to_torch(csr: Any) -> Tensor:
            parts = (csr.indptr.astype(np.int64), csr.indices.astype(np.int64), csr.data)
            crow, col, values = map(torch.from_numpy, parts)
            return torch.sparse_csr_tensor(crow, col, values.to(dtype), csr.shape, device=device, check_invariants=True)

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            return cls(to_torch(canonical(X)), to_torch(canonical(X.T)))

    def double(self) -> "SparseMatrix":
        """The same matrix in double precision."""
        return SparseMatrix(self.csr.double(), self.csr_t.double())

    @property
    def shape(self) -> torch.Size:
        return self.csr.shape

    @property
    def dtype(self) -> torch.dtype:
        return self.csr.dtype

    @property
    def device(self) -> torch.device:
        return self.csr.device

    @property
    def mT(self) -> "SparseMatrix":
        return SparseMatrix(self.csr_t, self.csr)

    @property
    def values(self) -> Tensor:
        """The stored entries, row by row."""
        return self.csr.values()

    def min(self) -> Tensor:
        """The smallest entry, zeros included."""
        return self.values.min().clamp(max=0) if self.values.numel() else self.values.new_zeros(())

    def mean(self, dtype: torch.dtype) -> Tensor:
        """The mean of all entries, zeros included, summed in ``dtype``."""
        return self.values.sum(dtype=dtype) / (self.shape[0] * self.shape[1])

    def __rmatmul__(self, left: Tensor) -> Tensor:
        """left (…, r, m) @ X → (…, r, n): one product for all restarts, in which each column is summed by itself."""
        wide = left.reshape(-1, left.shape[-1])
        return (self.csr_t @ wide.mT).mT.reshape(*left.shape[:-1], -1)

    def left_quotient(self, W: Tensor, H: Tensor, floor: float) -> Tensor:
        """Wᵀ(X/(WH)), (S, r, n). The quotient is zero where X is."""
        transpose = self.mT
        products = []
        for w, h in zip(W, H, strict=True):
            quotient = transpose.values / transpose.product_at(h.mT, w.mT).clamp(min=floor)
            products.append((_csr_like(transpose.csr, quotient) @ w).mT)
        return torch.stack(products)

    def logarithms(self, W: Tensor, H: Tensor, floor: float) -> Tensor:
        """Σ x log v (S,), V = WH kept at or above ``floor``, in double precision."""
        x = self.values
        return torch.stack(
            [torch.xlogy(x, self.product_at(w, h).clamp(min=floor)).double().sum() for w, h in zip(W, H, strict=True)]
        )

    def product_at(self, W: Tensor, H: Tensor) -> Tensor:
        """(WH)_ij at the stored entries of X, for one restart's W (m, r) and H (r, n)."""
        zeros = _csr_like(self.csr, torch.zeros_like(self.values))
        return torch.sparse.sampled_addmm(zeros, W.contiguous(), H.contiguous()).values()


def canonical(X: Any) -> Any:
    """A scipy sparse X in compressed rows, sorted and without duplicates. X itself is never changed."""
    csr = X.tocsr()
    if not csr.has_canonical_format:
        csr = csr.copy()
        csr.sum_duplicates()
    return csr


def _csr_like(pattern: Tensor, values: Tensor) -> Tensor:
    indices = pattern.crow_indices(), pattern.col_indices()
    return torch.sparse_csr_tensor(*indices, values, pattern.shape, check_invariants=False)


def squared_distance(X: SparseMatrix, W: Tensor, H: Tensor) -> Tensor:
    """‖X − WH‖², (…,), without forming WH: ‖X‖² − 2⟨WᵀX, H⟩ + ⟨WᵀW, HHᵀ⟩ in double precision."""
    cross = ((W.mT @ X).double() * H.double()).sum((-2, -1))
    gram = ((W.mT @ W).double() * (H @ H.mT).double()).sum((-2, -1))
    return (X.values.double().square().sum() - 2 * cross + gram).clamp(min=0)
