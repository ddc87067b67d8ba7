"""The contract: every claim catches a method that breaks it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import pytest
import torch

from nmfbench.adapters.function import FunctionSolver
from nmfbench.adapters.module import ModuleSolver
from nmfbench.adapters.sklearn import SklearnSolver
from nmfbench.adapters.template import Template
from nmfbench.contract import CLAIMS, Subject, check
from nmfbench.contract.subject import problem_of
from nmfbench.errors import NotApplicable
from nmfbench.numerics import inits, losses
from nmfbench.numerics.factorization import Product, Stack
from nmfbench.numerics.rng import Streams
from nmfbench.numerics.sparse import SparseMatrix

YAML = "# a method that breaks one claim\nrank: ${rank}\nlam: 0.0\n"


class Method(Template):
    """The template of `nmfbench new solver`; each method below differs from it in one thing."""

    def iterates(self, problem, rng):
        return map(self.state, super().iterates(problem, rng), count())

    def state(self, state: Product, iteration: int) -> Product:
        """What it yields instead."""
        return state


def made(name: str, **changed) -> type[Method]:
    """A method with these attributes, under a name by which its YAML finds it."""
    kind = dataclass(frozen=True, kw_only=True)(type(name, (Method,), {"__module__": __name__, **changed}))
    globals()[name] = kind
    return kind


def subject(kind: type, yaml: str = YAML, **settings) -> Subject:
    node = {"_target_": f"{__name__}.{kind.__name__}", "lam": 0.0, **settings}
    return Subject(kind.__name__, lambda rank: {"rank": rank, **node}, yaml)


def yields(change: Callable[[Product, int], Product], **changed) -> dict:
    return {"state": lambda self, state, iteration: change(state, iteration), **changed}


def shifted(by: float, of: str = "H") -> Callable[[Product, int], Product]:
    return lambda state, iteration: replace(state, **{of: getattr(state, of) + by})


class Doubled(Product):
    def reconstruct(self):
        return 2 * self.W @ self.H


class WronglyLinked(Stack):
    @property
    def links(self):
        return [2 * W for W in self.Ws[:-1]]


def _mixed(state: Product, iteration: int) -> Product:
    """Each restart with a little of the mean of all."""
    return replace(state, H=state.H + 1e-3 * state.H.mean(0))


def _without_a_seed(self, problem, rng):
    return Template.iterates(self, problem, Streams([0] * len(rng.seeds)))


def _seed_ignored_by_numpy(state: Product, iteration: int) -> Product:
    return shifted(np.random.default_rng().random())(state, iteration)


def _global_draw(state: Product, iteration: int) -> Product:
    np.random.rand()
    return state


def _in_place(self, problem, rng):
    problem.X.mul_(0.5)
    return Template.iterates(self, problem, rng)


def _without_floor(self, problem, rng):
    X, (W, H) = problem.X, inits.uniform(problem.X, self.rank, rng)
    while True:
        yield Product(W, H)
        H = H * (W.mT @ X) / (W.mT @ W @ H)
        W = W * (X @ H.mT) / (W @ (H @ H.mT))


def _read_once(self, problem, rng):
    """It keeps X as it is before the first sweep, so that it does not see what `fit` fills in later."""
    return Template.iterates(self, problem_of(problem.X.clone()), rng)


def _refuses_negative(self, problem) -> None:
    if problem.X.min() < 0:
        raise NotApplicable("it takes no -0.5")


def _breaks_when_small(state: Product, iteration: int) -> Product:
    return state if min(state.H.shape[-1], state.W.shape[-2]) > 1 else replace(state, W=state.W * np.nan)


def _absolute(self, problem) -> float:
    return self.lam


def _loss_alone(self, problem, factorization):
    return losses.half_square(problem, factorization.W, factorization.H)


def _objective_of_all(self, problem, factorization):
    return Template.objective(self, problem, factorization).sum()


def _dense_of_sparse(self, problem) -> None:
    """It checks nothing, and so takes a sparse X without reading it."""


def _of_sparse(self, problem, rng):
    """It reads the shape of X alone, and whether it is sparse."""
    scale = 2 if isinstance(problem.X, SparseMatrix) else 1
    W, H = (torch.ones(len(rng.seeds), *size) for size in ((problem.X.shape[0], 4), (4, problem.X.shape[1])))
    yield Product(2 * scale * W, H)
    yield Product(scale * W, H)


def _stacked(state: Product, iteration: int) -> WronglyLinked:
    H = state.W.new_ones(len(state.W), 3, 4) @ state.H
    return WronglyLinked((state.W.new_ones(len(state.W), 5, 3), state.W.new_ones(len(state.W), 13, 5)), H)


def says(value: object) -> property:
    return property(lambda self: value)


BROKEN = {
    "yaml_lists_settings": [subject(made("Short"), yaml="# a comment\nrank: ${rank}\n")],
    "fit_ends": [
        subject(made("NotFinite", **yields(shifted(np.nan)))),
        subject(made("Raising", **yields(lambda state, iteration: 1 // (3 - iteration) and state))),
    ],
    "shapes": [
        subject(made("Double", **yields(lambda state, i: Product(state.W.double(), state.H.double())))),
        subject(
            made(
                "Cut",
                **yields(
                    lambda state, i: Product(state.W, state.H[..., 1:]), objective=lambda s, p, f: f.H.sum((-2, -1))
                ),
            )
        ),
    ],
    "restart_axis": [
        subject(made("Summed", objective=_objective_of_all)),
        subject(made("Single", **yields(lambda state, i: Product(state.W[0], state.H[0])))),
    ],
    "layers_fit": [subject(made("Twofold", **yields(lambda state, i: Doubled(state.W, state.H))))],
    "links_hold": [subject(made("Unlinked", **yields(_stacked, objective=lambda s, p, f: f.H.sum((-2, -1)))))],
    "nonnegative": [
        subject(made("Negative", **yields(shifted(-0.5)))),
        subject(made("NegativeBases", **yields(shifted(-1e-3, "W")))),
    ],
    "repeatable": [subject(made("Unseeded", **yields(_seed_ignored_by_numpy)))],
    "batch_is_alone": [subject(made("Mixed", **yields(_mixed)))],
    "seeds_differ": [
        subject(made("Seedless", iterates=_without_a_seed)),
        subject(made("Drawing", draws=says(False))),
    ],
    "leaves_alone": [
        subject(made("Global", **yields(_global_draw))),
        subject(made("InPlace", iterates=_in_place)),
    ],
    "never_rises": [subject(made("Rising", **yields(lambda s, i: shifted(0.1 * (i == 7))(s, i), monotone=says(True))))],
    "falls": [subject(made("Worse", **yields(lambda state, i: replace(state, W=state.W * (1 + i)))))],
    "scale_free": [subject(made("Absolute", _weight=_absolute), lam=0.5)],
    "penalty": [subject(made("Unweighted", objective=_loss_alone), lam=0.5)],
    "degenerate": [subject(made("Floorless", iterates=_without_floor))],
    "small": [subject(made("Large", **yields(_breaks_when_small)))],
    "negative": [
        subject(made("Refusing", check=_refuses_negative, accepts_negative=True)),
        subject(made("Unchecked", check=_dense_of_sparse)),
    ],
    "rank_is_checked": [subject(made("AnyRank", __post_init__=lambda self: None))],
    "sparse": [
        subject(
            made("Random", iterates=_of_sparse, objective=lambda s, p, f: f.W.sum((-2, -1)), accepts_sparse=says(True))
        ),
        subject(
            made("Careless", check=_dense_of_sparse, iterates=_of_sparse, objective=lambda s, p, f: f.W.sum((-2, -1)))
        ),
    ],
    "missing": [
        subject(made("Once", iterates=_read_once, monotone=says(True))),
        subject(made("Filling", check=_dense_of_sparse)),
    ],
}


@pytest.fixture
def ours(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Subject]:
    """A method of nmfbench's own, with another YAML or docstring."""

    def asked(yaml: str = YAML, doc: str = Template.__doc__) -> Subject:
        kind = made(f"Own{len(globals())}", __doc__=doc)
        monkeypatch.setattr(kind, "__module__", "nmfbench.solvers.own")
        return subject(kind, yaml)

    return asked


