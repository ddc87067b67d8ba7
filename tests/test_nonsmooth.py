"""Non-smooth NMF, shallow and deep: its limits, its blocks against scipy, and that no sweep raises it."""

import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from nmfbench import fit, load_dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics.nonsmooth import NonSmooth, moved, smooth
from nmfbench.solvers.base import Solver, Stopping
from nmfbench.solvers.dnsnmf import DeepNonSmoothNMF
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.nsnmf import NonSmoothNMF


def matrices(*shapes: tuple[int, ...], seed: int = 0) -> list[torch.Tensor]:
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.uniform(0.05, 1, shape)) for shape in shapes]


@pytest.mark.parametrize("theta", [0.0, 0.3, 1.0])
def test_smooth_is_the_product_with_the_smoothing_matrix(theta: float) -> None:
    H, Z = matrices((4, 6), (5, 4))
    S = (1 - theta) * torch.eye(4) + theta / 4 * torch.ones(4, 4)
    torch.testing.assert_close(smooth(H, theta), S.double() @ H)
    torch.testing.assert_close(smooth(Z, theta, dim=-1), Z @ S.double())


def test_layers_multiply_as_the_paper_writes() -> None:
    Z1, Z2, Z3, H = matrices((1, 9, 5), (1, 5, 4), (1, 4, 3), (1, 3, 7))
    thetas = (0.1, 0.2, 0.9)
    state = NonSmooth((Z1, Z2, Z3), H, thetas)
    eyes = [torch.eye(r).double() for r in (5, 4, 3)]
    S1, S2, S3 = ((1 - t) * e + t / len(e) for t, e in zip(thetas, eyes, strict=True))
    torch.testing.assert_close(state.codes, [Z2 @ S2 @ Z3 @ S3 @ H, Z3 @ S3 @ H, H])
    torch.testing.assert_close(state.reconstruct(), Z1 @ S1 @ Z2 @ S2 @ Z3 @ S3 @ H)


@pytest.mark.parametrize("block", ["first", "middle", "last"])
def test_each_block_converges_to_the_exact_least_squares_solution(block: str) -> None:
    X, A, F, B = matrices((8, 10), (1, 8, 4), (1, 4, 3), (1, 3, 10))
    left, start, right = {"first": (None, A, F @ B), "middle": (A, F, B), "last": (A @ F, B, None)}[block]
    found = moved(X, left, start, right, 2000, "apg")[0].numpy()
    before = np.eye(8) if left is None else left[0].numpy()
    after = np.eye(10) if right is None else right[0].numpy()
    expected = nnls(np.kron(before, after.T), X.numpy().ravel(), maxiter=10000)[0].reshape(found.shape)
    np.testing.assert_allclose(before @ found @ after, before @ expected @ after, atol=1e-7)


@pytest.mark.parametrize("theta", [[0.0], [0.4]])
def test_one_layer_is_the_shallow_method(theta: list[float], X: np.ndarray) -> None:
    stopping = Stopping(max_iter=30)
    options = {"init": "nndsvda", "inner": 3}
    (shallow,) = fit(NonSmoothNMF(rank=4, theta=theta[0], **options), X, stopping=stopping, dtype="float64")
    deep_solver = DeepNonSmoothNMF(ranks=[4], theta=theta, pretrain=10, **options)
    (deep,) = fit(deep_solver, X, stopping=Stopping(max_iter=20), dtype="float64")
    torch.testing.assert_close(shallow.factorization.H, deep.factorization.H, rtol=1e-9, atol=1e-12)


def test_theta_zero_is_plain_nmf(X: np.ndarray) -> None:
    (mu,), (shallow,), (deep,) = (
        fit(solver, X, stopping=Stopping(max_iter=sweeps), dtype="float64")
        for solver, sweeps in (
            (MultiplicativeNMF(rank=4, init="nndsvda"), 3000),
            (NonSmoothNMF(rank=4, theta=0.0, init="nndsvda"), 200),
            (DeepNonSmoothNMF(ranks=[4, 4], theta=[0.0, 0.0], init="nndsvda", pretrain=100), 100),
        )
    )
    assert shallow.objective == pytest.approx(mu.objective, rel=1e-4)
    assert deep.objective == pytest.approx(mu.objective, rel=1e-4)


def test_proximal_gradient_with_theta_zero_moves_as_plain_accelerated_gradient(X: np.ndarray) -> None:
    """One block of one sweep, written out as the paper's Algorithm 1."""
    Z, H = matrices((1, 13, 4), (1, 4, 29), seed=3)
    data = torch.from_numpy(X)
    state = NonSmooth((Z,), H, (0.0,)).swept(data, 5, "apg")
    A = state.Zs[0][0]
    lipschitz = torch.linalg.matrix_norm(A.mT @ A, 2)
    P, Y, alpha = H[0], H[0], 1.0
    for _ in range(5):
        after = (Y - (A.mT @ (A @ Y - data)) / lipschitz).clamp(min=0)
        ahead = (1 + np.sqrt(4 * alpha**2 + 1)) / 2
        Y = after + (alpha - 1) / ahead * (after - P)
        P, alpha = after, ahead
    torch.testing.assert_close(state.H[0], P, rtol=1e-10, atol=1e-12)


