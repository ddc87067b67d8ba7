"""Deep multiplicative updates: their limits, and that no block raises the objective."""

import numpy as np
import pytest
import torch

from nmfbench import fit
from nmfbench.errors import ConfigError
from nmfbench.numerics import inits
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.deep_mu import DeepMU
from nmfbench.solvers.mu import MultiplicativeNMF


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_one_layer_is_the_shallow_method(lam: float, X: np.ndarray, monkeypatch) -> None:
    solver, problem = DeepMU(ranks=[4], lam=lam), Problem(torch.from_numpy(X))
    start = next(solver.iterates(problem, Streams([2])))
    # The methods draw from streams of different names.
    monkeypatch.setattr(inits, "start", lambda *_: (start.Ws[0], start.H))
    deep, shallow = (
        fit(method, X, seeds=[2], stopping=Stopping(max_iter=20), dtype="float64")[0]
        for method in (solver, MultiplicativeNMF(rank=4, lam=lam))
    )
    torch.testing.assert_close(
        deep.factorization.reconstruct(), shallow.factorization.reconstruct(), rtol=1e-10, atol=0
    )
    assert deep.objective == pytest.approx(shallow.objective, rel=1e-10)


@pytest.mark.parametrize("ranks", [[3], [2, 4], [2, 3, 4], [5, 3]])
@pytest.mark.parametrize("lam", [0.0, 0.1, 10.0])
def test_objective_never_rises(ranks: list[int], lam: float, X: np.ndarray) -> None:
    (result,) = fit(DeepMU(ranks=ranks, lam=lam), X, stopping=Stopping(max_iter=200, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]


def test_fixed_point_has_no_descent_direction(X: np.ndarray) -> None:
    solver, problem = DeepMU(ranks=[2, 3], lam=0.05), Problem(torch.from_numpy(X))
    (result,) = fit(solver, X, stopping=Stopping(max_iter=7000, check_every=1000), dtype="float64")
    state = result.factorization.map(lambda F: F[None].requires_grad_())
    solver.objective(problem, state).backward()
    for F in (*state.Ws, state.H):
        # Karush–Kuhn–Tucker: no gradient where an entry is positive, none inward where it is zero.
        assert (F.grad * F).abs().max() < 1e-4 and F.grad.min() > -1e-2


def test_start_has_the_mean_of_the_data(X: np.ndarray) -> None:
    start = next(DeepMU(ranks=[30, 40]).iterates(Problem(torch.from_numpy(X)), Streams(range(20))))
    assert start.reconstruct().mean().item() == pytest.approx(X.mean(), rel=0.1)


def test_codes_and_ranks_are_those_of_the_paper(X: np.ndarray) -> None:
    assert DeepMU(rank=40).ranks == [20, 40]
    (result,) = fit(DeepMU(ranks=[2, 4]), X, stopping=Stopping(max_iter=2), dtype="float64")
    W1, W2, H = (result.factorization.factors[name] for name in ("W1", "W2", "H"))
    torch.testing.assert_close(result.factorization.codes, [H, W1 @ H])
    torch.testing.assert_close(result.factorization.reconstruct(), W2 @ W1 @ H)
    with pytest.raises(ConfigError, match="lam must be nonnegative, got -1"):
        DeepMU(rank=2, lam=-1)
