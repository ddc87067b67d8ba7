"""Minimum-volume deep KL-NMF: its W step is a minimiser, the paper's is not; the majorisers lie above."""

import numpy as np
import pytest
import torch

from nmfbench import fit, load_dataset
from nmfbench.errors import ConfigError
from nmfbench.numerics import hierarchies, losses, minvol, volume
from nmfbench.numerics.minvol import WBlock
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.deep_kl_minvol import MinVolDeepKL
from nmfbench.solvers.lc_dmf import LayerCentricDMF

ALPHA, RHO = 0.7, 3.0


def block() -> tuple[WBlock, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A block with its Y (1, 9, 8), W̃ (1, 9, 4), H (1, 4, 8) and V (1, 9, 4)."""
    rng = np.random.default_rng(0)
    Y, W, H, V = (torch.from_numpy(rng.uniform(0.05, 1, (1, *s))) for s in ((9, 8), (9, 4), (4, 8), (9, 4)))
    W, V = W / W.sum(-2, keepdim=True), V / V.sum(-2, keepdim=True)
    alpha = torch.full((1, 1, 1), ALPHA, dtype=torch.float64)
    return WBlock(Y, W, H, alpha, 1e-300), Y, W, H, V


def subproblem(Y: torch.Tensor, W: torch.Tensor, H: torch.Tensor, V: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """The paper's (24) in w: Jensen's majoriser of KL, its (20) of the log det, the quadratic."""
    B = (Y / (W @ H)) @ H.mT
    kl = (H.sum(-1)[:, None] * w - W * B * w.log()).sum()
    A = volume.inverse(W)
    step = w - W
    curvature = 2 * (W @ A.abs()) / W
    g = 2 * (step * (W @ A)).sum() + (curvature * step.square()).sum() / 2
    return kl + ALPHA * g + RHO / 2 * (w - V).square().sum()


def feasible_gain(as_printed: bool) -> float:
    """How much the best of many feasible perturbations of size 1e-4 lowers the subproblem at the step's result."""
    step, Y, W, H, V = block()
    found = step.minimum(-RHO * V, RHO if as_printed else RHO * W)
    torch.testing.assert_close(found.sum(-2), torch.ones(1, 4, dtype=torch.float64), rtol=1e-12, atol=0)
    at = subproblem(Y, W, H, V, found)
    generator = torch.Generator().manual_seed(0)
    gains = []
    for _ in range(300):
        move = torch.randn(found.shape, generator=generator, dtype=torch.float64) * found
        move = move - found * move.sum(-2, keepdim=True)
        gains.append((at - subproblem(Y, W, H, V, found + 1e-4 * move / move.abs().max())).item())
    return max(gains)


def test_bases_step_is_a_minimiser_of_its_subproblem() -> None:
    assert feasible_gain(as_printed=False) <= 1e-13


def test_step_as_the_paper_prints_it_is_not() -> None:
    assert feasible_gain(as_printed=True) > 1e-7


def test_top_step_without_the_quadratic_is_a_minimiser_too() -> None:
    step, Y, W, H, V = block()
    found = step.minimum()
    w = found.clone().requires_grad_()
    (subproblem(Y, W, H, V, w) - RHO / 2 * (w - V).square().sum()).backward()
    assert (w.grad - w.grad.mean(-2, keepdim=True)).abs().max() < 1e-8


def test_multipliers_are_found_on_as_many_rows_as_a_photograph_has() -> None:
    # A column of equal entries is where one entry alone, from which Newton starts, is farthest from the sum of one.
    rng = np.random.default_rng(0)
    m, one = 10304, torch.ones(1, 1, 1, dtype=torch.float64)
    Y, W, H = (torch.from_numpy(rng.uniform(0, 1, (1, *s)) ** 8) for s in ((m, 8), (m, 4), (4, 8)))
    W = W.clamp(min=hierarchies.EPS)
    W, V = W / W.sum(-2, keepdim=True), torch.full_like(W, 1 / m)
    step = WBlock(Y, W, H, one, 1e-300)
    w = step.minimum(-100 * V, 100 * W)
    slope = (step.C - 100 * V) * w - W * step.B + (step.T + 200 * W) / (2 * W) * w.square()
    # w times the derivative is −μw at the minimum.
    torch.testing.assert_close(slope, -step.mu * w, rtol=1e-8, atol=1e-12)


def test_without_a_penalty_the_top_step_is_multiplicative() -> None:
    _, Y, W, H, _ = block()
    zero = torch.zeros(1, 1, 1, dtype=torch.float64)
    found = WBlock(Y, W, H, zero, 1e-300).minimum()
    expected = W * ((Y / (W @ H)) @ H.mT) / H.sum(-1)[:, None]
    # With the column sums as constraint the multiplier replaces the row sums of H.
    torch.testing.assert_close(found, expected / expected.sum(-2, keepdim=True), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("variant", "exactness"), [("exact", 1e-9), ("admm", 5e-3)])  # 200 steps do not end it
def test_bases_step_below_the_top_minimises_over_both_layers(variant: str, exactness: float) -> None:
    step, Y, W, H, above = block()
    lam, one = 0.8, torch.ones(1, 1, 1, dtype=torch.float64)
    found = step.tangents(above, lam * one) if variant == "exact" else step.admm(above, one, one / lam, 1e-6, False)

    def cost(w: torch.Tensor) -> torch.Tensor:
        kl = (w * (w / above).log() - w + above).sum()
        return subproblem(Y, W, H, above, w) - RHO / 2 * (w - above).square().sum() + lam * kl

    w = found.clone().requires_grad_()
    cost(w).backward()
    assert (w.grad - w.grad.mean(-2, keepdim=True)).abs().max() < exactness


@pytest.mark.parametrize("delta", [1.0, 0.01])
@pytest.mark.parametrize("bound", [True, False])
@pytest.mark.parametrize("lam", [None, 1e-4, 0.8, 1e3])
@pytest.mark.parametrize("beta", [beta for beta in hierarchies.BETAS if beta != 1])
def test_bases_step_of_other_divergences_minimises_its_majoriser(
    beta: float, lam: float | None, bound: bool, delta: float
) -> None:
    _, Y, W, H, above = block()
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    arguments = (ALPHA * one, beta, 1e-300, delta, bound)
    found = minvol.bases_step(Y, W, H, None if lam is None else above, (lam or 0) * one, *arguments)

    def cost(w: torch.Tensor) -> torch.Tensor:
        """Jensen's majoriser where D_β is convex, its tangent where it is concave; the paper's (20) of the log det."""
        u, V = w / W, W @ H
        p, q = (Y * V ** (beta - 2)) @ H.mT * W, V ** (beta - 1) @ H.mT * W
        fit = (q * (u if beta < 1 else u**beta / beta) - p * (u ** (beta - 1)) / (beta - 1)).sum()
        A = volume.inverse(W, delta)
        tangent = 2 * ((w - W) * (W @ A)).sum() + ((W @ A.abs()) / W * (w - W).square()).sum()
        return fit + ALPHA * tangent + ((lam * losses.beta_divergence(w, above, beta).sum()) if lam else 0)

    w = found.clone().requires_grad_()
    cost(w).backward()
    slope = w.grad - w.grad.mean(-2, keepdim=True) if bound else w.grad
    assert slope.abs().max() < 1e-7 * (1 + (lam or 0))
    if bound:
        torch.testing.assert_close(found.sum(-2), torch.ones(1, 4, dtype=torch.float64), rtol=1e-12, atol=0)
    assert cost(found) < cost(W)


def test_bases_step_nears_that_of_kullback_leibler_as_beta_nears_one() -> None:
    step, Y, W, H, above = block()
    one = torch.ones(1, 1, 1, dtype=torch.float64)
    near = [minvol.bases_step(Y, W, H, a, 0.8 * one, ALPHA * one, 1 + 1e-7, 1e-300, 1.0, True) for a in (None, above)]
    torch.testing.assert_close(near[0], step.minimum(), rtol=1e-5, atol=0)
    torch.testing.assert_close(near[1], step.tangents(above, 0.8 * one), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("beta", hierarchies.BETAS)
def test_step_of_codes_with_columns_of_sum_one_minimises_its_majoriser(beta: float) -> None:
    _, Y, W, H, _ = block()
    H = H / H.sum(-2, keepdim=True)
    found = H
    for _ in range(300 if beta == 2 else 1):
        found = hierarchies.codes_step(Y, W, found, beta, 1e-300, "Ht")
    torch.testing.assert_close(found.sum(-2), torch.ones(1, 8, dtype=torch.float64), rtol=1e-12, atol=0)
    h = found.clone().requires_grad_()
    if beta == 2:  # the minimum itself
        losses.beta_divergence(Y, W @ h, 2).backward()
    else:
        V, u = W @ H, h / H
        p, q = W.mT @ (Y * V ** (beta - 2)) * H, W.mT @ V ** (beta - 1) * H
        power = u.log() if beta == 1 else u ** (beta - 1) / (beta - 1)
        (q * (u**beta / beta if beta > 1 else u) - p * power).sum().backward()
    inside = found > 1e-9
    mean = (h.grad * inside).sum(-2, keepdim=True) / inside.sum(-2, keepdim=True)
    assert ((h.grad - mean) * inside).abs().max() < 1e-6 and (h.grad - mean).min() > -1e-6


@pytest.mark.parametrize("sums", ["W", "H", "Ht"])
@pytest.mark.parametrize("beta", hierarchies.BETAS)
def test_no_sweep_raises_the_objective_on_real_faces(beta: float, sums: str) -> None:
    X = load_dataset("orl_28x23").X[::9, ::10] + 1e-3
    solver = MinVolDeepKL(ranks=[6, 3], beta=beta, sums=sums, alpha=[0.3, 0.3], delta=0.1, pretrain=20)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=40, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]
    found = result.factorization
    totals = {"W": [W.sum(0) for W in found.Ws], "H": [H.sum(1) for H in found.Hs], "Ht": [H.sum(0) for H in found.Hs]}
    for total in totals[sums]:
        torch.testing.assert_close(total, torch.ones_like(total), rtol=1e-9, atol=0)


@pytest.mark.parametrize("sums", ["W", "H", "Ht"])
def test_beta_two_has_the_objective_of_the_frobenius_method(sums: str, X: np.ndarray) -> None:
    settings = {"ranks": [5, 3], "sums": sums, "alpha": [0.3, 0.2], "delta": 0.5, "pretrain": 10}
    solvers = MinVolDeepKL(beta=2.0, **settings), LayerCentricDMF(**settings)
    ours, theirs = (fit(solver, X, stopping=Stopping(max_iter=0), dtype="float64")[0] for solver in solvers)
    for F, G in zip(
        (*ours.factorization.Ws, ours.factorization.alphas),
        (*theirs.factorization.Ws, theirs.factorization.alphas),
        strict=True,
    ):
        torch.testing.assert_close(F, G)
    assert ours.objective == pytest.approx(theirs.objective, rel=1e-9)


def test_beta_two_ends_as_low_as_the_frobenius_method(X: np.ndarray) -> None:
    settings = {"ranks": [4, 2], "alpha": [0.3, 0.2], "pretrain": 50}
    (ours,) = fit(MinVolDeepKL(beta=2.0, **settings), X, stopping=Stopping(max_iter=600), dtype="float64")
    (theirs,) = fit(LayerCentricDMF(**settings), X, stopping=Stopping(max_iter=60), dtype="float64")
    assert ours.objective == pytest.approx(theirs.objective, rel=0.02)


def test_tangent_lies_above_the_log_det() -> None:
    _, _, W, _, V = block()
    A = volume.inverse(W)
    tangent = volume.log_det(W) + (A * (V.mT @ V - W.mT @ W)).sum()
    assert tangent >= volume.log_det(V) and volume.log_det(W) == pytest.approx(
        np.log(np.linalg.det(W[0].numpy().T @ W[0].numpy() + np.eye(4)))
    )


def test_columns_sum_to_one_and_the_objective_falls(X: np.ndarray) -> None:
    solver = MinVolDeepKL(ranks=[5, 3], pretrain=50)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=30, check_every=10), dtype="float64")
    for W in result.factorization.Ws:
        torch.testing.assert_close(W.sum(0), torch.ones(W.shape[1], dtype=torch.float64), rtol=1e-9, atol=0)
    assert result.history[-1][1] < result.history[0][1]


