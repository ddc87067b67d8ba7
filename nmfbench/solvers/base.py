"""The solver interface: a frozen dataclass of hyper-parameters and one generator."""

from abc import abstractmethod
from collections.abc import Collection, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.nnls import layer
from nmfbench.numerics.plain import Checked
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.sparse import SparseMatrix

Iterates = Iterator[Factorization] | Generator[Factorization | None, bool, None]
"""The return type of `Solver.iterates`. Methods with a slow initialization use the generator form."""


@dataclass(frozen=True, kw_only=True)
class Stopping(metaclass=Checked):
    """When a fit ends: at the first of these limits. Whether it has converged is another matter: see `convergence`.

    Parameters
    ----------
    max_iter: iterations at most, ≥ 0.
    tol: ≥ 0. A restart ends once its objective did not rise since the last check and fell by at most tol · |objective|;
        0 turns this rule off.
    max_seconds: time limit in seconds, > 0, of a restart, its start included; None: no limit. A batch of S restarts may
        take S times as long. A fit takes one iteration at least.
    check_every: iterations between two checks of the objectives, ≥ 1.
    converged: whether a restart ends once it has converged, by the measure that is the same for all methods.
    """

    max_iter: int = 1000
    tol: float = 0.0
    max_seconds: float | None = None
    check_every: int = 10
    converged: bool = False

    def __post_init__(self) -> None:
        check_at_least("max_iter", self.max_iter, 0)
        check_at_least("tol", self.tol, 0)
        check_at_least("check_every", self.check_every, 1)
        if self.max_seconds is not None:
            check_positive("max_seconds", self.max_seconds)


@dataclass(frozen=True, kw_only=True)
class Solver(metaclass=Checked):
    """One method. Subclasses are dataclasses of hyper-parameters whose first docstring line is the problem.

    The properties are claims, to which the contract test holds the method. One that depends on no hyper-parameter is a
    class variable in the subclass: ``monotone: ClassVar[bool] = True``.
    """

    stopping: ClassVar[Stopping]
    """The paper's stopping rule."""
    version: ClassVar[int] = 1
    """Increase it when a change moves the method's numbers, so that old records do not count as done."""
    nonnegative: ClassVar[Literal["all", "codes", "weak", "none"]] = "none"
    """Which factors of the result are ≥ 0 ("weak": small negative entries are part of the method)."""
    accepts_negative: ClassVar[bool] = False
    direct: ClassVar[bool] = False
    """The method solves in one step, so a stopping rule has no meaning."""
    skips_missing: ClassVar[bool] = False
    """Its updates read `Problem.observed`. For another method that accepts missing entries, `fit` fills them in before
    each sweep, from the product of the first layer."""
    refusals: ClassVar[tuple[type[Exception], ...]] = (NotApplicable,)
    """The errors by which it refuses data that it cannot take."""
    unclaimed: ClassVar[Mapping[str, str]] = {}
    """The claims of the contract that it does not make by its nature, by name, with the reason."""

    @property
    def draws(self) -> bool:
        """Whether it draws random numbers. If not, every seed has the same factors, and one fit suffices for all."""
        return True

    @property
    def uses_labels(self) -> bool:
        """Whether it sees the labels of the samples in the mask. It is then scored on the others."""
        return False

    @property
    def accepts_sparse(self) -> bool:
        """Whether it can take a SparseMatrix for X."""
        return False

    @property
    def accepts_missing(self) -> bool:
        """Whether it can take an X with missing entries, none of which moves a bit of the result.

        A monotone method can, because `fit` fills them in (see `Problem.fill`). Each sweep must then read X anew, the
        first layer's divergence must be a term of the objective, no basis may be made of X, and weights relative to X
        must be those of the start, as the numbers that `Problem` keeps are.
        """
        return self.skips_missing or self.monotone

    @property
    def encodes(self) -> Literal["", "layers", "product"]:
        """The way to encode new samples by non-negative least squares on the bases; empty: there is none.

        "layers": each layer's codes from those below, or from the first layer's by the links. "product": from the
        product of all bases.
        """
        return ""

    @property
    def monotone(self) -> bool:
        """Whether the objective never rises from one iteration to the next, up to rounding."""
        return False

    @property
    def scale_free(self) -> bool:
        """Whether X and any multiple of it have the same codes, up to one positive factor a layer and rounding."""
        return True

    @property
    def footnote(self) -> str:
        """A sentence that a reader of a table must know about this method; empty: none."""
        return ""

    @abstractmethod
    def iterates(self, problem: Problem, rng: Streams) -> Iterates:
        """Yield the start, and then the factorization after each sweep over all blocks (or each epoch).

        Factors are (S, …) for the S seeds of ``rng``. A yielded factorization is valid until the next step.
        A generator ends when the method has nothing more to do. A start that takes long yields None after each of its
        own sweeps; if that `yield` returns True, time is up and the start ends with what it has.
        """

    @abstractmethod
    def objective(self, problem: Problem, factorization: Any) -> Tensor:
        """The value that the method minimises, (S,). ``factorization`` is of the class that `iterates` yields."""

    def penalty(self, problem: Problem, factorization: Any) -> Tensor | None:
        """The part of `objective` that is a penalty or a label term, (S,); None where the method has none."""
        return None

    def encode(self, factorization: Any, X: Tensor) -> Tensor:
        """Codes (r, n′) of the top layer for new samples X (m, n′), by the factors of one restart.

        Raises NotApplicable where the method has no codes but those of its own samples.
        """
        if not self.encodes:
            raise NotApplicable(
                f"{type(self).__name__} with these settings gives no codes to new samples: they are not the least "
                "squares on its bases"
            )
        if self.encodes == "product":
            return layer(factorization.bases[-1], X)
        codes = layer(factorization.bases[0], X)
        for link in factorization.links:
            codes = layer(link.mT.contiguous(), codes) if factorization.layering == "codes" else link @ codes
        return codes

    def check(self, problem: Problem) -> None:
        """Raise NotApplicable when this method cannot take this problem. Called before a fit."""
        if isinstance(problem.X, SparseMatrix) and not self.accepts_sparse:
            size = problem.X.shape.numel() * problem.X.dtype.itemsize / 2**20
            raise NotApplicable(
                f"{type(self).__name__} with these settings needs a dense X, and X is sparse; "
                f"dense it takes {size:,.0f} MiB: dataset.dense=true on the command line, X.toarray() in Python"
            )
        if problem.observed is not None and not self.accepts_missing:
            raise NotApplicable(
                f"{type(self).__name__} with these settings needs all entries of X, and "
                f"{int((~problem.observed).sum())} are missing or held out; nmfbench list solvers --table tells which "
                "solvers accept that"
            )
        if problem.extremes[0] < 0 and not self.accepts_negative:
            raise NotApplicable(
                f"{type(self).__name__} needs X ≥ 0, but X has entries down to {problem.extremes[0]:.4g}; "
                "choose a solver that accepts negative entries, or map each feature to [0, 1], as scaling min_max does"
            )


