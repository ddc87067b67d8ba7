"""What WNNF leaves open: its loss, its optimizer, the four parts that it stands for, and entries that are missing."""

import numpy as np
import pytest
import scipy.optimize
import torch
from torch.nn.functional import leaky_relu
from weak import batch_loss, entry_loss

from nmfbench.errors import NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import weak_losses
from nmfbench.numerics.losses import beta_divergence
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.mu import MultiplicativeNMF
from nmfbench.solvers.weak import WeakSolver
from nmfbench.solvers.wnnf import WNNF
from nmfbench.solvers.wnnf_deconv import DeconvWNNF
from nmfbench.solvers.wnnf_deep import DeepWNNF


@pytest.mark.parametrize("loss", weak_losses.DEGREES)
def test_values_are_those_of_the_formulas_and_slopes_their_derivatives(loss: str) -> None:
    rng = np.random.default_rng(0)
    X = torch.from_numpy(rng.uniform(0.001, 1, (6, 50)))
    V = torch.from_numpy(rng.uniform(-0.5, 1.5, (2, 6, 50))).requires_grad_()
    expected = entry_loss(loss, V, X)
    (derivative,) = torch.autograd.grad(expected.sum(), V)
    torch.testing.assert_close(weak_losses.values(X, V.detach().clone(), loss), expected.detach())
    torch.testing.assert_close(weak_losses.slopes(X, V.detach().clone(), loss), derivative)
    unit = 3.7
    scaled = weak_losses.values(unit * X, unit * V.detach(), loss, unit) / unit ** weak_losses.DEGREES[loss]
    torch.testing.assert_close(scaled, expected.detach())


def test_kullback_leibler_at_zero_is_the_size_of_v() -> None:
    X, V = torch.zeros(3), torch.tensor([[-2.0, -0.5, 0.25]])
    torch.testing.assert_close(weak_losses.values(X, V.clone(), "kl"), V.abs())
    assert weak_losses.slopes(X, V.clone(), "kl").tolist() == [[-1, -1, 1]]


