"""The bases of methods that offer a choice of starts."""

from dataclasses import dataclass
from typing import ClassVar

from nmfbench.numerics import inits
from nmfbench.numerics.problem import Problem
from nmfbench.solvers.base import DeepSolver, Solver, check_rank


@dataclass(frozen=True, kw_only=True)
class Started(Solver):
    """A method of one layer.

    Parameters
    ----------
    rank: number of components r, ≥ 1.
    init: one of `starts`.
    """

    starts: ClassVar[tuple[str, ...]] = inits.CHOICES
    reads_sparse: ClassVar[bool] = False
    """Its updates take a SparseMatrix for X."""

    rank: int
    init: str = "uniform"

    def __post_init__(self) -> None:
        check_rank(self.rank)
        inits.check_name(self.init, self.starts)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    @property
    def accepts_sparse(self) -> bool:
        return self.reads_sparse and self.init == "uniform"  # because the other starts need a dense X

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check(self.init, problem.X, [self.rank])


@dataclass(frozen=True, kw_only=True)
class DeepStarted(DeepSolver):
    """A method of L layers, each of which starts from what the layer below starts with.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: [2·rank, rank].
    init: one of `starts`.
    """

    starts: ClassVar[tuple[str, ...]] = inits.CHOICES

    init: str = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        inits.check_name(self.init, self.starts)

    @property
    def draws(self) -> bool:
        return inits.draws(self.init)

    def check(self, problem: Problem) -> None:
        super().check(problem)
        inits.check(self.init, problem.X, self.layers)
