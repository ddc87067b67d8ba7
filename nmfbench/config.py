"""From plain YAML to objects: the config folders, their options, and `build`."""

import dataclasses
import difflib
import importlib
import inspect
import math
import os
import re
import typing
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, cast

import yaml

from nmfbench.errors import ConfigError

_ROOT = Path(__file__).resolve().parents[1]
# In a checkout the configs beside the package win over the copies that an install made.
_SHIPPED = _ROOT if (_ROOT / "pyproject.toml").exists() else _ROOT / "nmfbench"
CONFIG_DIR = _SHIPPED / "configs"
PUBLISHED = _SHIPPED / "results"
"""Tables, figures and packs of records made by released code; an installed package has the packs alone."""
_SCALARS = (bool, int, float, str)

T = TypeVar("T")
SEARCH = "search"
"""The only key of a solver's YAML that is not a parameter: it holds the values that the arena tries."""


def user_dir() -> Path:
    """Return a user's own YAMLs: the folder that NMFBENCH_CONFIG names, else nmfbench in the user's config folder."""
    own = os.environ.get("NMFBENCH_CONFIG")
    return Path(own or Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config") / "nmfbench").expanduser().absolute()


def config_dirs() -> list[Path]:
    """Return the folders of YAMLs in order of precedence: shipped ones, then the user's own."""
    return [CONFIG_DIR, user_dir()]


def trusted_dirs() -> list[Path]:
    """Return the folders whose YAMLs may name classes from outside nmfbench: our own and the one in NMFBENCH_CONFIG.

    The default folder is none of them, because nobody named it.
    """
    return [CONFIG_DIR, *([user_dir()] if os.environ.get("NMFBENCH_CONFIG") else [])]


def _path(group: str, name: str, folders: Sequence[Path] | None = None) -> Path:
    if not Path(name).is_absolute() and ".." not in Path(name).parts:
        for folder in folders or config_dirs():
            if (path := folder / group / f"{name}.yaml").exists():
                return path
    raise ConfigError(unknown(group, name, options(group, folders)))


def unknown(group: str, name: str, names: Iterable[str]) -> str:
    """Say that a group has no option of this name; for a dataset that is named like a file, how a file is given."""
    if group == "dataset" and Path(name).suffix:
        if not Path(name).expanduser().exists():
            return f"there is no file or dataset {name}; nmfbench list datasets names the datasets"
        return (
            f"{name} is a file: nmfbench data import {name} makes it a dataset; or name it here: dataset=file "
            f"dataset.path={name}"
        )
    return f"no {group} is called {name!r}{nearest(name, names)}"


def options(group: str, folders: Sequence[Path] | None = None) -> list[str]:
    """Return the names that a config group offers: solver, dataset, evaluator, experiment."""
    return sorted({path.stem for folder in folders or config_dirs() for path in (folder / group).glob("*.yaml")})


def text(group: str, name: str, folders: Sequence[Path] | None = None) -> str:
    """Return the YAML of an option. Raises ConfigError for an unknown one."""
    return _path(group, name, folders).read_text(encoding="utf-8")


def describe(group: str, name: str) -> str:
    """Return an option in one line: the first comment of its YAML."""
    return first_comment(text(group, name))


def first_comment(yaml_text: str) -> str:
    """Return the first comment of a YAML that is not a directive of Hydra; empty if there is none."""
    lines = yaml_text.splitlines()
    comments = (line.removeprefix("#").strip() for line in lines if line.startswith("#"))
    return next((comment for comment in comments if not comment.startswith("@package")), "")


def resolve_name(group: str, name: str, folders: Sequence[Path] | None = None) -> str:
    """Return the option that this name stands for, in any case, or by one of the YAML's ``# also called:`` names.

    An unknown name is returned unchanged.
    """
    names = options(group, folders)
    if name in names:
        return name
    for option in names:
        lines = text(group, option, folders).splitlines()
        others = (line.partition(":")[2] for line in lines if line.startswith("# also called:"))
        called = [option, *(other.strip() for line in others for other in line.split(","))]
        if name.casefold() in map(str.casefold, called):
            return option
    return name


def defaults(group: str, name: str, folders: Sequence[Path] | None = None) -> dict[str, Any]:
    """Return the parameters of an option as its YAML gives them, with those of the YAMLs in its ``defaults`` list."""
    return {key: value for key, value in whole(group, name, folders).items() if key != SEARCH}


def whole(group: str, name: str, folders: Sequence[Path] | None = None) -> dict[str, Any]:
    """Return what `defaults` returns, and the space in which the arena searches."""
    path = _path(group, name, folders)
    try:
        node = dict(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (yaml.YAMLError, TypeError, ValueError) as error:
        raise ConfigError(f"{path} is not YAML with a key: value a line: {error}") from error
    bases = node.pop("defaults", [])
    composed: dict[str, Any] = {}
    for base in bases if "_self_" in bases else [*bases, "_self_"]:
        if not isinstance(base, str):
            raise ConfigError(f"{path}: defaults may name YAMLs of {group} and _self_, got {base}")
        composed |= node if base == "_self_" else whole(group, base, folders)
    return composed


def nearest(name: str, names: Iterable[str], list_all: bool = True) -> str:
    """End an error message with the most similar names; without any, with all names if ``list_all``, else nothing."""
    by_lowercase = {known.casefold(): known for known in names}
    names = list(by_lowercase.values())
    close = [by_lowercase[c] for c in difflib.get_close_matches(name.casefold(), by_lowercase, n=3, cutoff=0.6)]
    if close:
        return f"; did you mean {' or '.join(close)}?"
    return f"; there are: {', '.join(names)}" if names and list_all else ""


def build(node: Mapping[Any, Any], base: type[T], where: str) -> T:
    """Return the object that a config node describes: an instance of the class that ``_target_`` names.

    The class must be a dataclass derived from ``base``; its fields are the schema of the other keys. ``where`` is
    the key the node stands under, for messages. Raises ConfigError for anything else. Importing the named module
    runs it, so `trust.check_class` comes first; nothing nested in a node is ever instantiated.
    """
    values = dict(node)
    return structured(values, _locate(values.pop("_target_", None), base, where), where)


def escaped(value: Any) -> Any:
    """Escape every ``${`` in the texts of a value, so that OmegaConf does not read it as an interpolation."""
    if isinstance(value, str):  # a backslash before ${ escapes it, so each one that stands there is doubled
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    if isinstance(value, Mapping):
        return {key: escaped(held) for key, held in value.items()}
    return [escaped(held) for held in value] if isinstance(value, list) else value


def without_nan(value: Any) -> Any:
    """Replace each NaN by the word nan: Hydra reads it as a number, which no setting may be and JSON lacks."""
    if isinstance(value, Mapping):
        return {key: without_nan(held) for key, held in value.items()}
    if isinstance(value, list):
        return [without_nan(held) for held in value]
    return "nan" if isinstance(value, float) and math.isnan(value) else value


def is_final(value: Any) -> bool:
    """Tell whether no text in the value is an interpolation or the mark of a missing one."""
    if isinstance(value, Mapping):
        return all(map(is_final, value.values()))
    if isinstance(value, list):
        return all(map(is_final, value))
    return not isinstance(value, str) or ("${" not in value and value != "???")


def structured(values: Mapping[Any, Any], cls: type[T], where: str) -> T:
    """Return an instance of the dataclass from plain values. Unknown keys, wrong types and ranges raise ConfigError.

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
        checked = _as_declared(values, cls)
        if checked is None:
            merged = OmegaConf.merge(_schema(cls), values)  # type: ignore[arg-type]
            container: Any = OmegaConf.to_container(merged, resolve=True, throw_on_missing=True)
            checked = {str(key): value for key, value in container.items()}
    except OmegaConfBaseException as error:
        key = f"{prefix}{error.full_key}"
        if values.get(error.full_key) == "":
            raise ConfigError(f"{key} is empty; give a value, or leave it out for the default") from error
        if "is not a ListConfig" in str(error):
            raise ConfigError(f"{key} must be a list, e.g. {key}=[2,3]") from error
        raise ConfigError(f"{key}{_plain(str(error).splitlines()[0])}") from error
    for key, value in checked.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{prefix}{key} must be finite, got {value}")
        if isinstance(value, int) and abs(value) >= 2**63:  # no table could hold it
            raise ConfigError(f"{prefix}{key} must fit into 64 bits, got {value}")
    try:
        return cls(**checked)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if where else str(error)) from None


def _plain(message: str) -> str:
    """Rewrite OmegaConf's message about a key in plain words."""
    found = re.fullmatch(r"Value (.*) (?:of type '\w+' could not be converted to|is not a valid) (\w+).*", message)
    kinds = {"Integer": "a whole number", "Float": "a number", "float": "a number", "bool": "true or false"}
    return f" must be {kinds.get(found[2], found[2])}, got {found[1]}" if found else f": {message}"


@cache
def _schema(cls: type) -> Any:
    """Cached, because a sweep checks thousands of nodes of a few classes."""
    from omegaconf import OmegaConf

    return OmegaConf.structured(cls)


@cache
def _declared(cls: type) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the types and the defaults of the fields; no types where they are not known by name."""
    from omegaconf import OmegaConf

    defaults = cast(dict[str, Any], OmegaConf.to_container(_schema(cls)))
    try:
        return typing.get_type_hints(cls), defaults
    except NameError:  # a class that was defined inside a function may name others of that function
        return {}, defaults


def _as_declared(values: Mapping[Any, Any], cls: type) -> dict[str, Any] | None:
    """Return the values merged into the class's defaults, as OmegaConf does it, but a hundred times faster.

    Returns None, and leaves the values to OmegaConf, unless each of them already has the type of its field. A missing
    value or an interpolation counts as another type.
    """
    kinds, defaults = _declared(cls)
    try:
        typed = {key: _typed(value, kinds[key]) for key, value in values.items()}
    except (TypeError, LookupError, OverflowError):
        return None
    checked = deepcopy(defaults) | typed
    return checked if is_final(checked) else None


def _typed(value: Any, kind: Any) -> Any:
    """Return a copy of the value, an int as a float where the type is float. TypeError if it is not of that type."""
    kinds = typing.get_args(kind) if isinstance(kind, UnionType) else (kind,)
    if value is None and (NoneType in kinds or kind is Any):
        return None
    wanted, *others = [k for k in kinds if k is not NoneType]
    if others or value is None:
        raise TypeError(kind)
    origin = typing.get_origin(wanted)
    if type(value) is list and (origin is list or wanted is Any):
        (of,) = typing.get_args(wanted) or (Any,)
        return [_typed(item, of) for item in value]
    if type(value) is dict and typing.get_args(wanted) == (str, Any):
        return {key: _typed(item, Any) for key, item in value.items()}
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) not in _SCALARS or wanted not in (type(value), Any):
        raise TypeError(kind)
    return value


def _locate(target: Any, base: type[T], where: str) -> type[T]:
    module_name, _, class_name = str(target).rpartition(".")
    if not module_name:
        raise ConfigError(f"{where}._target_ must be the dotted path of a {base.__name__} class, got {target!r}")
    try:
        cls: Any = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"{where}._target_ {target!r} cannot be imported: {error}") from error
    if not (isinstance(cls, type) and issubclass(cls, base) and dataclasses.is_dataclass(cls)) or inspect.isabstract(
        cls
    ):
        raise ConfigError(f"{where}._target_ {target!r} is not a final {base.__name__} dataclass; refused")
    return cast(type[T], cls)
