"""Starts: what they are, and that every solver with a start takes each of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from contract import SOLVERS, build, labelled, states
from scipy.optimize import nnls
from sklearn.cluster import KMeans

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics import inits, separable
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.hals import HALS
from nmfbench.solvers.multilayer import MultilayerNMF
from nmfbench.solvers.semi import SemiNMF
from nmfbench.solvers.unfolded import UnfoldedNMF

NEW = ("spa", "snpa", "kmeans")
STARTED = [name for name in SOLVERS if hasattr(build(name), "init")]


def test_every_solver_that_has_a_start_is_known() -> None:
    assert len(STARTED) >= 18


@pytest.mark.parametrize("init", NEW)
def test_representatives_are_samples_or_means_and_codes_solve_least_squares(init: str, X: np.ndarray) -> None:
    X[X < 0.4] = 0
    W, H = (factor.numpy() for factor in inits.start(init, torch.from_numpy(X), 4, Streams([7, 3])))
    for s, generator in enumerate(Streams([7, 3])("kmeans")):
        if init == "kmeans":
            state = int(generator.integers(2**31))
            expected = KMeans(4, n_init=1, random_state=state).fit(X.T).cluster_centers_.T
        else:
            (J,) = getattr(separable, init)(torch.from_numpy(X)[None], 4).numpy()
            expected = X[:, J]
        codes = np.stack([nnls(expected, x)[0] for x in X.T], 1)
        assert (codes == 0).any()
        for factor, exact in ((W[s], expected), (H[s], codes)):
            np.testing.assert_allclose(factor, np.where(exact > 1e-12, exact, exact.mean() / 100), atol=1e-9)


@pytest.mark.parametrize("init", ["spa", "kmeans"])
@pytest.mark.parametrize("name", STARTED)
def test_every_solver_takes_the_start_and_a_batch_equals_the_run_alone(name: str, init: str, X: np.ndarray) -> None:
    solver, problem = replace(build(name, pretrain=2), init=init), labelled(X)
    start, *batch = fit(solver, problem, seeds=[7, 3], stopping=Stopping(max_iter=3, check_every=1), together=True)
    (alone,) = fit(solver, problem, seeds=[3], stopping=Stopping(max_iter=3, check_every=1))
    for a, b in zip(batch[0].factorization.codes, alone.factorization.codes, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
    if not solver.draws:
        assert all(map(torch.equal, start.factorization.codes, batch[0].factorization.codes))
    if init == "kmeans":
        assert not torch.equal(start.factorization.codes[-1], batch[0].factorization.codes[-1])
    assert not solver.monotone or alone.history[-1][1] < alone.history[0][1]


def test_upper_layers_start_from_their_own_data(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X / X.max()))
    chain = next(states(MultilayerNMF(ranks=[6, 4], init="spa"), problem, [0])).restart(0)
    below = chain.Hs[0]
    (J,) = separable.spa(below[None], 4)
    torch.testing.assert_close(chain.Ws[1], inits.filled(below[None, :, J])[0])


@pytest.mark.parametrize("init", NEW)
def test_semi_nmf_starts_from_samples_of_any_sign(init: str, X: np.ndarray) -> None:
    (result,) = fit(SemiNMF(rank=4, init=init), X - X.mean(), stopping=Stopping(max_iter=0), dtype="float64")
    Z, H = result.factorization.W.numpy(), result.factorization.H.numpy()
    assert (Z < 0).any() and (H > 0).all()
    exact = np.stack([nnls(Z, x)[0] for x in (X - X.mean()).T], 1)
    np.testing.assert_allclose(H, np.where(exact > 1e-12, exact, exact.mean() / 100), atol=1e-9)


def test_ranks_that_a_start_does_not_reach_are_refused_with_a_hint(X: np.ndarray) -> None:
    for init, most in {"spa": 13, "snpa": 29, "kmeans": 29}.items():
        with pytest.raises(NotApplicable, match=rf"{init} starts reach rank {most} on a 13 × 29 X.*init=uniform"):
            fit(HALS(rank=most + 1, init=init), X)
    with pytest.raises(NotApplicable, match=r"spa starts need ranks that do not rise, got \[4, 6\]; use init=uniform"):
        fit(MultilayerNMF(ranks=[4, 6], init="spa"), X)


@pytest.mark.parametrize("name", STARTED)
def test_unknown_start_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(ConfigError, match=r"init must be one of .*snpa.*, got 'best'"):
        replace(build(name), init="best")


def test_network_that_starts_from_W_takes_multiplicative_steps_of_H(X: np.ndarray) -> None:
    problem = Problem(torch.from_numpy(X / X.max()))
    found = next(states(UnfoldedNMF(rank=4, init="spa", n_layers=5), problem, [0])).restart(0)
    W, H = inits.start("spa", problem.X, 4, Streams([0]))[0][0].numpy(), np.ones((4, 29))
    for _ in range(5):
        H = H * (W.T @ problem.X.numpy()) / (W.T @ W @ H)
    np.testing.assert_allclose(found.W.numpy(), W)
    np.testing.assert_allclose(found.H.numpy(), H, rtol=1e-5)  # whose ε counts


@pytest.mark.parametrize("init", ["nndsvda", "kmeans"])
def test_stacked_layers_start_from_the_top_with_balanced_components(init: str, X: np.ndarray) -> None:
    data, streams = torch.from_numpy(X), Streams([7, 3])
    (below, above), H = inits.stacked(init, data, [4, 6], streams)
    W, D = inits.start(init, data, 6, streams, layer=2)
    torch.testing.assert_close(*(torch.nn.functional.normalize(bases, dim=-2) for bases in (above, W)))
    codes = D * (W.norm(dim=-2) / above.norm(dim=-2))[..., None]  # so that above · codes = WD
    rms = [factor.square().mean(dim).sqrt() for factor, dim in ((above, -2), (codes, -1), (below, -2), (H, -1))]
    torch.testing.assert_close(rms[0], rms[1])
    torch.testing.assert_close(rms[2], rms[3])
    W, D = inits.start(init, codes, 4, streams, layer=1)
    torch.testing.assert_close(below @ H, W @ D)
