"""Layer-centric deep matrix factorization: its limits, its constraints, and that nothing rises."""

import numpy as np
import pytest
import torch
from contract import states
from scipy.optimize import linear_sum_assignment

from nmfbench import fit, load_dataset
from nmfbench.errors import ConfigError
from nmfbench.numerics import hierarchies, volume
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.deep_kl import DeepKL
from nmfbench.solvers.lc_dmf import LayerCentricDMF


@pytest.mark.parametrize("sums", ["W", "H", "Ht"])
@pytest.mark.parametrize("alpha", [None, [0.5, 0.2, 0.1]])
def test_no_sweep_raises_the_objective_and_the_sums_are_one(
    sums: str, alpha: list[float] | None, X: np.ndarray
) -> None:
    solver = LayerCentricDMF(ranks=[6, 4, 2], sums=sums, alpha=alpha, pretrain=20)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=80, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]
    found = result.factorization
    totals = {"W": [W.sum(0) for W in found.Ws], "H": [H.sum(1) for H in found.Hs], "Ht": [H.sum(0) for H in found.Hs]}
    for total in totals[sums]:
        torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-9, atol=0)


def test_mixtures_of_known_bases_are_recovered_with_their_shares() -> None:
    """Samples are mixtures of three bases that stand among them: least squares leave no other mixtures."""
    rng = np.random.default_rng(0)
    W, H = rng.uniform(size=(12, 3)), rng.dirichlet(np.ones(3), 60).T
    H[:, :3] = np.eye(3)
    solver = LayerCentricDMF(ranks=[3], sums="Ht", alpha=[0.01], delta=1e-3, pretrain=100)
    (result,) = fit(solver, W @ H, stopping=Stopping(max_iter=300), dtype="float64")
    found = result.factorization
    order = linear_sum_assignment(-np.corrcoef(found.Hs[0], H)[:3, 3:].T)[1]
    assert np.abs(found.Hs[0].numpy()[order] - H).max() < 0.05
    assert np.abs(found.Ws[0].numpy()[:, order] - W).max() < 0.05


def test_start_of_mixtures_keeps_the_product_where_samples_are_mixtures() -> None:
    rng = np.random.default_rng(0)
    W, H = rng.uniform(size=(1, 8, 3)), rng.dirichlet(np.ones(3), 20).T[None]
    H2 = rng.dirichlet(np.ones(2), 3).T[None]
    W2 = rng.uniform(size=(1, 8, 2))
    W = W / W.sum(1, keepdims=True)  # then columns of X have equal sums
    X = torch.from_numpy(W[0] @ H[0])
    D = rng.uniform(0.5, 2, 3)
    Ws, Hs = ([torch.from_numpy(F) for F in factors] for factors in ((W * D, W2), (H / D[:, None], H2)))
    hierarchies.mix(X, Ws, Hs)
    torch.testing.assert_close((Ws[0] @ Hs[0])[0], X)
    torch.testing.assert_close(Hs[0], torch.from_numpy(H))


def test_rows_of_sum_one_without_volume_are_the_deep_method_at_beta_two(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    reached = []
    for solver in (
        LayerCentricDMF(ranks=[5, 3], sums="H", pretrain=30),
        DeepKL(ranks=[5, 3], beta=2.0, pretrain=30),
    ):
        iterates = states(solver, problem, [0, 1])
        reached.append([next(iterates) for _ in range(15)][-1])
    torch.testing.assert_close(reached[0].reconstruct(), reached[1].reconstruct(), rtol=1e-7, atol=1e-9)


def test_layers_weigh_the_same_at_the_start_however_far_apart_their_costs() -> None:
    # Entries of X up to 255, of W_1 about 1/m: the costs differ ten orders of magnitude.
    problem = Problem(torch.from_numpy(255 * load_dataset("orl_28x23").X))
    state = next(states(LayerCentricDMF(ranks=[20, 10], pretrain=20), problem, [0]))
    costs = hierarchies.costs(problem, state.Ws, state.Hs, 2.0)
    assert costs[0, 0] > 1e9 * costs[0, 1]
    torch.testing.assert_close(state.weights * costs, costs[:, :1].expand(-1, 2))


def test_one_layer_reaches_the_error_of_plain_nmf(X: np.ndarray) -> None:
    from nmfbench.solvers.mu import MultiplicativeNMF

    (plain,) = fit(MultiplicativeNMF(rank=4), X, stopping=Stopping(max_iter=3000), dtype="float64")
    (deep,) = fit(LayerCentricDMF(ranks=[4], pretrain=50), X, stopping=Stopping(max_iter=200), dtype="float64")
    assert deep.objective == pytest.approx(plain.objective, rel=0.02)


def test_volume_penalty_shrinks_the_volume(X: np.ndarray) -> None:
    volumes = []
    for alpha in (0.0, 5.0):
        solver = LayerCentricDMF(ranks=[4, 2], alpha=[alpha, alpha], pretrain=50)
        (result,) = fit(solver, X, stopping=Stopping(max_iter=40), dtype="float64")
        volumes.append(volume.log_det(result.factorization.Ws[0][None]).item())
    assert volumes[1] < volumes[0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sums": "X"}, "sums must be one of W, H, Ht, got 'X'"),
        ({"alpha": [1.0]}, "alpha must be one nonnegative number a layer"),
        ({"delta": 0.0}, "delta must be positive, got 0.0"),
        ({"inner": 0}, "inner must be at least 1, got 0"),
        ({"pretrain": -1}, "pretrain must be at least 0, got -1"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LayerCentricDMF(ranks=[4, 2], **changes)