@dataclass(frozen=True, kw_only=True)
class DeepSolver(Solver):
    """A method of L layers.

    Parameters
    ----------
    rank: rank r_L ≥ 1 of the top layer; None: the last of ``ranks``.
    ranks: r_1 … r_L, each ≥ 1; None: those that `ranks_below` makes of ``rank``, [2·rank, rank] by default.
    """

    rank: int | None = None
    ranks: list[int] | None = None

    def __post_init__(self) -> None:
        if self.ranks is None:
            if self.rank is None:
                raise ConfigError("rank (of the top layer) or ranks (of all layers) must be given")
            check_rank(self.rank)
            object.__setattr__(self, "ranks", self.ranks_below(self.rank))
        if not self.ranks:
            raise ConfigError("ranks must name at least one layer, got []")
        for r in self.ranks:
            check_rank(r)
        object.__setattr__(self, "rank", self.ranks[-1])

    def ranks_below(self, rank: int) -> list[int]:
        """The ranks of all layers when only the top one is given."""
        return [2 * rank, rank]

    @property
    def layers(self) -> list[int]:
        """r_1 … r_L."""
        return self.ranks or []


def check_rank(rank: int) -> None:
    """Raise ConfigError unless the rank is at least 1."""
    check_at_least("rank", rank, 1)


def check_choice(name: str, value: Any, choices: Collection[Any]) -> None:
    """Raise ConfigError unless the parameter is one of the choices."""
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(map(str, choices))}, got {value!r}")


def check_at_least(name: str, value: float, low: float) -> None:
    """Raise ConfigError if the parameter is below ``low``."""
    if value < low:
        raise ConfigError(f"{name} must be at least {low}, got {value}")


def check_nonnegative(name: str, value: float) -> None:
    """Raise ConfigError if the parameter is negative."""
    if value < 0:
        raise ConfigError(f"{name} must be nonnegative, got {value}")


def check_share(name: str, value: float) -> None:
    """Raise ConfigError unless the parameter lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ConfigError(f"{name} must lie in [0, 1], got {value}")


def check_positive(name: str, value: float) -> None:
    """Raise ConfigError unless the parameter is positive."""
    if not value > 0:
        raise ConfigError(f"{name} must be positive, got {value}")