WORDS = {
    "yaml_gives_defaults": {"yaml": YAML.replace("0.0", "3.0")},
    "yaml_describes": {"yaml": YAML.partition("\n")[2]},
    "docstring_gives_source": {"doc": "min something\n\nby someone"},
}


@pytest.mark.parametrize(("name", "method"), [(name, method) for name, methods in BROKEN.items() for method in methods])
def test_method_that_breaks_a_claim_is_caught(name: str, method: Subject) -> None:
    (verdict,) = check(method, [CLAIMS[name]])
    assert verdict.status == "broken" and verdict.words.removeprefix("in float32: ").startswith("expected ")


@pytest.mark.parametrize("name", WORDS)
def test_words_that_break_a_claim_are_caught(name: str, ours) -> None:
    (right,), (wrong,) = (check(method, [CLAIMS[name]]) for method in (ours(), ours(**WORDS[name])))
    assert (right.status, wrong.status) == ("held", "broken")


def test_every_claim_has_a_method_that_breaks_it() -> None:
    assert {*BROKEN, *WORDS} == set(CLAIMS)


@pytest.mark.parametrize("adapter", [FunctionSolver, ModuleSolver, SklearnSolver])
def test_what_an_adapter_does_not_claim_is_a_claim(adapter: type) -> None:
    assert set(adapter.unclaimed) <= set(CLAIMS) and all(adapter.unclaimed.values())
