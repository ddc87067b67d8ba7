"""Deep NMF with β-divergences: each block against its subproblem, the limits, and that nothing rises."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from contract import states

from nmfbench import fit, load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics import hierarchies, inits, losses
from nmfbench.numerics.factorization import Hierarchy
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Solver, Stopping
from nmfbench.solvers.deep_kl import DeepKL
from nmfbench.solvers.deep_kl_minvol import MinVolDeepKL
from nmfbench.solvers.lc_dmf import LayerCentricDMF
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.multilayer_kl import MultilayerKL

betas = pytest.mark.parametrize("beta", hierarchies.BETAS)
EPS = 1e-300


def block(seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Y (2, 7, 9), W (2, 7, 4), H (2, 4, 9) with rows of sum one, W̄ (2, 7, 4)."""
    rng = np.random.default_rng(seed)
    Y, W, H, above = (torch.from_numpy(rng.uniform(0.1, 1, shape)) for shape in ((7, 9), (7, 4), (4, 9), (7, 4)))
    return tuple(torch.stack([t, t.flip(0)]) for t in (Y, W, H / H.sum(-1, keepdim=True), above))


def majoriser(Y: torch.Tensor, V: torch.Tensor, W: torch.Tensor, w: torch.Tensor, H: torch.Tensor, beta: float):
    """A majoriser of D_β(Y, wH) in w at W, up to a constant: Jensen where convex, the tangent where concave."""
    u = w / W
    p, q = (Y * V ** (beta - 2)) @ H.mT * W, V ** (beta - 1) @ H.mT * W
    if beta == 1:
        return (q * u - p * u.log()).sum((-2, -1))
    if beta < 1:
        power = u ** (beta - 1)
        return (q * u - p * power / (beta - 1)).sum((-2, -1))
    return (q * u**beta / beta - p * u ** (beta - 1) / (beta - 1)).sum((-2, -1))


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("lam", [1e-6, 0.3, 1.0, 50.0])
def test_bases_step_minimises_the_majoriser_with_the_next_layer(beta: float, lam: float) -> None:
    Y, W, H, above = block()
    lams = torch.full((2, 1, 1), lam, dtype=torch.float64)
    found = hierarchies.bases_step(Y, W, H, above, lams, beta, EPS)

    def cost(w: torch.Tensor) -> torch.Tensor:
        return majoriser(Y, W @ H, W, w, H, beta) + lam * losses.beta_divergence(w, above, beta)

    w = found.clone().requires_grad_()
    cost(w).sum().backward()
    assert (w.grad.abs() < 1e-7 * (1 + lam)).all()
    at = cost(found)
    for direction in torch.randn(20, *found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        assert (cost(found + 1e-4 * direction * found) >= at - 1e-12).all()


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0, 1.5])
def test_codes_step_minimises_the_majoriser_under_its_row_sums(beta: float) -> None:
    Y, W, H, _ = block(1)
    found = hierarchies.codes_step(Y, W, H, beta, EPS)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 4, dtype=torch.float64), rtol=1e-12, atol=1e-12)

    def cost(h: torch.Tensor) -> torch.Tensor:
        return majoriser(Y.mT, (W @ H).mT, H.mT, h.mT, W.mT, beta)

    h = found.clone().requires_grad_()
    cost(h).sum().backward()
    # Along a row the gradient is constant: no move that keeps the sum lowers it.
    assert (h.grad - h.grad.mean(-1, keepdim=True)).abs().max() < 1e-8 * h.grad.abs().max()
    at = cost(found)
    for direction in torch.randn(20, *found.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        move = found * direction
        move = move - found * move.sum(-1, keepdim=True)
        assert (cost(found + 1e-4 * move) >= at - 1e-12).all()


def test_quadratic_blocks_reach_the_constrained_minimum() -> None:
    Y, W, H, above = block(2)
    lam = torch.tensor([0.3, 2.0], dtype=torch.float64).reshape(2, 1, 1)
    for _ in range(100):
        W = hierarchies.bases_step(Y, W, H, above, lam, 2.0, EPS)
    gradient = (W @ H - Y) @ H.mT + lam * (W - above)
    assert (gradient * W).abs().max() < 1e-7 and gradient.min() > -1e-7
    for _ in range(200):
        H = hierarchies.codes_step(Y, W, H, 2.0, EPS)
    gradient = W.mT @ (W @ H - Y)
    least = gradient.amin(-1, keepdim=True)
    assert ((gradient - least) * (H > 1e-9)).abs().max() < 1e-6


@betas
def test_no_block_of_a_sweep_raises_the_objective(beta: float, X: np.ndarray, monkeypatch) -> None:
    problem, solver = Problem(torch.from_numpy(X)), DeepKL(ranks=[6, 4, 2], beta=beta, pretrain=20)
    iterates = states(solver, problem, [0, 1])
    state = next(iterates)
    Ws, Hs, weights = list(state.Ws), list(state.Hs), state.weights
    objectives = [solver.objective(problem, state)]

    def watched(step, factors: list[torch.Tensor], at: int):
        def watching(*arguments):
            updated = step(*arguments)
            (l,) = (l for l, F in enumerate(factors) if F is arguments[at])
            factors[l] = updated
            objectives.append(solver.objective(problem, Hierarchy(tuple(Ws), tuple(Hs), weights)))
            return updated

        return watching

    for name, factors, at in (("codes_step", Hs, 2), ("bases_step", Ws, 1), ("top_step", Ws, 1)):
        monkeypatch.setattr(hierarchies, name, watched(getattr(hierarchies, name), factors, at))
    for _ in range(30):
        state = next(iterates)
        assert all(map(torch.equal, (*state.Ws, *state.Hs), (*Ws, *Hs))), "a block was updated elsewhere"
    assert len(objectives) == 1 + 30 * 6
    for before, after in pairwise(objectives):
        assert (after <= before * (1 + 1e-10)).all()


@betas
@pytest.mark.parametrize("dataset", ["orl_28x23", "cbcl"])
def test_no_sweep_raises_the_objective_on_real_faces(beta: float, dataset: str, request) -> None:
    if dataset == "cbcl":
        request.getfixturevalue("data_dir")
    X = load_dataset(dataset).X[::9]
    X = X[:, :: X.shape[1] // 40] + 1e-3
    solver = DeepKL(ranks=[8, 4], beta=beta, pretrain=20)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=300, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.5])
