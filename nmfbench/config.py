"""From plain YAML to objects: where the configs lie, what they offer, and `build`."""

import dataclasses
import difflib
import importlib
import math
import os
from collections.abc import Iterable, Mapping
from functools import cache
from inspect import isabstract
from pathlib import Path
from typing import Any, TypeVar, cast

import yaml

from nmfbench.errors import ConfigError

_ROOT = Path(__file__).resolve().parents[1]
# In a checkout the configs beside the package win over the copies that an install made.
CONFIG_DIR = _ROOT / "configs" if (_ROOT / "pyproject.toml").exists() else _ROOT / "nmfbench" / "configs"

T = TypeVar("T")


def user_dir() -> Path:
    """A user's own YAMLs: the folder that NMFBENCH_CONFIG names, else nmfbench in the user's config folder."""
    own = os.environ.get("NMFBENCH_CONFIG")
    return Path(own or Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "nmfbench").expanduser().absolute()


def config_dirs() -> list[Path]:
    """Where YAMLs are looked for, in this order: those that ship, then the user's own."""
    return [CONFIG_DIR, user_dir()]


def _path(group: str, name: str) -> Path:
    for folder in config_dirs():
        if (path := folder / group / f"{name}.yaml").exists():
            return path
    raise ConfigError(f"no {group} is called {name!r}{nearest(name, options(group))}")


def options(group: str) -> list[str]:
    """The names that a config group offers: solver, dataset, evaluator, experiment."""
    return sorted({path.stem for folder in config_dirs() for path in (folder / group).glob("*.yaml")})


def describe(group: str, name: str) -> str:
    """What an option is, in a line: the comment that its YAML opens with."""
    lines = _path(group, name).read_text(encoding="utf-8").splitlines()
    comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def defaults(group: str, name: str) -> dict[str, Any]:
    """The parameters as the YAML of that option gives them."""
    path = _path(group, name)
    try:
        return dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not YAML with a key: value a line: {error}") from error


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a sentence that proposes the names most like this one, or lists them all."""
    names = list(names)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there are: {', '.join(names)}" if names else ""


def build(node: Mapping[Any, Any], base: type[T], where: str) -> T:
    """The object that a config node describes: an instance of the class that ``_target_`` names.

    The class must be a dataclass derived from ``base``; its fields are the schema of the other keys. ``where`` is
    the key the node stands under, for messages. Raises ConfigError for anything else. Importing the named module
    runs it, so a config is code; but nothing nested in a node is ever instantiated.
    """
    values = dict(node)
    return structured(values, _locate(values.pop("_target_", None), base, where), where)


def structured(values: Mapping[Any, Any], cls: type[T], where: str) -> T:
    """An instance of the dataclass from plain values. Unknown keys, wrong types and ranges raise ConfigError.

    ``where`` is the key the values stand under, for messages; empty at the top.
    """
    # Imported here because `nmfbench --help` and `nmfbench list` need this module but not OmegaConf.
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    fields = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    prefix = f"{where}." if where else ""
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"unknown key {prefix}{key}{nearest(key, fields)}")
        if isinstance(value, Mapping) and "_target_" in value:
            raise ConfigError(f"{prefix}{key} must not hold a _target_; refused")
        if value == "???":
            raise ConfigError(f"{prefix}{key} must be given: add {prefix}{key}=…")
    try:
        merged = OmegaConf.merge(_schema(cls), values)  # type: ignore[arg-type]
        checked = {str(k): v for k, v in OmegaConf.to_container(merged, resolve=True, throw_on_missing=True).items()}  # type: ignore[union-attr]
    except OmegaConfBaseException as error:
        key = f"{prefix}{error.full_key}"
        if "is not a ListConfig" in str(error):
            raise ConfigError(f"{key} must be a list, e.g. {key}=[2,3]") from error
        raise ConfigError(f"{key}: {str(error).splitlines()[0]}") from error
    for key, value in checked.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{prefix}{key} must be finite, got {value}")
        if isinstance(value, int) and abs(value) >= 2**63:  # no table could hold it
            raise ConfigError(f"{prefix}{key} must fit into 64 bits, got {value}")
    try:
        return cls(**checked)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if where else str(error)) from None


@cache
def _schema(cls: type) -> Any:
    """Kept, because a sweep checks thousands of nodes of few classes."""
    from omegaconf import OmegaConf

    return OmegaConf.structured(cls)


def _locate(target: Any, base: type[T], where: str) -> type[T]:
    module_name, _, class_name = str(target).rpartition(".")
    if not module_name:
        raise ConfigError(f"{where}._target_ must be the dotted path of a {base.__name__} class, got {target!r}")
    try:
        cls: Any = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}._target_ {target!r} cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, base) and dataclasses.is_dataclass(cls)) or isabstract(cls):
        raise ConfigError(f"{where}._target_ {target!r} is not a final {base.__name__} dataclass; refused")
    return cast(type[T], cls)
