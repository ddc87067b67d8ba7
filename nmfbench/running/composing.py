"""From command-line overrides to configurations. Hydra only composes and sweeps; nothing runs here."""

import os
import shlex
import sys
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, fields
from itertools import product
from pathlib import Path
from typing import Any, cast

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nmfbench.config import CONFIG_DIR, nearest, user_dir
from nmfbench.errors import ConfigError
from nmfbench.reports.experiments import Table

TABLE_KEYS = tuple(field.name for field in fields(Table))
GROUPS = ("solver", "dataset", "evaluator", "experiment")


@dataclass(frozen=True)
class Composed:
    """One configuration as Hydra composed it, with the names chosen in each group and where YAMLs are looked for."""

    config: DictConfig
    choices: dict[str, Any]
    sources: list[Path]

    @property
    def experiment(self) -> str | None:
        """Its name, if all of it was asked for."""
        return self.choices.get("experiment")

    @property
    def table(self) -> Table:
        """What its experiment says of the table."""
        return Table.of({str(key): self.config[key] for key in TABLE_KEYS if key in self.config})


def compose(arguments: list[str]) -> list[Composed]:
    """The configuration of each job that these arguments describe. Raises ConfigError.

    An experiment may list ``runs``: command lines, each a sweep of its own. Then ``solver=`` and ``dataset=`` among
    the arguments choose from what the lines describe, and any other override holds for every line.
    """
    experiment = _value(arguments, "experiment")
    # The overrides may be a sweep, which only a run of the experiment knows what to do with.
    alone = [a for a in arguments if "=" not in a or a.startswith(("-", "experiment=", "hydra."))]
    composed = _compose(alone if experiment else arguments)
    # Unresolved: what a line refers to is that of its own configurations.
    lines = (
        cast(list[str], OmegaConf.to_container(composed[0].config.runs))
        if composed and "runs" in composed[0].config
        else None
    )
    if lines is None:
        return _compose(arguments) if experiment and composed else composed
    chosen = {group: value.split(",") for group in ("solver", "dataset") if (value := _value(arguments, group))}
    others = [argument for argument in arguments if argument.partition("=")[0] not in chosen]
    described = [
        one
        for line in lines
        for one in _compose(["-m", *(o for o in shlex.split(line) if not _value(others, o.partition("=")[0])), *others])
    ]
    if tuning := composed[0].table.tuning:
        tried = [one for one in described if one.config.dataset.classes in tuning.classes]
        described += [_set(one, {"seeds": tuning.seeds}) for one in tried]
    kept = [one for one in described if all(one.choices[group] in names for group, names in chosen.items())]
    for one in kept if chosen else ():
        one.choices["experiment"] = None  # a part of it is not its table
    if not kept:
        there = {group: ", ".join(dict.fromkeys(one.choices[group] for one in described)) for group in chosen}
        raise ConfigError(
            f"experiment {experiment} has no run with "
            f"{' and '.join(f'{group}={_value(arguments, group)} (there are: {there[group]})' for group in chosen)}"
        )
    return kept


def by_experiment(arguments: list[str]) -> list[list[str]]:
    """The arguments for each of the experiments that they name, separated by commas; one or none leaves them."""
    names = (_value(arguments, "experiment") or "").split(",")
    if len(names) == 1:
        return [arguments]
    return [[f"experiment={name}" if a.startswith("experiment=") else a for a in arguments] for name in names]


def _value(arguments: Sequence[str], key: str) -> str | None:
    """What an override among the arguments sets that key to."""
    return next((value for name, _, value in (a.partition("=") for a in arguments) if name == key and value), None)


def _compose(arguments: list[str]) -> list[Composed]:
    """The configurations that Hydra makes of these arguments, a sweep's first key varying slowest, after the groups.

    Hydra takes 0.2 s for each: so a sweep's plain keys are set on copies of what it makes of the groups.
    """
    if not {"-m", "--multirun"} & {*arguments}:
        return _hydra(arguments)
    plain = [a for a in arguments if a.partition("=")[0] not in GROUPS and a[0] not in "-+~" and "hydra." not in a]
    swept = _values([argument for argument in plain if "=" in argument])
    composed = _hydra([argument for argument in arguments if argument.partition("=")[0] not in swept])
    try:
        return [
            _set(one, dict(zip(swept, values, strict=True))) for one in composed for values in product(*swept.values())
        ]
    except OmegaConfBaseException as error:
        raise ConfigError(_explain(error)) from error


def _values(arguments: list[str]) -> dict[str, list[Any]]:
    """Key → the values that it is to take, one after the other."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    parser, found = OverridesParser.create(), {}
    try:
        for override in parser.parse_overrides(arguments):
            key = override.get_key_element()
            one = [override.get_value_element_as_str()] if not override.is_sweep_override() else None
            found[key] = [parser.parse_override(f"{key}={v}").value() for v in one or override.sweep_string_iterator()]
    except HydraException as error:
        raise ConfigError(_explain(error)) from error
    return found


def _set(one: Composed, values: dict[str, Any]) -> Composed:
    config = deepcopy(one.config)  # its copy() shares the groups
    for key, value in values.items():
        OmegaConf.update(config, key, value)
    return Composed(config, dict(one.choices), one.sources)


def _hydra(arguments: list[str]) -> list[Composed]:
    import hydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException

    composed: list[Composed] = []

    # Hydra composes and sweeps; the jobs run after it, so that a mistake in the last of them stops the first.
    def collect(config: DictConfig) -> None:
        runtime = HydraConfig.get().runtime
        sources = [Path(s.path) for s in runtime.config_sources if s.schema == "file"]
        choices = {str(group): choice for group, choice in runtime.choices.items()}
        composed.append(Composed(config.copy(), choices, sources))

    if user_dir().is_dir() and not any(argument.startswith("hydra.searchpath") for argument in arguments):
        quoted = str(user_dir()).replace("'", "\\'")
        arguments = [*arguments, f"hydra.searchpath=['file://{quoted}']"]
    argv, full_error = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    # Hydra wants its options (and their values) before the overrides; people put them anywhere.
    sys.argv = ["nmfbench run", *sorted(arguments, key=lambda a: a.startswith("~") or ("=" in a and a[0] != "-"))]
    os.environ["HYDRA_FULL_ERROR"] = "1"  # errors come to us instead of to the screen
    try:
        hydra.main(config_path=str(CONFIG_DIR), config_name="config", version_base="1.3")(collect)()
    except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:  # ValueError: solver=null
        raise ConfigError(_explain(error)) from error
    except OSError as error:
        raise ConfigError(f"results_dir cannot be written to: {error}") from error
    finally:
        sys.argv = argv
        if full_error is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full_error
    return composed


def _explain(error: BaseException) -> str:
    """Hydra's and OmegaConf's errors in the words of this program, with the nearest names."""
    from hydra.errors import MissingConfigException, OverrideParseException

    if isinstance(error, OverrideParseException) and "=" not in error.override:
        return f"cannot read {error.override!r}: settings are given as key=value, e.g. solver=mu"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"no {group} is called {name!r}{nearest(name, error.options)}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            parent = cause.parent_node
            if isinstance(parent, DictConfig) and cause.key not in parent:
                siblings = [str(key) for key in parent if key != "_target_"]
                return f"unknown key {cause.full_key}{nearest(str(cause.key), siblings)}"
            return f"{cause.full_key}: {str(cause).splitlines()[0]}"
        cause = cause.__cause__
    return str(error).replace("--multirun", "-m")
