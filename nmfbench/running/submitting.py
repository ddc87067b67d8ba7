"""Find the source of the methods that records were made with, for a pack that passes it on."""

import hashlib
import importlib.util
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nmfbench.errors import ConfigError
from nmfbench.records import Record
from nmfbench.trust import check_class


def code_of(records: Iterable[Record]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return checksum → module → source of the methods from outside nmfbench, and checksum → why a source is missing.

    Nothing is run but the package around a module that a YAML of a trusted folder names.
    """
    nodes = [record["config"]["solver"] for record in records]
    solvers = {node["source"]: node for node in nodes if node.get("source") and not _is_of_sklearn(node)}
    code: dict[str, dict[str, str]] = {}
    missing: dict[str, str] = {}
    for checksum, solver in sorted(solvers.items()):
        try:
            path = _file(solver)
            text = _text(path)
        except (ConfigError, OSError, ValueError, ImportError) as error:
            missing[checksum] = f"the source of {solver['name']} cannot be read: {error}"
            continue
        if hashlib.sha256(text.encode()).hexdigest()[:16] == checksum:
            code[checksum] = {path.stem: text}
        else:
            missing[checksum] = (
                f"{path} is not the source, or not all of it, that made the records of {solver['name']} "
                f"({checksum[:6]}): run them again, with a method in one file"
            )
    return code, missing


def _is_of_sklearn(solver: dict[str, Any]) -> bool:
    """Tell whether a method is an estimator of scikit-learn, which anybody has."""
    return str(solver.get("estimator", "")).startswith("sklearn.")


def _file(solver: dict[str, Any]) -> Path:
    """Return the file of the module that defines a method. Raises ConfigError, ImportError or ValueError."""
    adapted = next((str(solver[key]) for key in ("function", "module", "estimator") if solver.get(key)), None)
    reference = adapted or str(solver["_target_"])
    if ":" in reference:
        return Path(reference.rpartition(":")[0])
    check_class(solver, "solver", solver["name"])
    spec = importlib.util.find_spec(reference.rpartition(".")[0])
    if spec is None or not spec.origin:
        raise ConfigError(f"there is no module {reference.rpartition('.')[0]} here")
    return Path(spec.origin)


def _text(path: Path) -> str:
    """Read the source as `inspect.getsource` returns it, with a final line break: the checksum is of that text."""
    text = io.IncrementalNewlineDecoder(None, translate=True).decode(path.read_bytes().decode())
    return text if text.endswith("\n") else text + "\n"
