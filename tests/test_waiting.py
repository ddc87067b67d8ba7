"""A step of these methods never makes the host wait for a GPU, in any of their variants."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from contract import SEEDS, build, matrix
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from nmfbench import fitting
from nmfbench.fitting import fit
from nmfbench.numerics import pieces
from nmfbench.numerics.problem import Problem, place
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Stopping

VARIANTS: dict[str, list[dict]] = {
    "mu": [{"beta": 1.0}, {"beta": 0.0}, {"beta": 0.5}, {"lam": 0.5}],
    "online_mu": [{"batch_size": 8}, {"batch_size": 8, "beta": 1.0}, {"batch_size": 8, "beta": 0.0}],
    "wnnf": [{"batch_size": 8}, {"batch_size": None}, {"reading": "decoupled"}, {"loss": "l2"}, {"curriculum": 9}],
    "hals": [],
    "deep_kl": [{"beta": 1.5}],
    "deep_mu": [{"lam": 0.5}],
    "multilayer": [],
    "multilayer_kl": [],
    "wnnf_deep": [{"batch_size": 8}],
    "wnnf_deconv": [{"batch_size": 8}],
}
"""Settings beside those of the YAML."""
never_waits = pytest.mark.parametrize(
    ("name", "setting"),
    [(name, setting) for name, settings in VARIANTS.items() for setting in [{}, *settings]],
    ids=str,
)


class Waits(TorchDispatchMode):
    """Names the operations for which the host would wait if tensors of the meta device lay on a GPU.

    The meta device knows shapes and no values, so an operation that reads a value raises; a copy between devices counts
    unless it is queued.
    """

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        # A scalar travels with the kernel.
        devices = {leaf.device for leaf in tree_leaves((args, result)) if isinstance(leaf, Tensor) and leaf.ndim}
        if len(devices) > 1 and not (kwargs or {}).get("non_blocking"):
            self.names.append(str(operation))
        return result


def waits(steps: Iterator[object]) -> list[str]:
    """What the host would wait for during the next step."""
    with torch.no_grad(), Waits() as mode:
        try:
            next(steps)
        except (RuntimeError, TypeError) as error:
            mode.names.append(str(error))
    return mode.names


def started(steps: Iterator[object]) -> None:
    """Take the steps of a start, which yield nothing, up to the first factorization."""
    while next(steps) is None:
        pass


@never_waits
def test_step_makes_the_host_wait_for_nothing(name: str, setting: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(torch.empty(matrix().shape, device="meta"), shape=(13, 1))
    steps = replace(build(name, pretrain=1), **setting).iterates(problem, Streams(SEEDS))
    monkeypatch.setitem(pieces.ENTRIES, "meta", 64)
    with monkeypatch.context() as start:  # which may read values, such as the mean of X, which has none here
        start.setattr(Tensor, "item", lambda tensor: 0.5)
        start.setattr(Tensor, "tolist", lambda tensor: [0.0, 1.0])
        start.setattr(Tensor, "__bool__", lambda tensor: False)
        started(steps)
    assert [waits(steps) for _ in range(3)] == [[], [], []]


@pytest.mark.parametrize(("max_seconds", "least", "most"), [(None, 3, 3), (1e6, 21, 50)])
def test_fit_waits_at_its_looks_alone_unless_there_is_a_time_limit(
    max_seconds: float | None, least: int, most: int, X: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "synchronize", waited.append)
    on_gpu = property(lambda clock: torch.device("cuda"), lambda clock, device: None)
    monkeypatch.setattr(fitting._Clock, "device", on_gpu, raising=False)
    fit(build("mu"), X, stopping=Stopping(max_iter=20, check_every=10, max_seconds=max_seconds))
    assert least <= len(waited) <= most


PLANTED: dict[str, Callable[[Tensor], object]] = {
    "item": lambda W: W.sum().item(),
    "if": lambda W: 1 if (W > 0).all() else 0,
    "cpu": lambda W: W.cpu(),
    "tolist": lambda W: W.tolist(),
    "numpy": lambda W: W.numpy(),
    "nonzero": lambda W: W.nonzero(),
    "mask": lambda W: W[W > 0],
    "unique": lambda W: W.unique(),
    "copy": lambda W: torch.ones(3).to(W.device),
    "copy into": lambda W: W[:, 0].copy_(torch.ones(2)),
    "index": lambda W: W[torch.tensor([1, 0])],
}


@pytest.mark.parametrize("planted", PLANTED)
def test_wait_in_a_step_is_noticed(planted: str) -> None:
    def steps() -> Iterator[Tensor]:
        W = torch.empty(2, 3, device="meta")
        yield W
        PLANTED[planted](W)
        yield W

    step = steps()
    next(step)
    assert len(waits(step)) == 1


@never_waits
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_step_makes_the_host_wait_for_nothing_on_a_gpu(name: str, setting: dict, X: np.ndarray) -> None:
    steps = replace(build(name), **setting).iterates(place(X, device="cuda", shape=(13, 1)), Streams(SEEDS))
    with torch.no_grad():
        started(steps)
        next(steps)  # loads libraries
        torch.cuda.set_sync_debug_mode("error")
        try:
            next(steps)
        finally:
            torch.cuda.set_sync_debug_mode("default")