def test_penalty_shrinks_the_volume(X: np.ndarray) -> None:
    volumes = []
    for alpha in (0.0, 5.0):
        solver = MinVolDeepKL(ranks=[4, 2], pretrain=50, alpha=[alpha, alpha])
        (result,) = fit(solver, X, stopping=Stopping(max_iter=40), dtype="float64")
        volumes.append(volume.log_det(result.factorization.Ws[0][None]).item())
    assert volumes[1] < volumes[0]


def test_penalty_weighs_its_share_of_each_layer_at_the_start(X: np.ndarray) -> None:
    (result,) = fit(MinVolDeepKL(ranks=[5, 3], alpha=[0.5, 2.0]), X, stopping=Stopping(max_iter=0), dtype="float64")
    start = result.factorization.map(lambda tensor: tensor[None])
    costs = start.weights * hierarchies.costs(Problem(torch.from_numpy(X)), start.Ws, start.Hs, 1.0)
    volumes = torch.stack([volume.log_det(W).abs() for W in start.Ws], -1)
    torch.testing.assert_close(costs, costs[:, :1].expand_as(costs))
    torch.testing.assert_close(start.alphas * volumes / costs, torch.tensor([[0.5, 2.0]], dtype=torch.float64))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"alpha": [1.0]}, r"alpha must be one nonnegative number a layer \(2\), got \[1.0\]"),
        ({"alpha": [1.0, -1.0]}, "alpha must be one nonnegative number"),
        ({"variant": "other"}, "variant must be one of exact, admm, paper, got 'other'"),
        ({"pretrain": -1}, "pretrain must be at least 0"),
        ({"beta": 3.0}, "beta must be one of 0.0, 0.5, 1.0, 1.5, 2.0, got 3.0"),
        ({"sums": "X"}, "sums must be one of W, H, Ht, got 'X'"),
        ({"delta": 0.0}, "delta must be positive, got 0.0"),
        ({"rho": -1.0}, "rho must be positive, got -1.0"),
        ({"epsilon": 0.0}, "epsilon must be positive, got 0.0"),
        ({"variant": "admm", "beta": 2.0}, "variant=admm needs beta = 1, got 2; variant=exact takes any"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MinVolDeepKL(ranks=[4, 2], **changes)
