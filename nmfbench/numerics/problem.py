"""The data to factorize, and the knowledge about it that a solver may use."""

import math
import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from torch import Tensor

from nmfbench.errors import ConfigError, DataError
from nmfbench.numerics.penalised import longest
from nmfbench.numerics.pieces import as_stored, mean, pieces, summed
from nmfbench.numerics.plain import real_matrix
from nmfbench.numerics.sparse import SparseMatrix, canonical

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(frozen=True)
class Problem:
    """The data that a solver factorizes, and all that it may know about it.

    Parameters
    ----------
    X: (m features, n samples), on the device and in the dtype of the fit; a SparseMatrix where the data is sparse and
        the solver accepts that.
    shape: image shape (height, width) of a sample; None: samples are not images.
    labels: labels (n,), only for solvers that declare `uses_labels`; None: there are none.
    labelled: mask (n,) of the labels that may be used; None: none may.
    observed: mask (m, n), True where an entry of a dense X is observed; None: all are. `place` puts the mean of the
        feature's observed entries where it is False.
    views: number of features of each view, in the order of the rows of X; None: X is one view.
    """

    X: Tensor
    shape: tuple[int, ...] | None = None
    labels: Tensor | None = None
    labelled: Tensor | None = None
    observed: Tensor | None = None
    views: tuple[int, ...] | None = None

    @cached_property
    def by_view(self) -> "list[Problem]":
        """The rows of each view as a problem of their own, for a dense X; X itself where it is one view."""
        return [self] if self.views is None else [Problem(X) for X in self.X.split(self.views)]

    @property
    def entries(self) -> Tensor:
        """The entries of a dense X, the stored ones of a sparse X, in the order of memory."""
        return self.X.values if isinstance(self.X, SparseMatrix) else as_stored(self.X)

    @cached_property
    def extremes(self) -> tuple[float, float]:
        """The smallest and the largest of `entries`, NaN if one of them is; (0, 0) if there are none."""
        return tuple(torch.stack(self.entries.aminmax()).tolist()) if self.entries.numel() else (0.0, 0.0)

    @cached_property
    def unit(self) -> float:
        """The largest absolute entry of X, or 1 if X is zero: the unit of weights that papers print without one.

        Scaled by the largest entry, as most data here is, X has the unit 1 exactly.
        """
        return max(map(abs, self.extremes)) or 1.0

    @cached_property
    def mean(self) -> float:
        """The mean of all entries of X, summed in double precision: sums of huge float32 entries overflow early."""
        return mean(self.X)

    @cached_property
    def mean_size(self) -> float:
        """The mean of the absolute entries of a dense X."""
        return self.mean if self.extremes[0] >= 0 else summed(self.X, torch.abs_) / self.X.numel()

    @cached_property
    def square(self) -> float:
        """‖X‖², summed in double precision."""
        return summed(self.entries, torch.square_)

    @cached_property
    def longest(self) -> float:
        """The length of the longest sample."""
        return float(longest(self.X, dim=-2))

    @cached_property
    def entropy(self) -> float:
        """Σ x log x − x over the entries, for X ≥ 0: what the Kullback–Leibler divergence has besides the product."""
        return summed(self.entries, lambda x: torch.xlogy(x, x) - x)

    @cached_property
    def weights(self) -> Tensor | None:
        """(m, n), 1 where an entry is observed and 0 where it is missing, in the dtype of X; None: all are observed."""
        return None if self.observed is None else self.observed.to(self.X.dtype)

    @cached_property
    def by_sample(self) -> Tensor:
        """X with each sample contiguous: products with a dense X are then the fastest, 10 % on ORL."""
        return self.X if isinstance(self.X, SparseMatrix) else self.X.mT.contiguous().mT

    def fillable(self) -> "Problem":
        """The same problem with an X of its own, which `fill` may change."""
        own = replace(self, X=self.by_sample.clone())
        # Weights are relative to these numbers, which therefore stay those of the start.
        vars(own).update({name: getattr(self, name) for name in ("extremes", "unit", "mean", "square", "longest")})
        return own

    def fill(self, W: Tensor, H: Tensor) -> None:
        """Put the entries of WH, W (m, r) and H (r, n), where X is missing, in place.

        A step from WH that does not raise D(X, ·) then does not raise the loss over the observed entries either:
        D(X, ·) is nowhere below it and touches it at WH, since d(v, v) = 0. Zhang, Wang, Ford & Makedon (2006), EM.
        """
        assert self.observed is not None
        for (rows, columns), x, V in pieces(self.X, W.mT[None], H[None]):
            x.copy_(torch.where(self.observed[rows, columns], x, V[0]))


def check_device(device: str) -> torch.device:
    """The torch device, or ConfigError when the name is unknown or the device is missing."""
    if device == "":  # for torch this is the CPU
        raise ConfigError("device is empty; device=cpu, cuda or cuda:N")
    try:
        checked = torch.device(device)
    except (RuntimeError, TypeError):
        raise ConfigError(f"device must be cpu, cuda or cuda:N, got {device!r}") from None
    if checked.type == "cuda" and not 0 <= (checked.index or 0) < torch.cuda.device_count():  # cuda:999 gets index −25
        n = torch.cuda.device_count()
        raise ConfigError(f"device={device} was asked for, but torch sees {n or 'no'} CUDA devices; use device=cpu")
    if checked.type not in ("cpu", "cuda"):
        raise ConfigError(f"device must be cpu, cuda or cuda:N, got {device!r}")
    return checked


