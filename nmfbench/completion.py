"""Tab completion for bash, zsh and fish: Hydra's for ``run``, names of commands and options for the rest."""

import argparse
import contextlib
import io
import os
import re
from collections.abc import Mapping, Sequence

from nmfbench import config
from nmfbench.errors import ConfigError

_FLAGS = ("-sc", "--shell-completion")
_DATA = ["list", "verify", "fetch", "build", "import"]


def is_asked(arguments: Sequence[str]) -> bool:
    """Whether a shell asks: ``-sc install=bash``, before or after ``run``."""
    return bool({*_FLAGS} & {*arguments[:2]})


def answer(arguments: Sequence[str], commands: Mapping[str, argparse.ArgumentParser]) -> int:
    """Print the script for a shell to evaluate, or the completions of the line in ``COMP_LINE``."""
    words = [argument for argument in arguments if argument not in (*_FLAGS, "run")]
    action, _, shell = (words or [""])[0].partition("=")
    if len(words) != 1 or action not in ("install", "uninstall", "query") or shell not in ("bash", "zsh", "fish"):
        raise ConfigError('use -sc install=bash, zsh or fish, e.g. eval "$(nmfbench -sc install=bash)"')
    program, _, line = os.environ.get("COMP_LINE", "").partition(" ")
    line = line.lstrip()
    if action == "query" and not re.match(r"run\s", line):
        print("\n".join(_own(line, commands)))
        return 0
    if action == "query":
        os.environ["COMP_LINE"] = f"{program} {line.removeprefix('run').lstrip()}"
    from hydra.errors import HydraException

    from nmfbench.running.composer import Composer, arguments_parser

    composer = Composer(arguments_parser().parse_args([]))
    # An unfinished line may be invalid. It has no completions then, and must not print the usage on every Tab.
    with contextlib.suppress(SystemExit, HydraException, ConfigError), contextlib.redirect_stderr(io.StringIO()):
        composer.hydra.shell_completion(composer.config_name, [f"{action}={shell}"])
    return 0


def _own(line: str, commands: Mapping[str, argparse.ArgumentParser]) -> list[str]:
    """The words that may follow on a line of any command but run."""
    *words, last = line.split(" ")
    if not words:
        return [command for command in commands if command.startswith(last)]
    names = {
        "table": lambda: config.options("experiment"),
        "rm": lambda: config.options("experiment"),
        "status": lambda: config.options("experiment"),
        "verify": lambda: config.options("experiment"),
        "plot": _figures,
        "list": lambda: ["solvers", "datasets", "evaluators", "stopping", "experiments"],
        "data": lambda: _DATA if len(words) == 1 else config.options("dataset"),
    }
    actions = commands[words[0]]._actions if words[0] in commands else []
    options = [option for action in actions for option in action.option_strings]
    choices = [action.choices for action in actions if words[-1] in action.option_strings and action.choices]
    if choices:
        return [choice for choice in choices[0] if choice.startswith(last)]
    if "=" in last:
        group, _, start = last.partition("=")
        known = config.options(group) if group in ("solver", "dataset") else []
        return [f"{group}={name}" for name in known if name.startswith(start)]
    known = names[words[0]]() if words[0] in names else []
    return [word for word in [*known, *(options if last.startswith("-") else [])] if word.startswith(last)]


def _figures() -> list[str]:
    from nmfbench.reports.figures import FIGURES

    return list(FIGURES)
