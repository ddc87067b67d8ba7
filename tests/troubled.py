"""A solver that fails when it is asked to, and runs of it in a folder of the test's own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import shell
import torch

from nmfbench.numerics.factorization import Factorization, Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.solvers.base import Solver, Stopping

SHORT = ["threads=1", "evaluator.n_init=1", "stopping.max_iter=3"]
SYNTHETIC = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]


@dataclass(frozen=True, kw_only=True)
class Troubled(Solver):
    """min ½‖X − WH‖², except where a seed raises, turns NaN or is interrupted."""

    stopping: ClassVar[Stopping] = Stopping(max_iter=5, check_every=1)
    rank: int = 2
    raises: int = -1
    diverges: int = -1
    interrupted: int = -1

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        m, n = problem.X.shape
        W, H = rng.uniform("W", (m, self.rank), problem.X), rng.uniform("H", (self.rank, n), problem.X)
        if self.raises in rng.seeds:
            raise ArithmeticError("no luck with this seed")
        if self.interrupted in rng.seeds:
            raise KeyboardInterrupt
        for i in range(10):
            yield Product(W, H)
            H = H * 0.9
            if i == 1 and self.diverges in rng.seeds:
                H[rng.seeds.index(self.diverges)] = torch.nan

    def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
        return (problem.X - factorization.reconstruct()).square().sum((-2, -1)) / 2


def run(tmp_path: Path, *words: str) -> int:
    return shell.run(tmp_path / "results", *words)


def records(tmp_path: Path) -> list[dict]:
    return shell.load(tmp_path / "results")