def place(
    X: Any,
    dtype: str = "float32",
    device: str = "cpu",
    shape: tuple[int, ...] | None = None,
    observed: Any = None,
    views: tuple[int, ...] | None = None,
) -> Problem:
    """The problem of factorizing X, on its device and in its dtype; sparse X stays sparse.

    ``shape`` is the image shape of a sample. ``observed`` (m, n) is False where X is missing and may hold anything.
    ``views`` are the numbers of features of its views. Raises ConfigError unless X is a real matrix, ``observed`` a
    mask of it and ``views`` fit it; DataError for NaN or infinite entries, with the place of the first, and for a
    feature or sample without an observed entry.
    """
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    on, kind = check_device(device), DTYPES[dtype]
    if type(X).__module__.partition(".")[0] == "pandas":
        raise ConfigError(
            "X is a table of pandas, whose rows are samples by custom, and here they are columns: X.T.to_numpy() for "
            "samples in rows, X.to_numpy() for features in rows"
        )
    X = real_matrix(X)
    if issparse(X):
        X = canonical(X)
        placed: Any = SparseMatrix.of(X, kind, on)
        given, values = torch.from_numpy(X.data), placed.values
    else:
        given = _tensor(X)
    mask = None if observed is None else _mask(observed, X)
    if mask is not None:
        given = given.double()
        # Divided first, because a sum of huge entries overflows.
        means = torch.where(mask, given / mask.sum(1, keepdim=True), 0).sum(1, keepdim=True)
        # Both are stored as `by_sample`.
        given = torch.where(mask, given, means).mT.contiguous().mT
        mask = mask.to(on).mT.contiguous().mT
    if not issparse(X):
        placed = values = given.to(on, kind)
    if views is not None and (min(views, default=0) < 1 or sum(views) != X.shape[0]):
        raise ConfigError(f"views must be numbers of features ≥ 1 whose sum is {X.shape[0]}, got {views}")
    problem = Problem(placed, shape, observed=mask, views=views)
    if not all(map(math.isfinite, problem.extremes)):
        bad = ~values.isfinite() if mask is None else ~values.isfinite() & mask
        raise DataError(
            f"X has {int(bad.sum())} entries that are NaN or infinite in {dtype}, {_first(bad, X)}; if NaN marks "
            "missing ones: fit(solver, X, observed=~np.isnan(X))"
        )
    # A cast makes no entry of a zero, so counting is enough where none has vanished.
    narrows = given.dtype == torch.float64 and kind != torch.float64
    if narrows and given.count_nonzero().item() != values.count_nonzero().item():
        small = torch.finfo(kind).eps ** 2 * given.abs().max()
        vanished = (values == 0) & (given.abs() > small).to(on)  # beside a larger entry, a smaller one is rounding
        if vanished.any():
            raise DataError(
                f"{int(vanished.sum())} entries of X vanish in {dtype}, {_first(vanished, X)}; scale X, or use "
                'dtype="float64"'
            )
    return problem


def _mask(observed: Any, X: Any) -> Tensor | None:
    """The mask of X (m, n) as a tensor; None if it hides nothing."""
    if issparse(X):
        raise ConfigError("a mask of observed entries needs a dense X, and X is sparse: X.toarray()")
    mask = real_matrix(observed, "observed")
    if issparse(mask) or str(mask.dtype).removeprefix("torch.") != "bool" or mask.shape != X.shape:
        raise ConfigError(
            f"observed must be True or False for each entry of X, of shape {tuple(X.shape)}, got {mask.dtype} of shape "
            f"{tuple(mask.shape)}"
        )
    mask = _tensor(mask).to(X.device if isinstance(X, Tensor) else "cpu")
    for axis, noun in enumerate(("sample", "feature")):
        if (unseen := ~mask.any(axis)).any():
            raise DataError(
                f"{int(unseen.sum())} {noun}s of X have no observed entry, the first {noun} {int(unseen.nonzero()[0])} "
                "(counted from 0); leave them out"
            )
    return None if mask.all() else mask


def _first(which: Tensor, X: Any) -> str:
    """The place of the first of these entries of X, in words; of a sparse X, in compressed rows, the stored entries."""
    at = which.nonzero()[0].tolist()
    if issparse(X):
        at = [int(np.searchsorted(X.indptr, at[0], "right")) - 1, int(X.indices[at[0]])]
    return f"the first at feature {at[0]}, sample {at[1]} (counted from 0)"


def _tensor(X: Any) -> Tensor:
    """The array as a tensor, on the same memory if possible, so that a memory-mapped file is not read."""
    if isinstance(X, Tensor):
        return X
    with warnings.catch_warnings():
        # Nothing writes to X, so a read-only array is harmless.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(X if min(X.strides) >= 0 else np.ascontiguousarray(X))
