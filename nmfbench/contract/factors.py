"""Claims about the factors at the end of a fit."""

from itertools import islice

import numpy as np
import torch

from nmfbench.contract.claim import Broken, NotClaimed, claim, require, require_close
from nmfbench.contract.subject import RANK, SEEDS, Subject, matrix, problem_of, states
from nmfbench.fitting import FitResult
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import DTYPES


def _fitted(result: FitResult) -> Factorization:
    """Return the factors of a fit. Raise Broken if it has none, although `fit_ends` is checked first."""
    require(result.factorization is not None, "factors", result.error)
    assert result.factorization is not None
    return result.factorization


@claim(*DTYPES)
def fit_ends(subject: Subject, dtype: str) -> None:
    """A fit ends without an error and with finite factors."""
    m, n = matrix().shape
    for result in subject.shared(dtype).results:
        got = f"{result.error} (seed {result.seed}, {m} × {n} matrix, rank {RANK})"
        require(result.error is None and result.factorization is not None, "50 iterations of finite factors", got)


@claim(*DTYPES)
def shapes(subject: Subject, dtype: str) -> None:
    """Factors have the dtype of X, codes a column a sample, and the reconstruction the shape of X."""
    m, n = matrix().shape
    for result in subject.shared(dtype).results:
        kind = _fitted(result)
        for name, factor in kind.factors.items():
            require(factor.dtype == DTYPES[dtype], f"{name} in {dtype}", factor.dtype)
            require(factor.ndim == 2, f"{name} of a single restart to be a matrix", f"shape {tuple(factor.shape)}")
        for l, codes in enumerate(kind.codes, start=1):
            one_a_sample = codes.ndim == 2 and codes.shape[1] == n
            require(one_a_sample, f"codes (r, {n}) of layer {l}", f"shape {tuple(codes.shape)}")
        size = tuple(kind.reconstruct().shape)
        require(size == (m, n), f"a reconstruction of shape {(m, n)}", size)


@claim()
def restart_axis(subject: Subject, dtype: str) -> None:
    """Each tensor has one entry a restart on its first axis, and the objective is one finite number a restart."""
    problem, S = problem_of(matrix()), len(SEEDS)
    with torch.no_grad():
        for state in islice(states(subject.solver, problem, SEEDS), 2):
            for name, factor in state.factors.items():
                stacked = factor.ndim == 3 and factor.shape[0] == S
                require(stacked, f"{name} ({S}, …) for {S} restarts: write .mT and dim=-1", tuple(factor.shape))
            objective = subject.solver.objective(problem, state)
            require(objective.shape == (S,), f"an objective of shape ({S},)", tuple(objective.shape))
            require(bool(objective.isfinite().all()), "a finite objective", objective.tolist())


@claim()
def layers_fit(subject: Subject, dtype: str) -> None:
    """Bases, codes and links of the layers fit together."""
    X = matrix()
    kind = _fitted(subject.shared().results[0])
    bases, codes, links = kind.bases, kind.codes, kind.links
    require(len(codes) == max(1, len(bases)), "as many codes as bases", f"{len(codes)} and {len(bases)}")
    require(len(links) == max(0, len(bases) - 1), "a link between any two layers", f"{len(links)} links")
    for link, below, above in zip(links, bases, bases[1:], strict=False):
        size = (above.shape[1], below.shape[1])
        require(link.shape == size, f"a link {size} between these bases", tuple(link.shape))
    if not bases:  # a control
        require_close(codes[0], kind.reconstruct(), "the codes of a method without bases, and its reconstruction")
        return
    if kind.layering == "convolution":
        single_layer = len(bases) == 1 and bases[0].shape[1] == RANK
        require(single_layer, f"one layer of {RANK} bases", [tuple(W.shape) for W in bases])
        return
    for l, (W, H) in enumerate(zip(bases, codes, strict=True), start=1):
        require(W.shape == (len(X), len(H)), f"bases ({len(X)}, {len(H)}) of layer {l}", tuple(W.shape))
    product = bases[-1] @ codes[-1] + getattr(kind, "mean", 0)  # principal components lack the mean
    require_close(product, kind.reconstruct(), "the product of the top layer's bases and codes, and reconstruct()")


@claim()
def links_hold(subject: Subject, dtype: str) -> None:
    """Links say how a layer is made of its neighbour."""
    kind = _fitted(subject.shared().results[0])
    bases, codes, links = kind.bases, kind.codes, kind.links
    if not links:
        raise NotClaimed("it has one layer")
    for l, link in enumerate(links):
        if kind.layering == "codes":
            require_close(bases[l + 1], bases[l] @ link.mT, f"bases of layer {l + 2}, and those below times the link")
        else:
            require_close(codes[l + 1], link @ codes[l], f"codes of layer {l + 2}, and the link times those below")
        if kind.layering == "product":
            require_close(
                bases[l] @ codes[l], kind.reconstruct(), f"bases times codes of layer {l + 1}, and the product"
            )


@claim(*DTYPES)
def nonnegative(subject: Subject, dtype: str) -> None:
    """Factors are ≥ 0 where `nonnegative` says so."""
    promised = subject.solver.nonnegative
    if promised not in ("all", "codes"):
        raise NotClaimed(f"nonnegative is {promised!r}")
    for result in subject.shared(dtype).results:
        kind = _fitted(result)
        named = {f"codes of layer {l}": H for l, H in enumerate(kind.codes, start=1)}
        if promised == "all":
            named |= kind.factors
        for name, factor in named.items():
            if (factor < 0).any():
                at = tuple(np.argwhere(factor.numpy() < 0)[0].tolist())
                raise Broken(f"expected {name} ≥ 0; got {factor[at].item():.6g} at {at}, seed {result.seed}")
