"""Claims about how a method is documented: its YAML and its docstring."""

import re
from dataclasses import MISSING, fields
from inspect import cleandoc

import yaml

from nmfbench.config import first_comment
from nmfbench.contract.claim import NotClaimed, claim, require
from nmfbench.contract.subject import RANK, Subject


def _listed(subject: Subject) -> dict[str, object]:
    """Return the settings that the YAML lists, including those of the YAMLs in its ``defaults`` list."""
    node = dict(yaml.safe_load(subject.yaml))
    listed = subject.settings(RANK) if "defaults" in node else node
    return {str(key): value for key, value in listed.items() if key not in ("_target_", "defaults")}


def _only_ours(subject: Subject) -> None:
    if not subject.ours:
        raise NotClaimed("asked of nmfbench's own solvers alone")


@claim()
def yaml_lists_settings(subject: Subject, dtype: str) -> None:
    """The YAML lists every setting of the class and no other."""
    settings = {field.name for field in fields(subject.solver)}
    missing = settings - set(_listed(subject))
    require(not missing, "a line for each setting, so that the command line can set it", f"none for {_names(missing)}")


@claim()
def yaml_gives_defaults(subject: Subject, dtype: str) -> None:
    """The YAML gives the defaults of the class."""
    _only_ours(subject)
    listed = _listed(subject)
    for field in fields(subject.solver):
        if field.name != "rank":
            default = field.default if field.default_factory is MISSING else field.default_factory()
            require(listed[field.name] == default, f"{field.name}: {default}, as in the class", listed[field.name])


@claim()
def yaml_describes(subject: Subject, dtype: str) -> None:
    """The YAML opens with a line that describes the method."""
    _only_ours(subject)
    described = first_comment(subject.yaml)
    require(len(described) > 10, "a comment that `nmfbench list solvers` shows", repr(described))


@claim()
def docstring_gives_source(subject: Subject, dtype: str) -> None:
    """The docstring gives the problem first and the source last."""
    _only_ours(subject)
    first, *others = cleandoc(type(subject.solver).__doc__ or "").splitlines() or [""]
    problem = first.startswith(("min ", "Nothing is minimised")) and len(first) <= 120
    require(problem, "a first line 'min …' or 'Nothing is minimised …' of at most 120 characters", repr(first))
    source = re.search(r"\((19|20)\d\d\)|Kobayashi & Watanabe", (others or [""])[-1])
    # The control `raw` is nobody's method.
    require(
        bool(source) or subject.name == "raw", "a last line with the source and its year", repr((others or [""])[-1])
    )


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names))