def test_full_batch_fit_is_autograd_with_the_optimizer_of_torch_that_it_names(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X))
    theirs = {
        "adam": lambda p, lr, decay: torch.optim.Adam(p, lr),
        "adamw": lambda p, lr, decay: torch.optim.AdamW(p, lr, weight_decay=decay),
        "sgd": lambda p, lr, decay: torch.optim.SGD(p, lr, momentum=0.9),
        "rmsprop": lambda p, lr, decay: torch.optim.RMSprop(p, lr),
    }
    for name, make in theirs.items():
        solver = WNNF(rank=4, batch_size=None, optimizer=name, reading="penalty", lr=1e-3)
        iterates = solver.iterates(problem, Streams([3]))
        start = next(iterates)
        W = torch.nn.Parameter(start.Ws[0][0].clone())
        H = torch.nn.Parameter(start.H[0].mT.clone())
        optimizer = make([W, H], 1e-3, 0.1)
        for _ in range(10):
            optimizer.zero_grad()
            V = leaky_relu(H, 0.1) @ leaky_relu(W, 0.1).mT
            parameters = (W[None], H[None]) if name != "adamw" else ()
            batch_loss(solver, V[None], problem.X.mT[None], *parameters).backward()
            optimizer.step()
            with torch.no_grad():
                after = next(iterates)
        torch.testing.assert_close(after.Ws[0][0], W.detach(), rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(after.H[0].mT, H.detach(), rtol=1e-9, atol=1e-12)


def test_relative_steps_of_sgd_are_in_units_of_the_bound_over_the_features(X: np.ndarray) -> None:
    solver, problem = WNNF(rank=4, batch_size=None, optimizer="sgd", lr=2), Problem(torch.from_numpy(X))
    iterates = solver.iterates(problem, Streams([0]))
    start, unit = next(iterates).map(torch.clone), X.mean()
    gradient = solver.gradient(problem, torch.from_numpy(X.T / unit)[None], [start.Ws[0] / unit], start.H.mT, 0.1)
    with torch.no_grad():
        moved = next(iterates).H - start.H
    torch.testing.assert_close(moved, -2 * (6 / 4) ** 0.5 / 13 * gradient[1].mT)


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop"])
def test_decoupled_reading_decays_the_parameters_of_every_optimizer(optimizer: str, X: np.ndarray) -> None:
    # Without a gradient, λ alone moves them, by λ times the learning rate.
    solver = WNNF(rank=4, optimizer=optimizer, reading="decoupled", lam=0.5, lr=0.01, loss="l2", batch_size=None)
    start = next(solver.iterates(Problem(torch.from_numpy(X)), Streams([0])))
    fits = Problem(start.reconstruct()[0].clone())
    iterates = solver.iterates(fits, Streams([0]))
    before = next(iterates).map(torch.clone)
    with torch.no_grad():
        after = next(iterates)
    torch.testing.assert_close(after.H, before.H * (1 - 0.5 * 0.01), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("eta", [0.1, 0.5])
def test_four_nonnegative_parts_of_eq_4_and_the_rectified_factors_of_eq_9_reach_one_objective(eta: float) -> None:
    """Eq. (4) by L-BFGS-B over W₊, W₋, H₊, H₋ ≥ 0 with λ₋ = λ/η², eq. (9) by the solver, from one start."""
    X, lam, r = np.random.default_rng(0).uniform(size=(7, 9)), 0.1, 2
    solver = WNNF(
        rank=r, eta=eta, lam=lam, loss="l2", reading="penalty", loss_reduction="sum", batch_size=None, lr=0.01
    )
    problem = Problem(torch.from_numpy(X))
    start = next(solver.iterates(problem, Streams([1])))
    W, H = (factor[0].numpy() for factor in (start.Ws[0], start.H))
    parts = [np.maximum(W, 0), eta * np.maximum(-W, 0), np.maximum(H, 0), eta * np.maximum(-H, 0)]
    weights = (lam, lam / eta**2, lam, lam / eta**2)

    def four(flat: np.ndarray) -> tuple[float, np.ndarray]:
        Wp, Wn, Hp, Hn = (part.reshape(like.shape) for part, like in zip(np.split(flat, cuts), parts, strict=True))
        R = (Wp - Wn) @ (Hp - Hn) - X
        value = (R**2).sum() + sum(w * (part**2).sum() for w, part in zip(weights, (Wp, Wn, Hp, Hn), strict=True))
        dW, dH = 2 * R @ (Hp - Hn).T, 2 * (Wp - Wn).T @ R
        slopes = (dW, -dW, dH, -dH)
        of_size = (2 * w * part for w, part in zip(weights, (Wp, Wn, Hp, Hn), strict=True))
        return value, np.concatenate([(a + b).ravel() for a, b in zip(slopes, of_size, strict=True)])

    cuts = np.cumsum([part.size for part in parts])[:-1]
    flat = np.concatenate([part.ravel() for part in parts])
    # The same value at the start, where each entry is in one of its two parts.
    assert four(flat)[0] == pytest.approx(solver.objective(problem, start).item(), rel=1e-12)
    tight = {"maxiter": 20000, "maxfun": 10**6, "ftol": 1e-15, "gtol": 1e-9}
    least = scipy.optimize.minimize(
        four, flat, jac=True, method="L-BFGS-B", bounds=[(0, None)] * flat.size, options=tight
    )
    (nine,) = fit(solver, X, seeds=[1], stopping=Stopping(max_iter=2000), dtype="float64")
    assert nine.objective == pytest.approx(least.fun, rel=1e-3)
    Wp, Wn, Hp, Hn = np.split(least.x, cuts)
    # Its minimum has each entry in one part, as the paper's step to (9) needs.
    assert np.abs(Wp * Wn).max() < 1e-6 and np.abs(Hp * Hn).max() < 1e-6


@pytest.mark.parametrize("beta", [1, 0])
def test_divergences_reach_those_of_multiplicative_updates(beta: int) -> None:
    rng = np.random.default_rng(0)
    X = rng.uniform(0.1, 1, (20, 3)) @ rng.uniform(0.1, 1, (3, 30)) * rng.uniform(0.9, 1.1, (20, 30))
    weak = WNNF(rank=3, loss=["is", "kl"][beta], lam=0, lr=0.05, batch_size=None)
    ours, theirs = (
        fit(solver, X, stopping=Stopping(max_iter=2000), dtype="float64")[0].factorization.reconstruct()
        for solver in (weak, MultiplicativeNMF(rank=3, beta=beta))
    )
    X = torch.from_numpy(X)
    assert beta_divergence(X, ours, beta).item() == pytest.approx(beta_divergence(X, theirs, beta).item(), rel=2e-3)


def test_huber_lies_between_the_two_norms_and_bears_an_outlier(X: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    clean = rng.uniform(size=(20, 2)) @ rng.uniform(size=(2, 30))
    spoilt = clean + 20 * (rng.uniform(size=clean.shape) < 0.02)
    errors = {}
    for loss in ("l1", "huber", "l2"):
        (result,) = fit(WNNF(rank=2, loss=loss, lr=0.02), spoilt, stopping=Stopping(max_iter=400))
        errors[loss] = np.linalg.norm(result.factorization.reconstruct().numpy() - clean) / np.linalg.norm(clean)
    assert max(errors["l1"], errors["huber"]) < 0.2 * errors["l2"]


@pytest.mark.parametrize("loss", ["kl", "is"])
def test_divergences_refuse_entries_that_they_are_not_defined_for(loss: str, X: np.ndarray) -> None:
    X[2, 3] = 0
    if loss == "kl":
        assert np.isfinite(fit(WNNF(rank=4, loss=loss), X, stopping=Stopping(max_iter=3))[0].objective)
    with pytest.raises(NotApplicable, match="loss=is needs X > 0, but X has entries down to 0; use loss=l1"):
        fit(WNNF(rank=4, loss="is"), X)
    with pytest.raises(NotApplicable, match=r"needs X . 0, but X has entries down to -1"):
        fit(WNNF(rank=4, loss=loss), X - 1)


@pytest.mark.parametrize("loss", ["huber", "kl", "is"])
def test_relative_reading_of_every_loss_is_free_of_the_scale(loss: str, X: np.ndarray) -> None:
    plain, scaled = (
        fit(WNNF(rank=4, loss=loss), c * X, stopping=Stopping(max_iter=10), dtype="float64") for c in (1, 7)
    )
    torch.testing.assert_close(plain[0].factorization.codes, scaled[0].factorization.codes, rtol=1e-6, atol=1e-9)
    assert plain[0].objective == pytest.approx(scaled[0].objective, rel=1e-6)


MASKED = [
    WNNF(rank=3, batch_size=None),
    WNNF(rank=3, batch_size=10, loss="huber"),
    DeepWNNF(ranks=[2, 3], batch_size=10),
    DeconvWNNF(rank=3, stride=2, batch_size=10),
]


@pytest.mark.parametrize("solver", MASKED, ids=lambda s: f"{type(s).__name__} {s.loss}")
def test_missing_entries_move_no_bit_and_a_restart_in_a_batch_equals_the_run_alone(solver: WeakSolver) -> None:
    rng = np.random.default_rng(0)
    X, seen = rng.uniform(0.1, 1, (12, 29)), rng.uniform(size=(12, 29)) < 0.7
    stopping = Stopping(max_iter=12)
    wild = np.where(seen, X, rng.choice([np.nan, np.inf, -1e9], X.shape))
    problems = [place(data, "float64", shape=(4, 3), observed=seen) for data in (X, wild)]
    both = fit(solver, problems[0], seeds=[7, 3], stopping=stopping, together=True)
    for result in both:
        (alone,) = fit(solver, problems[1], seeds=[result.seed], stopping=stopping)
        torch.testing.assert_close(result.factorization.codes, alone.factorization.codes, rtol=1e-6, atol=1e-9)
    (one,), (other,) = (fit(solver, problem, seeds=[7], stopping=stopping) for problem in problems)
    assert torch.equal(one.factorization.codes[0], other.factorization.codes[0]) and one.objective == other.objective
    everything, plain = (
        fit(solver, place(X, "float64", shape=(4, 3), observed=mask), seeds=[7], stopping=stopping)[0]
        for mask in (np.ones_like(seen), None)
    )
    assert everything.objective == plain.objective != one.objective


@pytest.mark.parametrize("loss", weak_losses.DEGREES)
def test_gradient_with_missing_entries_is_that_of_the_loss_of_the_others(loss: str) -> None:
    rng = np.random.default_rng(0)
    X, M = torch.from_numpy(rng.uniform(0.05, 1, (2, 5, 13))), torch.from_numpy(rng.uniform(size=(2, 5, 13)) < 0.6)
    W, H = (torch.from_numpy(rng.uniform(-0.5, 0.5, shape)) for shape in ((2, 13, 4), (2, 5, 4)))
    solver = WNNF(rank=4, loss=loss, lam=0, reading="penalty")
    ours = solver.gradient(Problem(X[0].mT), X, [W], H, 0.1, M)
    W.requires_grad_(), H.requires_grad_()
    ((entry_loss(loss, leaky_relu(H, 0.1) @ leaky_relu(W, 0.1).mT, X) * M).sum() / 5).backward()
    torch.testing.assert_close(ours, [W.grad, H.grad], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("solver", [WNNF(rank=2, lam=1e-6, lr=0.02), DeepWNNF(ranks=[2, 2], lam=1e-6, lr=0.02)])
def test_planted_matrix_is_completed(solver: WeakSolver) -> None:
    rng = np.random.default_rng(0)
    X, seen = rng.uniform(size=(20, 2)) @ rng.uniform(size=(2, 30)), rng.uniform(size=(20, 30)) < 0.7
    (result,) = fit(solver, X, observed=seen, stopping=Stopping(max_iter=600))
    worst = np.abs(result.factorization.reconstruct().numpy() - X)[~seen].max()
    assert worst < 0.1 * X.mean()
