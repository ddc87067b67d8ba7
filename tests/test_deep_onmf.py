"""Deep orthogonal NMF: its two steps by brute force, and the survey's example."""

from itertools import product

import numpy as np
import pytest
import torch

from nmfbench import OrthogonalNMF, fit, load_dataset
from nmfbench.numerics import penalised
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.deep_onmf import DeepONMF, assign, centre


def small(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(size=(1, 5, 6))), torch.from_numpy(rng.uniform(size=(1, 5, 3)))


@pytest.mark.parametrize("seed", range(3))
def test_assignment_is_the_best_of_all(seed: int) -> None:
    X, W = small(seed)
    H = assign(X, W)
    ours = (X - W @ H).square().sum().item()
    best = np.inf
    for clusters in product(range(3), repeat=6):
        w = W[0, :, list(clusters)]
        h = (w * X[0]).sum(0) / w.square().sum(0)
        best = min(best, (X[0] - w * h).square().sum().item())
    assert ours == pytest.approx(best, rel=1e-12)
    assert ((H > 0).sum(-2) == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_centre_is_the_least_squares_solution(seed: int) -> None:
    X, W = small(seed)
    H = assign(X, W)
    solved = centre(X, H, W)
    used = H[0].sum(-1) > 0
    expected = np.linalg.lstsq(H[0][used].mT.numpy(), X[0].mT.numpy(), rcond=None)[0].T
    np.testing.assert_allclose(solved[0][:, used], expected, rtol=1e-10)


def test_basis_that_nothing_goes_to_keeps_its_place() -> None:
    X, W = torch.ones(1, 2, 3), torch.tensor([[[1.0, 1.0], [1.0, 0.0]]])
    assert torch.equal(centre(X, assign(X, W), W)[..., 1], W[..., 1])


def test_first_layer_never_gets_worse_and_rows_are_orthogonal(X: np.ndarray) -> None:
    stopping = Stopping(max_iter=30, tol=0, check_every=1)
    (result,) = fit(DeepONMF(ranks=[5]), X, stopping=stopping, dtype="float64")
    assert (np.diff([objective for _, objective, _ in result.history]) <= 1e-12).all()
    H = result.factorization.Hs[0]
    gram = H @ H.mT
    assert torch.equal(gram, torch.diag(torch.diag(gram)))


def test_every_layer_clusters_the_bases_of_the_layer_below(X: np.ndarray) -> None:
    (result,) = fit(DeepONMF(ranks=[7, 4, 2]), X, stopping=Stopping(max_iter=100, tol=0), dtype="float64")
    below = torch.from_numpy(X)[None]
    for W, H in zip(result.factorization.Ws, result.factorization.Hs, strict=True):
        # Settled: neither step changes anything.
        torch.testing.assert_close(assign(below, W[None])[0], H)
        torch.testing.assert_close(centre(below, H[None], W[None])[0], W)
        below = W[None]


def groups(H: torch.Tensor) -> list[set[int]]:
    """The columns, counted from 1, that go to each row."""
    return [{int(j) + 1 for j in row.nonzero()} for row in H]


def test_survey_example_is_reached_with_its_factors_and_merges_basis_users_two_and_three() -> None:
    ratings = load_dataset("ratings", scaling="none")
    users = [{1, 2, 3, 4, 5}, {7, 10}, {6, 8, 9}, {11, 12, 13, 14, 15}]
    as_printed = [
        result
        for result in fit(DeepONMF(ranks=[4, 3]), ratings.X, seeds=range(40), dtype="float64")
        if sorted(map(sorted, groups(result.factorization.Hs[0]))) == sorted(map(sorted, users))
    ]
    best = min(as_printed, key=lambda result: result.objective).factorization
    order = [groups(best.Hs[0]).index(group) for group in users]
    # Printed with the largest entry of each column of W at 10.
    W1 = best.Ws[0] / best.Ws[0].amax(0) * 10
    horror, comedy = [9.1, 8.9, 10.0, 2.2, 2.4, 1.5, 2.2, 2.0, 2.0], [1.7, 1.1, 1.1, 10.0, 10.0, 8.9, 5.5, 5.0, 4.4]
    np.testing.assert_allclose(W1[:, order[0]], horror, atol=0.06)
    # The printed basis is not quite the least-squares one of the printed ratings.
    np.testing.assert_allclose(W1[:, order[1]], comedy, atol=0.3)
    merged = groups(best.Hs[1])
    assert {order[1] + 1, order[2] + 1} in merged and sorted(map(len, merged)) == [1, 1, 2]


def test_survey_example_is_not_the_best_clustering_of_its_ratings() -> None:
    ratings = load_dataset("ratings", scaling="none")
    results = fit(DeepONMF(ranks=[4]), ratings.X, seeds=range(300), dtype="float64")
    best = min(results, key=lambda result: result.objective)
    assert {6, 9, 10} in groups(best.factorization.Hs[0])
    assert best.objective == pytest.approx(61.261, abs=1e-3), "as printed it is 62.785"


def test_one_layer_with_penalty_is_approximately_orthogonal_nmf(X: np.ndarray) -> None:
    stopping = Stopping(max_iter=20)
    settings = {"lam": 0.3, "pretrain": 10}
    (shallow,) = fit(OrthogonalNMF(rank=4, **settings), X, stopping=stopping, dtype="float64")
    (deep,) = fit(DeepONMF(ranks=[4], variant="penalty", **settings), X, stopping=stopping, dtype="float64")
    assert torch.equal(deep.factorization.Ws[0], shallow.factorization.W)
    assert torch.equal(deep.factorization.Hs[0], shallow.factorization.H)
    assert deep.objective == pytest.approx(shallow.objective, rel=1e-12)


def test_layers_with_penalty_are_those_of_one_layer_on_the_bases_below(X: np.ndarray) -> None:
    solver = DeepONMF(ranks=[7, 4], variant="penalty", lam=0.2, pretrain=50)
    (result,) = fit(solver, X, stopping=Stopping(max_iter=600, check_every=600), dtype="float64")
    (W1, W2), (H1, H2) = result.factorization.Ws, result.factorization.Hs
    for below, W, H in ((torch.from_numpy(X), W1, H1), (W1, W2, H2)):
        # At rest: one more sweep of this layer changes nothing.
        Wt, codes = W.mT.contiguous()[None], H[None].clone()
        penalised.sweep(below, Wt, codes, orthogonal=0.2)
        torch.testing.assert_close(Wt[0].mT, W, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(codes[0], H, rtol=1e-4, atol=1e-5)


def test_rows_overlap_less_with_the_penalty(X: np.ndarray) -> None:
    def overlap(lam: float) -> float:
        solver = DeepONMF(ranks=[6, 4], variant="penalty", lam=lam)
        (result,) = fit(solver, X, stopping=Stopping(max_iter=100), dtype="float64")
        grams = [H @ H.mT for H in result.factorization.Hs]
        return max((1 - gram.trace() / gram.sum()).item() for gram in grams)

    plain, some, much = map(overlap, (0.0, 0.02, 2.0))
    assert plain > some > much and much < 1e-3
