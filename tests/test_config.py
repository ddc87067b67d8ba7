"""From a node to an object: what `build` makes, and what it refuses by name."""

import os
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

import pytest

from nmfbench import MultiplicativeNMF, config
from nmfbench.config import build, nearest, structured
from nmfbench.errors import ConfigError
from nmfbench.evaluators import Evaluator
from nmfbench.solvers.base import Solver

MU = "nmfbench.solvers.mu.MultiplicativeNMF"


class Base:
    """The base that the classes below are checked against."""


@dataclass(frozen=True, kw_only=True)
class Toy(Base):
    count: int = 1
    rate: float = 0.5
    name: str | None = None
    sizes: list[int] | None = None
    extra: dict[str, int] = field(default_factory=dict)
    any: Any = None


@dataclass(frozen=True)
class Unfinished(Base):
    @abstractmethod
    def act(self) -> None: ...


def toy(**values: object) -> Toy:
    return build({"_target_": f"{__name__}.Toy", **values}, Base, "toy")


def test_node_becomes_an_instance_with_its_values() -> None:
    assert build({"_target_": MU, "rank": 3, "lam": 1}, Solver, "solver") == MultiplicativeNMF(rank=3, lam=1.0)
    assert toy(sizes=[1, 2], rate=2, name="x") == Toy(sizes=[1, 2], rate=2.0, name="x")
    assert type(toy(sizes=[1, 2]).sizes) is list and type(toy(rate=2).rate) is float


def test_node_itself_is_left_alone() -> None:
    node = {"_target_": MU, "rank": 3}
    build(node, Solver, "solver")
    assert node == {"_target_": MU, "rank": 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cuont": 1}, r"unknown key toy\.cuont; did you mean count\?"),
        ({"count": "many"}, r"toy\.count must be a whole number, got 'many'"),
        ({"count": 1.5}, r"toy\.count must be a whole number, got '1\.5'"),
        ({"count": None}, r"toy\.count: "),
        ({"count": 2**63}, r"toy\.count must fit into 64 bits"),
        ({"rate": float("nan")}, r"toy\.rate must be finite, got nan"),
        ({"rate": float("inf")}, r"toy\.rate must be finite, got inf"),
        ({"sizes": 3}, r"toy\.sizes must be a list, e\.g\. toy\.sizes=\[2,3\]"),
        ({"sizes": ["a"]}, r"toy\.sizes"),
        ({"name": "???"}, r"toy\.name must be given: add toy\.name=…"),
        ({"extra": {"_target_": "os.system"}}, r"toy\.extra must not hold a _target_"),
    ],
)
def test_value_that_does_not_fit_is_refused_by_its_key(values: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        toy(**values)


def test_refusal_of_the_class_itself_names_the_node_and_the_value() -> None:
    with pytest.raises(ConfigError, match=r"solver: lam must be nonnegative, got -1"):
        build({"_target_": MU, "rank": 3, "lam": -1}, Solver, "solver")


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "is not a final Base dataclass; refused"),
        (f"{__name__}.Base", "is not a final Base dataclass; refused"),
        (f"{__name__}.Unfinished", "is not a final Base dataclass; refused"),
        (f"{__name__}.Nothing", "cannot be imported"),
        ("nowhere.Toy", "cannot be imported"),
        ("Toy", "must be the dotted path of a Base class, got 'Toy'"),
        (None, "must be the dotted path"),
        (5, "must be the dotted path"),
    ],
)
def test_target_that_is_no_such_class_is_refused(target: object, message: str, monkeypatch) -> None:
    monkeypatch.setattr(os, "system", lambda *a: pytest.fail("os.system was called"))
    if target == f"{__name__}.Unfinished":
        monkeypatch.setattr("nmfbench.config.inspect.isabstract", lambda cls: cls is Unfinished)
    with pytest.raises(ConfigError, match=message):
        build({"_target_": target}, Base, "toy")


def test_class_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="is not a final Evaluator dataclass"):
        build({"_target_": MU, "rank": 3}, Evaluator, "evaluator")
    with pytest.raises(ConfigError, match="is not a final Solver dataclass"):
        build({"_target_": "nmfbench.solvers.base.Solver"}, Solver, "solver")


def test_values_at_the_top_are_named_without_a_prefix() -> None:
    with pytest.raises(ConfigError, match=r"^unknown key cuont"):
        structured({"cuont": 1}, Toy, "")


@pytest.mark.parametrize(
    ("name", "names", "proposal"),
    [
        ("wnf", ["wnnf", "mu", "raw"], "; did you mean wnnf?"),
        ("x", ["mu", "raw"], "; there are: mu, raw"),
        ("x", [], ""),
    ],
)
def test_nearest_names_are_proposed_or_all_of_them(name: str, names: list[str], proposal: str) -> None:
    assert nearest(name, names) == proposal


def test_every_group_has_options_that_describe_themselves() -> None:
    for group in ("solver", "dataset", "evaluator", "experiment"):
        assert config.options(group)
        assert all(len(config.describe(group, name)) > 10 for name in config.options(group))


def test_unknown_option_proposes_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"no solver is called 'wnf'; did you mean wnnf\?"):
        config.defaults("solver", "wnf")


def outcome(values: dict) -> object:
    try:
        return repr(structured(values, Toy, "toy"))
    except (ConfigError, OverflowError) as error:
        return str(error)


VALUES = [0, 1, -3, 2**53 + 1, 2**63, 10**400, 0.5, 1e300, float("nan"), float("inf"), True, None, "", "2", "a", "???"]
VALUES += ["${count}", "a${count}", "${nope}", r"\${count}", [], [1, 2], [1.5], [True], [None], ["a"], ["${count}"]]
VALUES += [[[1]], {}, {"a": 1}, {"a": 0.5}, {"a": "b"}, {"a": [1]}, {1: 2}, (1, 2)]


@pytest.mark.parametrize("key", ["count", "rate", "name", "sizes", "extra", "any", "unknown"])
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_value_of_its_fields_type_is_what_omegaconf_makes_of_it(key: str, value: object, monkeypatch) -> None:
    values = {"count": 3, key: value}
    quick = outcome(values)
    monkeypatch.setattr(config, "_as_declared", lambda values, cls: None)
    assert quick == outcome(values)


def test_defaults_are_no_objects_that_two_instances_share() -> None:
    assert toy().extra is not toy().extra and toy(any=[1]).any == [1]
