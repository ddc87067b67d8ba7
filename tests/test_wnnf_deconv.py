"""The deconvolution against torch's, image by image; its gradient against autograd."""

import numpy as np
import pytest
import torch
from torch.nn.functional import conv_transpose2d, leaky_relu
from weak import batch_loss, every_reading

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.fitting import fit
from nmfbench.numerics.deconvolution import Blocks, Deconvolution
from nmfbench.numerics.problem import Problem, place
from nmfbench.solvers.base import Stopping
from nmfbench.solvers.wnnf_deconv import DeconvWNNF

SIZES = [(8, 12, 2), (8, 12, 4), (7, 9, 2), (10, 7, 4)]


def convolved(W: torch.Tensor, kernels: torch.Tensor, blocks: Blocks) -> torch.Tensor:
    """One restart by torch: maps W (h/s · w/s, r) and kernels (n, r, 2s, 2s) give images (n, height · width)."""
    maps = W.mT.reshape(1, -1, *blocks.map_shape)
    images = [conv_transpose2d(maps, kernel[:, None], stride=blocks.s, padding=blocks.s // 2) for kernel in kernels]
    return torch.cat(images)[:, 0, : blocks.height, : blocks.width].flatten(1)


def parameters(height: int, width: int, s: int, S: int = 2, n: int = 5, r: int = 3) -> Deconvolution:
    blocks, generator = Blocks(height, width, s), torch.Generator().manual_seed(1)
    shapes = [(S, int(np.prod(blocks.map_shape)), r), (S, n, s * s, 4 * r)]
    W, H = (torch.rand(shape, generator=generator, dtype=torch.float64) - 0.3 for shape in shapes)
    return Deconvolution((W,), H, torch.full((S,), 0.1, dtype=torch.float64), blocks, "raw")


@pytest.mark.parametrize(("height", "width", "s"), SIZES)
def test_reconstruction_is_torchs_transposed_convolution_image_by_image(height: int, width: int, s: int) -> None:
    ours = parameters(height, width, s)
    for restart, images in enumerate(ours.reconstruct()):
        W, kernels = leaky_relu(ours.Ws[0][restart], 0.1), ours.kernels[restart]
        torch.testing.assert_close(images.mT, convolved(W, kernels, ours.blocks), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("height", "width", "s"), SIZES)
def test_moving_back_is_the_adjoint_of_moving(height: int, width: int, s: int) -> None:
    blocks = Blocks(height, width, s)
    W = torch.rand(2, int(np.prod(blocks.map_shape)), 3, dtype=torch.float64)
    D = torch.rand_like(blocks.moved(W))
    torch.testing.assert_close((blocks.moved(W) * D).sum(), (W * blocks.moved_back(D)).sum())


@pytest.mark.parametrize(("height", "width", "s"), SIZES)
def test_cut_images_are_pasted_whole(height: int, width: int, s: int) -> None:
    images = torch.rand(4, height, width)
    assert torch.equal(Blocks(height, width, s).paste(Blocks(height, width, s).cut(images)), images.flatten(1))


@every_reading
def test_gradient_is_that_of_autograd_through_torchs_convolution(
    eta: float, loss: str, reduction: str, reading: str
) -> None:
    solver = DeconvWNNF(rank=3, stride=2, loss=loss, loss_reduction=reduction, reading=reading, lam=0.3)
    state = parameters(7, 8, 2)
    (W,), H, blocks = state.Ws, state.H, state.blocks
    X = torch.rand(2, 5, 7, 8, dtype=torch.float64)
    samples = torch.stack([blocks.cut(images) for images in X])
    problem = Problem(X[0].flatten(1).mT, shape=(7, 8))
    ours = solver.gradient(problem, samples, [W], H, eta)
    W.requires_grad_(), H.requires_grad_()
    at_eta = Deconvolution((W,), H, torch.full((2,), eta, dtype=torch.float64), blocks, "raw")
    V = torch.stack([convolved(leaky_relu(W[s], eta), at_eta.kernels[s], blocks) for s in range(2)])
    batch_loss(solver, V, X.flatten(2), W, H.unflatten(-1, (4, -1))).sum().backward()
    torch.testing.assert_close(ours, [W.grad, H.grad], rtol=1e-6, atol=1e-12)


def test_step_is_the_gradient_to_finite_differences() -> None:
    state = parameters(6, 6, 2, S=1, n=2, r=2)
    solver, samples = DeconvWNNF(rank=2, stride=2, loss="l2"), state.blocks.cut(torch.rand(2, 6, 6).double())[None]
    problem = Problem(state.blocks.paste(samples)[0].mT, shape=(6, 6))

    class Step(torch.autograd.Function):
        @staticmethod
        def forward(context, W, H):
            context.save_for_backward(W, H)
            V = convolved(
                leaky_relu(W[0], 0.1), Deconvolution((W,), H, state.eta, state.blocks, "raw").kernels[0], state.blocks
            )
            return batch_loss(solver, V[None], state.blocks.paste(samples), W, H.unflatten(-1, (4, -1)))

        @staticmethod
        def backward(context, upstream):
            W, H = context.saved_tensors
            return tuple(upstream[0] * g for g in solver.gradient(problem, samples, [W], H, 0.1))

    assert torch.autograd.gradcheck(Step.apply, [state.Ws[0].requires_grad_(), state.H.requires_grad_()])


@pytest.mark.parametrize(("height", "width", "s"), [(8, 12, 4), (7, 9, 2)])
def test_restart_in_a_batch_equals_the_run_alone_on_images(height: int, width: int, s: int) -> None:
    images = np.random.default_rng(0).uniform(size=(height * width, 11))
    problem, stopping = place(images, "float64", shape=(height, width)), Stopping(max_iter=20)
    solver = DeconvWNNF(rank=3, stride=s, batch_size=4)
    for result in fit(solver, problem, seeds=[7, 3], stopping=stopping):
        (alone,) = fit(solver, problem, seeds=[result.seed], stopping=stopping)
        torch.testing.assert_close(result.factorization.factors, alone.factorization.factors, rtol=1e-6, atol=1e-9)


def test_objective_is_the_loss_of_the_images_and_the_penalty_of_maps_and_kernels() -> None:
    state, X = parameters(7, 9, 2), torch.rand(63, 5, dtype=torch.float64)
    solver = DeconvWNNF(rank=3, stride=2, batch_size=None, lam=0.7, reading="penalty")
    expected = batch_loss(solver, state.reconstruct().mT, X.mT.expand(2, -1, -1), state.Ws[0], state.H)
    torch.testing.assert_close(solver.objective(Problem(X, shape=(7, 9)), state), expected)


def test_codes_are_the_kernels_raw_or_summed() -> None:
    raw = parameters(8, 12, 2)
    summed = Deconvolution(raw.Ws, raw.H, raw.eta, raw.blocks, "sum")
    (H,), (sums,) = raw.codes, summed.codes
    assert H.shape == (2, 4 * 4 * 3, 5) and sums.shape == (2, 3, 5)
    torch.testing.assert_close(H.unflatten(1, (3, 16)).sum(2), sums)


def test_learns_images_that_are_such_products() -> None:
    truth = parameters(16, 12, 2, S=1, n=40, r=2)
    X = Deconvolution(truth.Ws, truth.H, torch.zeros(1).double(), truth.blocks, "raw").reconstruct()[0]
    problem = place(X.numpy(), "float64", shape=(16, 12))
    solver = DeconvWNNF(rank=2, stride=2, loss="l2", lam=0.0, lr=0.01, batch_size=None)
    (result,) = fit(solver, problem, stopping=Stopping(max_iter=1500, check_every=100))
    assert (X - result.factorization.reconstruct()).norm() < 0.05 * X.norm()


@pytest.mark.parametrize("shape", [None, (4, 3, 3)])
def test_data_that_are_no_grey_images_are_refused(shape: tuple[int, ...] | None) -> None:
    with pytest.raises(NotApplicable, match="needs grey images"):
        fit(DeconvWNNF(rank=2), place(np.ones((36, 5)), shape=shape))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stride": 3}, "stride must be even"),
        ({"stride": 0}, "stride must be even"),
        ({"latent": "x"}, "latent must be"),
    ],
)
def test_parameters_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DeconvWNNF(rank=2, **changes)