def test_vanishing_upper_weights_leave_the_first_layer_of_the_multilayer_method(beta: float, X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    solver = DeepKL(ranks=[5, 3], beta=beta, weights=[1.0, 1e-9], pretrain=3)
    iterates = states(solver, problem, [4])
    state = next(iterates)
    W, H = state.Ws[0], state.Hs[0]
    for _ in range(20):
        after = next(iterates)
        H = hierarchies.codes_step(problem.X, W, H, beta, EPS)
        W = hierarchies.top_step(problem.X, W, H, beta, EPS)
    torch.testing.assert_close(after.Ws[0] @ after.Hs[0], W @ H, rtol=1e-5, atol=1e-8)


def test_one_layer_ends_where_shallow_kullback_leibler_nmf_is_at_rest(X: np.ndarray, monkeypatch) -> None:
    stopping = Stopping(max_iter=5000, check_every=5000)
    (deep,) = fit(DeepKL(ranks=[3], pretrain=0), X, stopping=stopping, dtype="float64")
    W, H = deep.factorization.Ws[0], deep.factorization.Hs[0]
    monkeypatch.setattr(inits, "start", lambda *_: (W[None], H[None]))
    (shallow,) = fit(MultiplicativeNMF(rank=3, beta=1.0), X, stopping=Stopping(max_iter=1), dtype="float64")
    torch.testing.assert_close(shallow.factorization.H, H, rtol=0, atol=1e-5)
    torch.testing.assert_close(shallow.factorization.W, W, rtol=0, atol=1e-4)


def test_first_layer_of_the_multilayer_method_is_multiplicative_kullback_leibler(X: np.ndarray) -> None:
    problem, solver = Problem(torch.from_numpy(X)), MultilayerKL(ranks=[4, 2])
    iterates = states(solver, problem, [1])
    W, H = next(iterates).Ws[0], next(states(solver, problem, [1])).Hs[0]
    for _ in range(30):
        after = next(iterates)
        H = H * (W.mT @ (problem.X / (W @ H))) / W.sum(-2)[..., None]
        W = W * ((problem.X / (W @ H)) @ H.mT) / H.sum(-1)[:, None]
    torch.testing.assert_close(after.Ws[0] @ after.Hs[0], W @ H, rtol=1e-9, atol=1e-12)
    assert torch.equal(after.Ws[0].amax(-2), torch.ones(1, 4, dtype=torch.float64))


def test_first_layer_of_the_multilayer_method_is_that_of_nn_fac(X: np.ndarray) -> None:
    nmf = pytest.importorskip("nn_fac.nmf").nmf
    problem, solver = Problem(torch.from_numpy(X)), MultilayerKL(ranks=[4])
    start = next(states(solver, problem, [1]))
    # It updates its first factor first, and ours is H.
    H0, W0 = start.Hs[0][0].mT.numpy().copy(), start.Ws[0][0].mT.numpy().copy()
    H, W = nmf(X.T, 4, "custom", H0, W0, n_iter_max=40, tol=0, update_rule="mu", beta=1)[:2]
    (ours,) = fit(solver, X, seeds=[1], stopping=Stopping(max_iter=40), dtype="float64")
    np.testing.assert_allclose(ours.factorization.reconstruct(), (H @ W).T, rtol=1e-8)


def test_scaling_changes_no_layer_and_makes_the_sums_one() -> None:
    rng = np.random.default_rng(0)
    Ws = [torch.from_numpy(rng.uniform(size=(2, 6, r))) for r in (4, 3, 2)]
    Hs = [torch.from_numpy(rng.uniform(size=(2, r, n))) for r, n in ((4, 8), (3, 4), (2, 3))]
    for of, sums in (("H", lambda: [H.sum(-1) for H in Hs]), ("W", lambda: [W.sum(-2) for W in Ws])):
        relative = [W @ H for W, H in zip(Ws, Hs, strict=True)]
        data = list(Ws)
        hierarchies.scale(Ws, Hs, of=of)
        for total in sums():
            torch.testing.assert_close(total, torch.ones_like(total))
        # Layer l + 1 follows what the scaling did to the bases that it factors.
        torch.testing.assert_close(Ws[0] @ Hs[0], relative[0])
        for l in (1, 2):
            D = Ws[l - 1] / data[l - 1]
            torch.testing.assert_close(Ws[l] @ Hs[l], relative[l] * D)


def test_weights_are_one_over_the_cost_at_the_start(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    solver = DeepKL(ranks=[5, 3])
    state = next(states(solver, problem, [0]))
    cost = hierarchies.costs(problem, state.Ws, state.Hs, 1.0)
    torch.testing.assert_close(state.weights * cost, cost[:, :1].expand(-1, 2))
    given = next(states(DeepKL(ranks=[5, 3], weights=[4, 1]), problem, [0]))
    assert given.weights.tolist() == [[4, 1]]


@pytest.mark.parametrize("scale", [1e-30, 255.0, 1e30])
@pytest.mark.parametrize(
    "solver",
    [
        MultilayerKL(ranks=[5, 3]),
        *(DeepKL(ranks=[5, 3], beta=beta, pretrain=20) for beta in hierarchies.BETAS),
        MinVolDeepKL(ranks=[5, 3], pretrain=20),
        LayerCentricDMF(ranks=[5, 3], alpha=[0.5, 0.5], pretrain=20),
        LayerCentricDMF(ranks=[5, 3], sums="H", pretrain=20),
    ],
    ids=lambda solver: f"{type(solver).__name__} {getattr(solver, 'beta', getattr(solver, 'sums', ''))}",
)
def test_scale_of_X_does_not_matter(solver: Solver, scale: float, X: np.ndarray) -> None:
    (plain,), (scaled,) = (fit(solver, c * X, stopping=Stopping(max_iter=10), dtype="float64") for c in (1.0, scale))
    torch.testing.assert_close(scaled.factorization.reconstruct() / scale, plain.factorization.reconstruct())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"beta": 3.0}, "beta must be one of 0.0, 0.5, 1.0, 1.5, 2.0, got 3.0"),
        ({"weights": [1.0]}, r"weights must be one positive number a layer \(2\), got \[1.0\]"),
        ({"weights": [1.0, 0.0]}, "weights must be one positive number"),
        ({"pretrain": -1}, "pretrain must be at least 0, got -1"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DeepKL(ranks=[4, 2], **changes)


def test_itakura_saito_refuses_zeros(X: np.ndarray) -> None:
    X[0, 0] = 0
    with pytest.raises(NotApplicable, match="infinite where X is 0"):
        fit(DeepKL(ranks=[4, 2], beta=0.0), X)
