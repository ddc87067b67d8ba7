"""Methods named on the command line by their file: ``solver=my_file.py:my_nmf``, with nothing else written."""

import ast
import atexit
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from nmfbench import config
from nmfbench.adapters import source
from nmfbench.errors import ConfigError

_WORD = re.compile(r"(\+{0,2}solver=)(.*)", re.DOTALL)
_FILE = re.compile(r"\s*(['\"]?)([^,'\"]+\.py):(\w+)\1\s*")


def declared(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """The words with each file of a method replaced by the method's name, and the folder of YAMLs that declare them.

    None if no word names a file. The folder lasts as long as the process. Raises ConfigError. Nothing is imported here.
    """
    options: dict[str, str] = {}
    replaced = [_replaced(word, options) for word in words]
    if not options:
        return replaced, None
    folder = Path(tempfile.mkdtemp(prefix="nmfbench-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "solver").mkdir()
    for name, text in options.items():
        (folder / "solver" / f"{name}.yaml").write_text(text, encoding="utf-8")
    return replaced, folder


def resolved(word: str) -> str:
    """Return the word with the path of each file of a method made absolute, as records have it."""
    match = _WORD.fullmatch(word)
    if match is None:
        return word
    parts = (source.resolved(part) if _FILE.fullmatch(part) else part for part in match[2].split(","))
    return match[1] + ",".join(parts)


def _replaced(word: str, options: dict[str, str]) -> str:
    match = _WORD.fullmatch(word)
    if match is None or ".py:" not in word:
        return word
    names = []
    for part in match[2].split(","):
        if (file := _FILE.fullmatch(part)) is None:
            names.append(part)
            continue
        path, name = Path(file[2]), file[3]
        if name in config.options("solver"):
            raise ConfigError(f"{part.strip()}: {name} is a solver of nmfbench; give the function another name")
        text = _yaml(path, name)
        if options.setdefault(name, text) != text:
            raise ConfigError(f"{word} names two methods called {name}; give one of them another name")
        names.append(name)
    return match[1] + ",".join(names)


def _yaml(path: Path, name: str) -> str:
    """The YAML of a solver that is this function or class of a file."""
    found = source.definition(path.expanduser(), name)
    lines = (ast.get_docstring(found) or f"{name} of {path.name}").splitlines()
    initial: ast.FunctionDef | None
    if isinstance(found, ast.FunctionDef):
        kind, key, initial = "function.FunctionSolver", "function", found
    else:
        methods = {node.name: node for node in found.body if isinstance(node, ast.FunctionDef)}
        if "fit_transform" in methods:
            kind, key = "sklearn.SklearnSolver", "estimator"
        elif "forward" in methods:
            kind, key = "module.ModuleSolver", "module"
        else:
            raise ConfigError(
                f"{path}:{name} is a class with neither fit_transform, as scikit-learn's estimators have it, nor "
                "forward, as torch's modules have it; a Solver of nmfbench goes into a YAML (CONTRIBUTING.md)"
            )
        initial = methods.get("__init__")
    given = {"rank", "seed", "n_components", "random_state"}
    node = {
        "_target_": f"nmfbench.adapters.{kind}",
        "rank": "${rank}",
        key: f"{path}:{name}",
        "params": source.settings(initial, given) if initial else {},
    }
    return f"# {lines[0]}\n{yaml.safe_dump(node, sort_keys=False, allow_unicode=True)}"
