"""Accelerated proximal gradient against scipy's exact solver, and its promise never to rise."""

import numpy as np
import torch
from scipy.optimize import nnls

from nmfbench.numerics.optimizers import apg, spectral_norm


def problem(seed: int, m: int = 30, r: int = 6, n: int = 4) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A (2, m, r), B (2, m, n) of either sign and a start (2, r, n)."""
    rng = np.random.default_rng(seed)
    return (
        torch.from_numpy(rng.uniform(0, 1, (2, m, r))),
        torch.from_numpy(rng.normal(size=(2, m, n))),
        torch.from_numpy(rng.uniform(0, 1, (2, r, n))),
    )


def solve(A: torch.Tensor, B: torch.Tensor, P: torch.Tensor, steps: int) -> torch.Tensor:
    G = A.mT @ A
    return apg(P, lambda P: G @ P, A.mT @ B, spectral_norm(G), steps)


def test_apg_finds_the_nonnegative_least_squares_solution() -> None:
    A, B, start = problem(0)
    P = solve(A, B, start, 2000)
    for s in range(2):
        for j in range(B.shape[2]):
            np.testing.assert_allclose(P[s, :, j], nnls(A[s].numpy(), B[s, :, j].numpy())[0], atol=1e-10)


def test_apg_never_raises_the_objective() -> None:
    A, B, P = problem(1)
    values = []
    for steps in range(60):
        values.append((A @ solve(A, B, P, steps) - B).square().sum((-2, -1)))
    assert (torch.stack(values).diff(dim=0) <= 1e-12).all()


def test_apg_restart_in_a_batch_equals_the_run_alone() -> None:
    A, B, P = problem(2)
    batch = solve(A, B, P, 50)
    for s in range(2):
        torch.testing.assert_close(batch[s : s + 1], solve(A[s : s + 1], B[s : s + 1], P[s : s + 1], 50))


def test_spectral_norm_of_a_matrix_that_is_not_finite_raises_nothing() -> None:
    assert spectral_norm(torch.full((1, 3, 3), torch.nan)).isfinite().all()
