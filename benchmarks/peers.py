"""Our solvers and other people's that minimise ½‖X − WH‖² over W, H ≥ 0, each as steps from the same start.

Peers run in pieces of at least `PIECE` iterations, each a fit from the last one's factors without a tolerance; what a
fit checks of X is part of their time, 3 % at most. nn_fac evaluates the objective at every step and torchnmf at every
tenth, which is part of theirs too. NeuralNMF is left out: it solves an epoch's least squares in a loop over columns.
"""

from collections.abc import Callable, Iterator
from typing import Any

import nmfbench  # noqa: F401  Imported before torch to stop OpenMP's threads from spinning.

# isort: split
import numpy as np
import scipy.sparse
import torch

from nmfbench import ANLS, HALS, MultiplicativeNMF, Problem, Solver
from nmfbench.numerics.rng import Streams

Factors = tuple[np.ndarray | torch.Tensor, np.ndarray | torch.Tensor]
Steps = Callable[[Problem, int, int], Iterator[Factors]]
"""From a problem, rank and seed: the start, and then W (m, r) and H (r, n) after each step or piece of a fit."""

PIECE = 5
"""Iterations of a peer's fit at least: a tenth of those so far."""


Piece = Callable[[Any, np.ndarray, np.ndarray, int], Factors]
"""From X (m, n) as numpy or scipy has it, W, H and a number of iterations, to the next W and H."""


def ours(kind: Callable[..., Solver], **settings: Any) -> Steps:
    def steps(problem: Problem, rank: int, seed: int) -> Iterator[Factors]:
        for state in kind(rank=rank, **settings).iterates(problem, Streams((seed,))):
            yield state.W[0], state.H[0]

    return steps


def peer(piece: Piece, least: int = PIECE) -> Steps:
    """The steps of a peer, in pieces of at least so many iterations."""

    def steps(problem: Problem, rank: int, seed: int) -> Iterator[Factors]:
        state = next(HALS(rank=rank).iterates(problem, Streams((seed,))))
        W, H, done = state.W[0].numpy().copy(), state.H[0].numpy().copy(), 0
        X = as_numpy(problem)
        while True:
            yield W, H
            iterations = max(least, done // 10)
            W, H = piece(X, W, H, iterations)
            done += iterations

    return steps


def as_numpy(problem: Problem) -> Any:
    """X (m, n) with each sample contiguous, as a scikit-learn user has it."""
    if isinstance(problem.X, torch.Tensor):
        return problem.by_sample.numpy()
    parts = (problem.X.csr_t.values(), problem.X.csr_t.col_indices(), problem.X.csr_t.crow_indices())
    m, n = problem.X.shape
    return scipy.sparse.csr_matrix(tuple(part.numpy() for part in parts), shape=(n, m)).T


def scikit_learn(solver: str, beta: float = 2) -> Piece:
    from sklearn.decomposition import non_negative_factorization

    settings = {"init": "custom", "solver": solver, "beta_loss": beta, "tol": 0}

    def piece(X: Any, W: np.ndarray, H: np.ndarray, iterations: int) -> Factors:
        factors = {"W": H.T.copy(), "H": W.T.copy()}
        codes, components, _ = non_negative_factorization(X.T, **factors, **settings, max_iter=iterations)
        return components.T, codes.T

    return piece


def torchnmf(beta: float = 2) -> Piece:
    from torchnmf.nmf import NMF

    def piece(X: Any, W: np.ndarray, H: np.ndarray, iterations: int) -> Factors:
        model = NMF(W=torch.from_numpy(H.T.copy()), H=torch.from_numpy(W.copy()))  # its W, our Hᵀ, is updated first
        model.fit(torch.from_numpy(X), beta=beta, tol=-np.inf, max_iter=iterations)
        return model.H.detach().numpy(), model.W.detach().numpy().T

    return piece


def nn_fac(rule: str) -> Piece:
    from nn_fac.nmf import nmf

    settings = {"init": "custom", "tol": -1, "update_rule": rule, "update_order": "VU"}
    return lambda X, W, H, iterations: nmf(X, len(H), U_0=W, V_0=H, n_iter_max=iterations, **settings)


def ssnmf() -> Piece:
    from ssnmf import SSNMF

    def piece(X: Any, W: np.ndarray, H: np.ndarray, iterations: int) -> Factors:
        # Its A, our Hᵀ, is updated first; without a mask in float32 it would work in float64.
        model = SSNMF(X.T, len(H), A=H.T, S=W.T, W=np.ones(X.T.shape, np.float32), tol=-np.inf)
        model.mult(numiters=iterations)
        return model.S.T, model.A.T

    return piece


def autograd(eta: float, decay: float, lr: float) -> Piece:
    """WNNF on all samples at once, as its authors would write it: torch's autograd and fused AdamW."""

    def piece(X: Any, W: np.ndarray, H: np.ndarray, iterations: int) -> Factors:
        data, phi = torch.from_numpy(X), torch.nn.LeakyReLU(eta)
        W_, H_ = (torch.from_numpy(F.copy()).requires_grad_() for F in (W, H))
        optimizer = torch.optim.AdamW([W_, H_], lr, weight_decay=decay, fused=True)
        for _ in range(iterations):
            optimizer.zero_grad()
            (data - phi(W_) @ phi(H_)).abs().sum(0).mean().backward()
            optimizer.step()
        return W_.detach().numpy(), H_.detach().numpy()

    return piece


METHODS: dict[str, Callable[[], Steps]] = {
    "mu": lambda: ours(MultiplicativeNMF),
    "mu inner": lambda: ours(MultiplicativeNMF, accelerate="inner"),
    "mu extrapolated": lambda: ours(MultiplicativeNMF, accelerate="extrapolated"),
    "hals": lambda: ours(HALS),
    "hals inner": lambda: ours(HALS, accelerate="inner"),
    "hals extrapolated": lambda: ours(HALS, accelerate="extrapolated"),
    "anls": lambda: ours(ANLS),
    "scikit-learn mu": lambda: peer(scikit_learn("mu")),
    "scikit-learn cd": lambda: peer(scikit_learn("cd")),
    "torchnmf": lambda: peer(torchnmf()),
    "nn_fac hals": lambda: peer(nn_fac("hals"), 1),
    "nn_fac mu": lambda: peer(nn_fac("mu")),
    "ssnmf": lambda: peer(ssnmf()),
}
DENSE_ONLY = ("torchnmf", "nn_fac hals", "nn_fac mu", "ssnmf")
