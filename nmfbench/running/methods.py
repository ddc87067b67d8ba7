"""Make the method that a command line names a subject of the contract."""

from collections.abc import Sequence
from typing import Any

from nmfbench import config
from nmfbench.contract.subject import Subject
from nmfbench.errors import ConfigError
from nmfbench.running.composing import requests


def subject(words: Sequence[str], config_dir: str | None) -> Subject:
    """Build the subject that ``solver=…`` and its settings describe. Raises ConfigError for other words."""
    keys = {word.partition("=")[0].lstrip("+~") for word in words}
    if others := sorted(key for key in keys if key.partition(".")[0] != "solver"):
        raise ConfigError(
            "check has data, rank and seeds of its own; it takes solver=NAME and settings of the method, solver.KEY=…, "
            f"not {', '.join(others)}"
        )
    if "solver" not in keys:
        raise ConfigError("name the method: nmfbench check solver=NAME, or solver=my_file.py:my_nmf")
    folder = ["--config-dir", config_dir] if config_dir else []
    (request,) = requests([*folder, *words])
    (composed,), name = request.composed, request.composed[0].choices["solver"]

    def settings(rank: Any) -> dict[str, Any]:
        return composed.with_values({"rank": rank}).plain("solver")

    method = Subject(name, settings, config.text("solver", name, request.folders))
    method.build()  # so that a wrong setting is refused before the first claim
    return method
