"""Parameters are documented in code: help() on a class explains every field, and a function on tensors its shapes."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields

import pytest

from nmfbench import config, fitting, numerics
from nmfbench.contract import Verdict
from nmfbench.contract.claim import Claim
from nmfbench.contract.subject import Shared
from nmfbench.datasets.base import ClassDrawingLoader, Dataset, Loader
from nmfbench.datasets.corruption import Corruption
from nmfbench.datasets.planted import Planted
from nmfbench.evaluators.base import Exhibit, Fitted
from nmfbench.evaluators.metric import Metric
from nmfbench.fitting import FitResult, Look
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.graph import Graph
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.sparse import SparseMatrix
from nmfbench.papers import Paper
from nmfbench.records import Store, Unreadable, verdicts
from nmfbench.records.packs import Pack
from nmfbench.reports.figures import PaperFigure, Run, TableFigure
from nmfbench.reports.figures.unmixing import Layer
from nmfbench.reports.grids import Grid
from nmfbench.reports.maps import Maps
from nmfbench.reports.plots import Tiles
from nmfbench.reports.report import Block, Report
from nmfbench.reports.settings import Order, Relative, Table, Tuning
from nmfbench.reports.statistics import Effect
from nmfbench.running.cards import Card
from nmfbench.running.composer import Composed
from nmfbench.running.composing import Request
from nmfbench.running.jobs import Job
from nmfbench.running.measuring import Outcome
from nmfbench.running.planning import LeftOut, Plan
from nmfbench.running.settings import Settings
from nmfbench.running.verifying_packs import Bench
from nmfbench.solvers.base import DeepSolver, Solver, Stopping

HEADING = "Parameters\n----------\n"
PLAIN = [Stopping, Problem, FitResult, Look, Graph, SparseMatrix, Paper]
PLAIN += [Settings, Table, Tuning, Relative, Order, Composed, Request, Job, LeftOut, Plan, Card, Store, Unreadable]
PLAIN += [Grid, Block, Report, Effect, Tiles, Maps, Layer, Run, PaperFigure, TableFigure, Outcome]
PLAIN += [Pack, verdicts.Verdict, Bench, Claim, Verdict, Shared]
PLAIN += [Dataset, Loader, ClassDrawingLoader, Planted, Corruption, Fitted, Exhibit, Metric, DeepSolver]
RULE = re.compile(r"[≥>]|\[[-\d]|\d to |one of|any |None|paper|program|printed|default|Sec\.", re.IGNORECASE)
SHAPE = re.compile(r"\((S|m|n|r|N|…)[,)]")


def configured(group: str) -> list[type]:
    """The classes that the YAMLs of a group name."""
    paths = {config.defaults(group, name)["_target_"].rpartition(".") for name in config.options(group)}
    return [getattr(importlib.import_module(module), name) for module, _, name in sorted(paths)]


def kinds(base: type) -> Iterator[type]:
    """The subclasses of a class that nmfbench itself defines."""
    for kind in base.__subclasses__():
        yield from [kind] * kind.__module__.startswith("nmfbench.")
        yield from kinds(kind)


SOLVERS = configured("solver")
CLASSES = [*SOLVERS, *configured("dataset"), *configured("evaluator"), *PLAIN, *dict.fromkeys(kinds(Factorization))]


def parameters(kind: type) -> dict[str, str]:
    """The entries of a docstring's section Parameters by name, each as one line."""
    section = inspect.cleandoc(kind.__doc__ or "").partition(HEADING)[2].partition("\n\n")[0]
    entries = re.split(r"\n(?! )", section)
    pairs = (re.fullmatch(r"(\w+): (.*)", entry, re.DOTALL) for entry in entries)
    return {pair[1]: " ".join(pair[2].split()) for pair in pairs if pair}


def undocumented(kind: type) -> list[str]:
    """The fields of a dataclass that its docstring does not explain in at least two words."""
    documented = parameters(kind)
    return [field.name for field in fields(kind) if len(documented.get(field.name, "").split()) < 2]


def functions() -> Iterator[Callable]:
    """The public functions on tensors."""
    modules = [importlib.import_module(f"nmfbench.numerics.{m.name}") for m in pkgutil.iter_modules(numerics.__path__)]
    for module in (*modules, fitting):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            annotations = str(inspect.signature(function))
            if function.__module__ == module.__name__ and name[0] != "_" and "Tensor" in annotations:
                yield function


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__qualname__)
def test_docstring_explains_every_field_and_no_other(kind: type) -> None:
    assert undocumented(kind) == []
    assert set(parameters(kind)) == {field.name for field in fields(kind)}


@pytest.mark.parametrize("kind", SOLVERS, ids=lambda kind: kind.__name__)
def test_solver_gives_the_range_or_the_source_of_each_parameter(kind: type) -> None:
    assert [name for name, text in parameters(kind).items() if not RULE.search(text)] == []


@pytest.mark.parametrize("name", config.options("solver"))
def test_docstring_says_whether_a_sweep_descends_as_the_solver_does(name: str) -> None:
    node = {key: 4 if value == "${rank}" else value for key, value in config.defaults("solver", name).items()}
    solver = config.build(node, Solver, "solver")
    text = type(solver).__doc__
    if not solver.direct:
        assert ("Descends: " in text, "No sweep is guaranteed to descend: " in text) == (
            solver.monotone,
            not solver.monotone,
        )


def test_field_without_its_line_is_noticed() -> None:
    @dataclass
    class Half:
        """Half of its fields are documented.

        Parameters
        ----------
        rank: number of components r, ≥ 1,
            on a second line.
        beta:
        """

        rank: int
        beta: float
        lam: float

    assert undocumented(Half) == ["beta", "lam"]
    assert parameters(Half) == {"rank": "number of components r, ≥ 1, on a second line."}


@pytest.mark.parametrize("function", [*functions()], ids=lambda function: f"{function.__module__}.{function.__name__}")
def test_function_on_tensors_states_a_shape(function: Callable) -> None:
    assert SHAPE.search(function.__doc__ or "")
