"""Find and load a user's own method, given as ``my_file.py:name`` or ``package.module.name``."""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from nmfbench.config import nearest
from nmfbench.errors import ConfigError

REFUSALS = (ValueError, AssertionError)
"""The errors by which a method that does not know nmfbench refuses data."""
UNCLAIMED = {"yaml_lists_settings": "its settings are those of an adapter"}
"""The claims of the contract that no adapted method makes."""


def resolved(reference: str) -> str:
    """The same reference with an absolute path, so that a process with another working folder finds the file."""
    path, colon, name = reference.rpartition(":")
    return f"{Path(path).expanduser().absolute()}:{name}" if colon else reference


@cache
def load(reference: str) -> Any:
    """The object at ``path/of/file.py:name`` or ``package.module.name``. Raises ConfigError.

    It runs the module, as an import does. A file's folder is searched for what the file imports.
    """
    path, colon, name = reference.rpartition(":" if ":" in reference else ".")
    if not (path and name):
        raise ConfigError(f"{reference!r} must be my_file.py:name or package.module.name")
    try:
        module = _run(Path(path)) if colon == ":" else importlib.import_module(path)
        return getattr(module, name)
    except (Exception, SystemExit) as error:  # whatever a stranger's file does when it is run
        raise ConfigError(f"{reference} cannot be imported: {type(error).__name__}: {error}") from error


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    # Like a script, a file finds what lies beside it; last, so that its neighbours hide no installed package.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    name = path.stem if path.stem not in sys.modules else f"{path.stem}_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec and spec.loader
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


@cache
def source_hash(code: Any) -> str:
    """The `modules_hash` of a class or function from outside this package; empty for ours, which carry a version."""
    return "" if code.__module__.partition(".")[0] == "nmfbench" else modules_hash(code)


def modules_hash(code: Any) -> str:
    """16 digits that change when the source of a function's module does, or of a class's and its base classes'.

    Base classes count where they are in the same package.
    """
    package = code.__module__.partition(".")[0]
    modules = {c.__module__ for c in getattr(code, "__mro__", [code]) if c.__module__.partition(".")[0] == package}
    digest = hashlib.sha256()
    for name in sorted(modules):
        try:
            digest.update(inspect.getsource(sys.modules[name]).encode())
        except (OSError, TypeError):  # typed into an interpreter
            digest.update(name.encode())
    return digest.hexdigest()[:16]


def definition(path: Path, name: str) -> ast.FunctionDef | ast.ClassDef:
    """The function or class of that name at the top of a Python file, read without running it. Raises ConfigError."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise ConfigError(f"{path} is not Python{line}: {error.args[0]}") from error
    kinds = (ast.FunctionDef, ast.ClassDef)
    known = {node.name: node for node in tree.body if isinstance(node, kinds)}
    if name not in known:
        raise ConfigError(f"{path} defines no function or class {name!r} at its top{nearest(name, known)}")
    return known[name]


def settings(function: ast.FunctionDef, given: set[str]) -> dict[str, Any]:
    """The parameters of a function that have plain default values, but for those ``given`` by nmfbench."""
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    pairs = [
        *zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True),
        *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True),
    ]
    found = {}
    for argument, default in pairs:
        try:
            value = ast.literal_eval(default) if default and argument.arg not in given else ...
        except ValueError:  # an expression: the function's own affair
            continue
        if isinstance(value, (bool, int, float, str)) or value is None:
            found[argument.arg] = value
    return found
