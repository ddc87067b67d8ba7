"""Neural NMF: its gradient, its limits, and the planted hierarchy of its paper."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from labelled import share_found, with_labels
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from nmfbench import load_dataset
from nmfbench.errors import ConfigError
from nmfbench.fitting import fit
from nmfbench.numerics import label_term
from nmfbench.numerics.factorization import Chain
from nmfbench.numerics.nnls import layer, nnls
from nmfbench.numerics.optimizers import chain_lipschitz, spectral_norm
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.projections import unit_columns
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hierarchical import HierarchicalNMF
from nmfbench.solvers.neural import NeuralNMF

RANKS = [6, 4, 3]


@pytest.fixture
def partly(X: np.ndarray) -> Problem:
    return with_labels(X / X.max())


def after(solver, X, sweeps: int, seed: int = 5):
    stopping = Stopping(max_iter=sweeps, check_every=1)
    return fit(solver, X, seeds=[seed], stopping=stopping, dtype="float64")[0].factorization


def bases(m: int, ranks: list[int], S: int = 2) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    shapes = zip((m, *ranks), ranks, strict=False)
    return tuple(torch.rand(S, *shape, dtype=torch.float64, generator=generator).requires_grad_() for shape in shapes)


@pytest.mark.parametrize("cost", ["last", "layers"])
@pytest.mark.parametrize("ranks", [[4], RANKS])
def test_gradient_is_that_of_the_objective_in_plain_lines(cost: str, ranks: list[int], partly: Problem) -> None:
    solver, As = NeuralNMF(ranks=ranks, cost=cost, lam=3), bases(13, ranks)
    chain, fast = solver.propagate(partly.X, As, label_term.seen(partly))
    Ss = [partly.X]
    for A in As:
        Ss.append(layer(A, Ss[-1]))
    plain = solver.objective(partly, Chain(As, tuple(Ss[1:]), chain.B)).sum()
    # They differ by ½‖X‖² a restart.
    assert fast.item() == pytest.approx((plain - partly.X.square().sum()).item(), rel=1e-12)
    for a, b in zip(torch.autograd.grad(fast, As), torch.autograd.grad(plain, As), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("cost", ["last", "layers"])
def test_gradient_is_that_of_finite_differences_with_B_at_its_best(cost: str, partly: Problem) -> None:
    # B depends on A too, but at its minimum the objective does not feel it.
    solver, seen = NeuralNMF(ranks=[4, 3], cost=cost, lam=3), label_term.seen(partly)
    assert torch.autograd.gradcheck(lambda *As: solver.propagate(partly.X, As, seen)[1], bases(13, [4, 3], S=1))


@pytest.mark.filterwarnings("ignore")
def test_gradient_is_the_neuralnmf_packages(X: np.ndarray) -> None:
    package = pytest.importorskip("NeuralNMF")
    As = bases(13, RANKS, S=1)
    _, cost = NeuralNMF(ranks=RANKS).propagate(torch.from_numpy(X), As)
    gradients = torch.autograd.grad(cost, As)
    net = package.Neural_NMF([13, *RANKS])
    for module, A in zip(net.lsqnonneglst, As, strict=True):
        module.A.data = A.detach()[0].clone()
    package.Recon_Loss_Func()(net, torch.from_numpy(X), net(torch.from_numpy(X))).backward()
    for module, gradient in zip(net.lsqnonneglst, gradients, strict=True):
        # Its cost is the mean of the squares, ours half their sum.
        torch.testing.assert_close(module.A.grad * X.size / 2, gradient[0], rtol=1e-8, atol=1e-10)


def test_one_layer_is_nmf_by_projected_gradient_on_A(X: np.ndarray) -> None:
    solver, data = NeuralNMF(ranks=[4], step="gradient", lr=1.0), torch.from_numpy(X)
    A = after(solver, X, 0).Ws[0]
    for _ in range(30):
        S = nnls(A.T @ A, A.T @ data)
        A = (A + (data - A @ S) @ S.T / torch.linalg.matrix_norm(S @ S.T, 2)).clamp(min=0)
        A = A / A.norm(dim=0)
    end = after(solver, X, 30)
    torch.testing.assert_close(end.Ws[0], A, rtol=1e-8, atol=1e-11)
    torch.testing.assert_close(end.Hs[0], nnls(A.T @ A, A.T @ data), rtol=1e-8, atol=1e-11)


def test_one_layer_by_gradient_never_raises_the_objective(X: np.ndarray) -> None:
    solver = NeuralNMF(ranks=[4], step="gradient", lr=1.0)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=200, check_every=1), dtype="float64")
    values = np.array([value for _, value, _ in result.history])
    assert (np.diff(values) <= 1e-12 * values[:-1]).all()


@pytest.mark.parametrize("step", ["adam", "gradient"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bases_stay_nonnegative_of_unit_length_and_codes_are_their_least_squares(
    step: str, dtype: str, partly: Problem
) -> None:
    problem = replace(partly, X=partly.X.to(getattr(torch, dtype)))
    (result,) = fit(NeuralNMF(ranks=RANKS, step=step), problem, stopping=Stopping(max_iter=50))
    below = problem.X
    for A, S in zip(result.factorization.Ws, result.factorization.Hs, strict=True):
        assert (A >= 0).all() and (A == 0).any() and not A.requires_grad
        torch.testing.assert_close(A.norm(dim=0), torch.ones(A.shape[1], dtype=A.dtype))
        torch.testing.assert_close(S, nnls(A.T @ A, A.T @ below), rtol=1e-3, atol=1e-4)
        below = S
    assert (result.factorization.B >= 0).all()


def test_step_is_relative_to_the_scale_of_X(X: np.ndarray) -> None:
    for step, lr in (("adam", 0.3), ("gradient", 1.0)):
        plain, scaled = (after(NeuralNMF(ranks=RANKS, step=step, lr=lr), factor * X, 20) for factor in (1, 1e4))
        for a, b in zip(plain.Ws, scaled.Ws, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_restart_in_a_batch_equals_the_run_alone_with_labels(partly: Problem) -> None:
    solver = NeuralNMF(ranks=RANKS)
    for result in fit(solver, partly, seeds=[7, 5, 3], stopping=Stopping(max_iter=50)):
        alone = after(solver, partly, 50, seed=result.seed)
        torch.testing.assert_close(result.factorization.label_scores, alone.label_scores, rtol=1e-6, atol=1e-9)


def test_labels_of_weight_zero_leave_the_fit_alone(partly: Problem) -> None:
    free = after(NeuralNMF(ranks=RANKS, lam=0), partly, 20)
    plain = after(NeuralNMF(ranks=RANKS), replace(partly, labels=None, labelled=None), 20)
    assert plain.B is None
    torch.testing.assert_close(free.Hs[-1], plain.Hs[-1], rtol=1e-9, atol=1e-12)


def test_two_fifths_of_the_labels_help_to_find_the_others() -> None:
    assert share_found(NeuralNMF(ranks=[9, 4], lam=10), 100) == 1 > share_found(NeuralNMF(ranks=[9, 4], lam=0), 100)


@pytest.mark.parametrize("ranks", [[9], [9, 4], [9, 4, 2]])
def test_planted_topics_are_found_at_the_first_layer(ranks: list[int], data_dir: str) -> None:
    data = load_dataset("hierarchy", level=9)
    for result in fit(NeuralNMF(ranks=ranks), data.X, seeds=range(5), stopping=Stopping(max_iter=200)):
        found = KMeans(9, n_init=10, random_state=0).fit_predict(result.factorization.codes[0].numpy().T)
        assert normalized_mutual_info_score(data.y, found) == pytest.approx(1)


@pytest.mark.parametrize("ranks", [[9, 4], [9, 4, 2]])
def test_error_does_not_pile_up_over_the_layers_as_it_does_layer_by_layer(ranks: list[int], data_dir: str) -> None:
    X = load_dataset("hierarchy").X
    neural, layer_by_layer = (
        [
            np.linalg.norm(X - result.factorization.reconstruct().numpy())
            for result in fit(solver, X, seeds=range(5), stopping=Stopping(max_iter=100))
        ]
        for solver in (NeuralNMF(ranks=ranks), HierarchicalNMF(ranks=ranks))
    )
    assert np.mean(neural) < np.mean(layer_by_layer)


def test_column_that_the_projection_would_empty_stays_as_it_was() -> None:
    A = torch.tensor([[-1.0, 3.0], [-2.0, -4.0]])
    unit_columns(A, torch.tensor([[0.6, 0.0], [0.8, 0.0]]))
    assert torch.equal(A, torch.tensor([[0.6, 1.0], [0.8, 0.0]]))


def test_lipschitz_constant_of_an_upper_layer_counts_the_layers_below() -> None:
    As = tuple(A.detach() for A in bases(13, [4, 3]))
    Ss = tuple(torch.rand(2, r, 29, dtype=torch.float64) for r in (4, 3))
    first, second = chain_lipschitz(As, Ss)
    torch.testing.assert_close(first.ravel(), spectral_norm(Ss[0] @ Ss[0].mT))
    torch.testing.assert_close(second.ravel(), spectral_norm(As[0].mT @ As[0]) * spectral_norm(Ss[1] @ Ss[1].mT))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"lam": -1}, "lam must be nonnegative, got -1"),
        ({"lr": 0}, "lr must be positive, got 0"),
        ({"cost": "sum"}, "cost must be one of last, layers, got 'sum'"),
        ({"step": "sgd"}, "step must be one of adam, gradient, got 'sgd'"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
    ],
)
def test_parameters_out_of_range_are_refused(parameter: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        NeuralNMF(rank=4, **parameter)


@pytest.mark.parametrize("step", ["adam", "gradient"])
def test_mini_batches_are_steps_on_the_shuffled_samples_with_the_classifier_of_the_epoch(
    step: str, partly: Problem
) -> None:
    solver = NeuralNMF(ranks=[4, 3], step=step, batch_size=12, lam=2)
    As = [A.clone() for A in after(solver, partly, 0).Ws]
    (shuffle,) = Streams([5])("batches")
    Y, L = label_term.seen(partly)
    moments = [(torch.zeros_like(A), torch.zeros_like(A)) for A in As]
    steps = 0
    for _ in range(3):
        S = [partly.X]
        for A in As:
            S.append(nnls(A.T @ A, A.T @ S[-1]))
        B = nnls((L * S[-1]) @ S[-1].T, S[-1] @ Y.T).T
        for columns in np.array_split(shuffle.permutation(29), 3):  # 10, 10 and 9 samples
            leaves = [A.clone().requires_grad_() for A in As]
            x = partly.X[:, columns]
            below = [x]
            for A in leaves:
                below.append(layer(A, below[-1]))
            top = below[-1]
            cost = (x - leaves[0] @ leaves[1] @ top).square().sum() / 2
            cost = cost + (L[columns] * (Y[:, columns] - B @ top)).square().sum()
            gradients, steps = torch.autograd.grad(cost, leaves), steps + 1
            for i, (A, g, (mean, square)) in enumerate(zip(As, gradients, moments, strict=True)):
                if step == "adam":
                    mean.mul_(0.9).add_(0.1 * g)
                    square.mul_(0.999).add_(0.001 * g**2)
                    root = (square / (1 - 0.999**steps)).sqrt() + 1e-8
                    move = 0.3 / len(A) ** 0.5 * mean / (1 - 0.9**steps) / root
                else:
                    L_below = 1 if i == 0 else torch.linalg.matrix_norm(leaves[0].detach(), 2) ** 2
                    move = 0.3 * g / (L_below * torch.linalg.matrix_norm(below[i + 1].detach(), 2) ** 2)
                moved = (A - move).clamp(min=0)
                As[i] = moved / moved.norm(dim=0)
    ours = after(solver, partly, 3)
    torch.testing.assert_close(list(ours.Ws), As, rtol=1e-7, atol=1e-10)


def test_restart_in_a_batch_equals_the_run_alone_on_mini_batches(partly: Problem) -> None:
    solver = NeuralNMF(ranks=RANKS, batch_size=7)
    for result in fit(solver, partly, seeds=[7, 5, 3], stopping=Stopping(max_iter=10), together=True):
        alone = after(solver, partly, 10, seed=result.seed)
        torch.testing.assert_close(result.factorization.label_scores, alone.label_scores, rtol=1e-6, atol=1e-9)


def test_batches_of_all_samples_are_the_whole_gradient(partly: Problem) -> None:
    whole, batch = (after(NeuralNMF(ranks=RANKS, batch_size=size), partly, 10) for size in (None, 29))
    assert torch.equal(whole.Hs[-1], batch.Hs[-1])
