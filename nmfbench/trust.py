"""Which classes a configuration may name: importing a class runs its module."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nmfbench.config import defaults, trusted_dirs
from nmfbench.errors import ConfigError

# The modules in which nmfbench's own classes lie; a file that someone drops elsewhere in the package is none of them.
_OURS = re.compile(r"nmfbench\.((solvers|adapters|datasets|evaluators|running\.launchers)\.(\w+\.)?)?\w+")
_NAMED = ("function", "estimator", "module")
"""The keys by which an adapter names what it imports."""


def check_class(node: Mapping[Any, Any], group: str, name: str, trusted: Sequence[Path] | None = None) -> None:
    """Raise ConfigError if the node's class is from outside nmfbench and no trusted YAML of that option says so.

    ``trusted``: the folders of such YAMLs; None: `trusted_dirs`. Nothing is imported.
    """
    keys = ["_target_", *(_NAMED if str(node.get("_target_")).startswith("nmfbench.adapters.") else ())]
    for key in keys:
        named = str(node.get(key))
        # `build` explains what is no dotted path. scikit-learn is a part of every installation.
        if "." not in named or _OURS.fullmatch(named) or (key != "_target_" and named.startswith("sklearn.")):
            continue
        if named.startswith("nmfbench."):
            raise ConfigError(
                f"{group}.{key} {named!r} is none of nmfbench's solvers, datasets, evaluators and launchers; refused"
            )
        try:
            declared = defaults(group, name, trusted or trusted_dirs()).get(key)
        except ConfigError:
            declared = None
        if _absolute(str(declared)) != _absolute(named):  # the same file, however its path is written
            by_file = f", or be named here: solver={named}" if ".py:" in named else ""
            raise ConfigError(
                f"{group}.{key} {named!r} is refused: importing a class runs its module, so one from outside nmfbench "
                f"must stand in {group}/NAME.yaml of yours, in a folder of --config-dir or NMFBENCH_CONFIG{by_file}"
            )


def _absolute(reference: str) -> str:
    return str(Path(reference).expanduser().absolute()) if ".py:" in reference else reference