def test_pre_training_factors_the_codes_of_the_layer_below(X: np.ndarray) -> None:
    solver = DeepNonSmoothNMF(ranks=[6, 4], theta=[0.2, 0.7], pretrain=8)
    (start,) = fit(solver, X, stopping=Stopping(max_iter=0), dtype="float64")
    data, Zs = X, []
    for rank, theta in ((6, 0.2), (4, 0.7)):
        (layer,) = fit(NonSmoothNMF(rank=rank, theta=theta), data, stopping=Stopping(max_iter=8), dtype="float64")
        Zs.append(layer.factorization.Zs[0])
        data = layer.factorization.H
    torch.testing.assert_close([*start.factorization.Zs, start.factorization.H], [*Zs, data], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("block", ["first", "middle", "last"])
def test_variant_of_the_program_takes_inner_multiplicative_steps(block: str) -> None:
    X, A, F, B = matrices((8, 10), (1, 8, 4), (1, 4, 3), (1, 3, 10))
    left, start, right = {"first": (None, A, F @ B), "middle": (A, F, B), "last": (A @ F, B, None)}[block]
    before = torch.eye(8).double() if left is None else left
    after = torch.eye(10).double() if right is None else right
    expected = start
    for _ in range(3):
        residual = before @ expected @ after
        expected = expected * (before.mT @ X @ after.mT) / (before.mT @ residual @ after.mT)
    torch.testing.assert_close(moved(X, left, start, right, 3, "mu"), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("ranks", [[4], [6, 4], [7, 5, 3]])
@pytest.mark.parametrize("theta", [0.0, 0.5, 0.9])
def test_no_sweep_raises_the_objective(ranks: list[int], theta: float, X: np.ndarray) -> None:
    solver = DeepNonSmoothNMF(ranks=ranks, theta=[theta] * len(ranks), pretrain=5)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=60, check_every=1), dtype="float64")
    assert not result.rises and result.history[-1][1] < result.history[0][1]


def test_variant_of_the_program_has_unit_columns_and_claims_nothing(X: np.ndarray) -> None:
    solver = DeepNonSmoothNMF(ranks=[6, 4], variant="mu", init="uniform")
    (result,) = fit(solver, X, stopping=Stopping(max_iter=20), dtype="float64")
    for Z in result.factorization.Zs:
        torch.testing.assert_close(Z.norm(dim=0), torch.ones(Z.shape[1]).double())
    assert not solver.monotone and not NonSmoothNMF(rank=2, variant="mu").monotone


def test_smoothing_makes_the_factors_sparser() -> None:
    X = np.random.default_rng(1).uniform(size=(40, 60)) ** 3
    zeros = []
    for theta in (0.0, 0.9):
        (result,) = fit(NonSmoothNMF(rank=5, theta=theta, init="uniform"), X, stopping=Stopping(max_iter=300))
        zeros.append(sum((factor < 1e-6).float().mean().item() for factor in result.factorization.factors.values()))
    assert zeros[1] > zeros[0]


def test_layers_below_those_that_theta_names_are_not_smoothed() -> None:
    assert DeepNonSmoothNMF(ranks=[8, 6, 4], theta=[0.5, 0.2]).thetas == (0.0, 0.5, 0.2)


@pytest.mark.parametrize("solver", [NonSmoothNMF(rank=10), DeepNonSmoothNMF(rank=10)])
def test_no_component_is_dead_at_the_defaults(solver: Solver) -> None:
    (result,) = fit(solver, load_dataset("digits").X)
    factorization = result.factorization
    assert result.status == "converged" and factorization is not None
    for bases, codes in zip(factorization.bases, factorization.codes, strict=True):
        assert (bases.amax(-2) > 1e-6 * bases.max()).all() and (codes.amax(-1) > 1e-6 * codes.max()).all()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": [0, 0.5, 0.1]}, r"theta must have at most one value a layer \(2\), got \[0, 0.5, 0.1\]"),
        ({"theta": [0.5, 1.5]}, r"theta must lie in \[0, 1\], got 1.5"),
        ({"inner": 0}, "inner must be at least 1, got 0"),
        ({"pretrain": -1}, "pretrain must be at least 0, got -1"),
        ({"variant": "als"}, "variant must be one of apg, mu, got 'als'"),
        ({"init": "zeros"}, "init must be one of"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DeepNonSmoothNMF(ranks=[4, 2], **changes)


def test_ranks_that_rise_need_another_start(X: np.ndarray) -> None:
    with pytest.raises(NotApplicable, match="do not rise"):
        fit(DeepNonSmoothNMF(ranks=[3, 4]), X)
    assert fit(DeepNonSmoothNMF(ranks=[3, 4], init="uniform"), X, stopping=Stopping(max_iter=2))[0].iterations == 2
