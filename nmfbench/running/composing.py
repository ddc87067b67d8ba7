"""From a command line to configurations. Hydra's parser reads the overrides, its compose API composes; nothing runs."""

import shlex
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, cast

import yaml
from hydra import version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path, get_args_parser
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nmfbench import config
from nmfbench.config import nearest
from nmfbench.errors import ConfigError
from nmfbench.reports.settings import Table
from nmfbench.running.settings import Settings

GROUPS = ("solver", "dataset", "evaluator", "experiment")
NEUTRAL = ("results_dir", "jobs", "threads", "device", "refit")
"""Overrides that change where and how runs are made, but not which table is asked for."""
_FILTERS = ("solver", "dataset")
_SWAPPED = ("solver=", "dataset=")


@dataclass(frozen=True)
class Composed:
    """One configuration as Hydra composed it.

    Parameters
    ----------
    config: the configuration without Hydra's node, interpolations unresolved.
    choices: group → the option chosen in it.
    hydra: Hydra's own node, shared by all copies.
    """

    config: DictConfig
    choices: dict[str, str]
    hydra: DictConfig

    def plain(self, key: str, resolve: bool = True) -> dict[str, Any]:
        """A node as plain values, with ``${rank}`` and its like resolved. Raises ConfigError if it is not there."""
        if self.config.get(key) is None:
            raise ConfigError(f"{key} must be given: add {key}=…")
        _serve_hydra(self.hydra)
        try:
            return cast(dict[str, Any], OmegaConf.to_container(self.config[key], resolve=resolve))
        except OmegaConfBaseException as error:
            raise ConfigError(_explain(error)) from error

    def with_values(self, values: dict[str, Any]) -> "Composed":
        """The same configuration with these keys set."""
        copied = deepcopy(self.config)  # its copy() shares the groups
        try:
            for key, value in values.items():
                OmegaConf.update(copied, key, value)
        except OmegaConfBaseException as error:
            raise ConfigError(_explain(error)) from error
        return Composed(copied, self.choices, self.hydra)


@dataclass(frozen=True)
class Request:
    """One command line, understood.

    Parameters
    ----------
    composed: its configurations.
    table: the layout of the table that shows their records.
    experiment: the name of the experiment; None: a run or a sweep.
    changes: the overrides that decide what is asked for, as given: all but the experiment's name and the neutral ones.
    folders: where YAMLs are looked for.
    """

    composed: list[Composed]
    table: Table
    experiment: str | None
    changes: tuple[str, ...]
    folders: tuple[Path, ...]


def arguments_parser() -> ArgumentParser:
    """Hydra's own options, under this program's name."""
    parser = get_args_parser()
    parser.prog = "nmfbench run"
    return parser


class Composer:
    """Hydra over one set of config folders."""

    def __init__(self, options: Namespace):
        primary = Path(options.config_path).absolute() if options.config_path else config.CONFIG_DIR
        more = [Path(options.config_dir).absolute()] if options.config_dir else []
        for folder in [primary, *more]:
            if not folder.is_dir():
                raise ConfigError(f"the config folder {folder} does not exist")
        self.folders = (primary, *more, config.user_dir())
        self.config_name = options.config_name or "config"
        version.setbase("1.3")
        GlobalHydra.instance().clear()
        search_path = create_config_search_path(str(primary))
        for folder in self.folders[1:]:
            if folder.is_dir():
                search_path.prepend("nmfbench", f"file://{folder}", anchor="schema")
        self.hydra = Hydra.create_main_hydra2("nmfbench", search_path)
        self.parser = OverridesParser.create(config_loader=self.hydra.config_loader)
        self._composed: dict[tuple[str, ...], Composed] = {}
        self._templates: dict[tuple[str, ...], Composed] = {}

    def parse(self, words: Sequence[str]) -> list[Override]:
        """The overrides that these words are. Raises ConfigError."""
        try:
            return self.parser.parse_overrides(list(words))
        except HydraException as error:
            raise ConfigError(_explain(error)) from error

    def words_of(self, override: Override) -> list[str]:
        """An override as one word for each value that it names."""
        key = override.get_key_element()
        if override.is_delete():
            return [str(override.input_line)]
        if override.key_or_group in GROUPS:
            return [f"{key}={name}" for name in self.names(override)]
        if not override.is_sweep_override():
            return [f"{key}={override.get_value_element_as_str()}"]
        if not override.is_discrete_sweep():
            raise ConfigError(f"{override.input_line}: an interval has no list of values; use range(…) or choice(…)")
        return [f"{key}={value}" for value in override.sweep_string_iterator()]

    def names(self, override: Override) -> list[str]:
        """The options that an override of a group names, as their YAMLs are called."""
        group = override.key_or_group
        values = [override.value()] if not override.is_sweep_override() else list(override.sweep_iterator())
        names = ["null" if value is None else str(getattr(value, "text", value)) for value in values]
        if not names:
            there = ", ".join(config.options(group, self.folders))
            raise ConfigError(f"{override.input_line} matches no {group}; there are: {there}")
        return [config.resolve_name(group, name, self.folders) for name in names]

    def compose(self, words: Sequence[str]) -> Composed:
        """One configuration; no word may name several values. Raises ConfigError.

        Hydra takes 50 ms for each. Where the words differ from earlier ones in the solver or dataset alone, the
        option's node takes the place of the other's.
        """
        whole = tuple(words)
        if whole not in self._composed:
            options = dict(word.split("=", 1) for word in whole if word.startswith(_SWAPPED))
            others = tuple(word for word in whole if not word.startswith(_SWAPPED))
            template = self._templates.get((*options, *others))
            if template is not None and self._swappable(options, others):
                self._composed[whole] = self._swapped(template, options, others)
            else:
                self._composed[whole] = self._compose(whole)
                self._templates.setdefault((*options, *others), self._composed[whole])
        return self._composed[whole]

    def _swappable(self, options: dict[str, str], others: Sequence[str]) -> bool:
        """Whether these options are their YAMLs and no more, and nothing else than plain overrides touches them."""
        texts = [config.text(group, name, self.folders) for group, name in options.items()]
        overrides = self.parse(others)
        touching = [o for o in overrides if o.key_or_group.partition(".")[0].strip("~+") in options]
        experiments = [word.partition("=")[2] for word in others if word.startswith("experiment=")]
        around = [config.text("experiment", name, self.folders) for name in experiments if name != "null"]
        return (
            self.config_name == "config"
            and not any(mark in text for text in texts for mark in ("defaults:", "@package", "${hydra:"))
            and not any(f"\n{group}:" in text for text in around for group in options)
            and all(o.type == OverrideType.CHANGE and o.package is None for o in touching)
        )

    def _swapped(self, template: Composed, options: dict[str, str], others: Sequence[str]) -> Composed:
        composed = deepcopy(template.config)
        overrides = [o for o in self.parse(others) if o.key_or_group.partition(".")[0] in options]
        try:
            for group, name in options.items():
                if template.choices[group] != name:
                    composed[group] = config.defaults(group, name, self.folders)
            for override in overrides:
                OmegaConf.update(composed, override.key_or_group, override.value())
        except OmegaConfBaseException as error:
            raise ConfigError(_explain(error)) from error
        return Composed(composed, template.choices | options, template.hydra)

    def _compose(self, words: tuple[str, ...]) -> Composed:
        try:
            composed = self.hydra.compose_config(
                self.config_name, list(words), run_mode=RunMode.RUN, with_log_configuration=False
            )
        # A solver=null raises ValueError.
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            raise ConfigError(_explain(error)) from error
        hydra = OmegaConf.create({"hydra": composed.hydra})
        with open_dict(composed):
            del composed["hydra"]
        Settings.check_keys(composed)
        choices = {group: hydra.hydra.runtime.choices.get(group) for group in GROUPS}
        return Composed(composed, {group: str(choice) for group, choice in choices.items() if choice}, hydra)


def show(arguments: Sequence[str]) -> int:
    """Hydra's own answers: ``--cfg``, ``--info`` and ``--hydra-help``. Raises ConfigError."""
    parser = arguments_parser()
    options = parser.parse_intermixed_args(list(arguments))
    composer = Composer(options)
    words = [word for override in composer.parse(options.overrides) for word in composer.words_of(override)]
    options.overrides = words
    composer.compose([word for word in words if not word.startswith("hydra.")])  # for its errors, in our words
    if options.cfg:
        composer.hydra.show_cfg(composer.config_name, words, options.cfg, options.package, options.resolve)
    elif options.info:
        composer.hydra.show_info(options.info, composer.config_name, words)
    else:
        composer.hydra.hydra_help(composer.config_name, parser, options)
    return 0


def requests(arguments: Sequence[str]) -> list[Request]:
    """The requests that the words after ``nmfbench run`` make: one, or one for each experiment. Raises ConfigError.

    An experiment may list ``runs``: command lines, each a sweep of its own. Then ``solver=`` and ``dataset=`` choose
    from what the lines describe, and any other override holds for every line.
    """
    options = arguments_parser().parse_intermixed_args(list(arguments))
    composer = Composer(options)
    overrides = composer.parse(options.overrides)
    _refuse_hydra(overrides)
    multirun = options.multirun or any(o.key_or_group == "hydra.mode" and o.value() == "MULTIRUN" for o in overrides)
    # Of two overrides of one key the last counts, as in Hydra.
    last = {override.get_key_element(): override for override in overrides}
    asked = [override for override in last.values() if override.key_or_group != "hydra.mode"]
    experiments: list[str | None] = [
        name for override in asked if override.key_or_group == "experiment" for name in composer.names(override)
    ]
    others = [override for override in asked if override.key_or_group != "experiment"]
    return [
        _request(composer, None if name == "null" else name, others, multirun)
        for name in dict.fromkeys(experiments or [None])
    ]


def _refuse_hydra(overrides: Sequence[Override]) -> None:
    for override in overrides:
        if override.is_hydra_override() and override.key_or_group not in ("hydra.mode", "hydra.searchpath"):
            raise ConfigError(
                f"{override.input_line} is refused: nmfbench launches, logs and stores runs itself; use jobs=4 instead "
                "of a launcher or sweeper, and results_dir=… instead of Hydra's output folders"
            )


def _request(composer: Composer, experiment: str | None, overrides: list[Override], multirun: bool) -> Request:
    for override in overrides:
        if override.is_sweep_override() and override.key_or_group in NEUTRAL:
            raise ConfigError(
                f"{override.input_line}: {override.key_or_group} changes no number, so its values would share their "
                "records; run them one by one, each with a results_dir of its own"
            )
    base = [f"experiment={experiment}"] if experiment else []
    table, lines = Table(), None
    if experiment or composer.config_name != "config":
        whole = composer.compose(base)
        table = Table.of(whole.plain("table", resolve=False) if whole.config.get("table") else {})
        lines = whole.plain("runs", resolve=False) if whole.config.get("runs") else None
        if whole.hydra.hydra.mode == RunMode.MULTIRUN:  # the YAML's own sweep, as Hydra has it
            multirun = True
            given = {override.key_or_group for override in overrides}
            swept = whole.hydra.hydra.sweeper.params or {}
            overrides = [*composer.parse([f"{k}={v}" for k, v in swept.items() if k not in given]), *overrides]
    if lines is None:
        several = [override for override in overrides if override.is_sweep_override()]
        if several and not multirun:
            raise ConfigError(
                f"{several[0].input_line} names several values: add -m to run them all, or quote it if it is one value"
            )
        composed = list(_expanded(composer, base, overrides))
    else:
        composed = _lines(composer, experiment, base, cast(list[str], lines), overrides, table)
    changes = tuple(str(o.input_line) for o in overrides if o.key_or_group not in NEUTRAL)
    return Request(composed, table, experiment, changes, composer.folders)


def _lines(
    composer: Composer, experiment: str | None, base: list[str], lines: list[str], given: list[Override], table: Table
) -> list[Composed]:
    """The configurations of an experiment's lines."""
    chosen = {
        o.key_or_group: composer.names(o) for o in given if o.key_or_group in _FILTERS and o.type == OverrideType.CHANGE
    }
    others = [override for override in given if override.key_or_group not in chosen]
    keys = {override.get_key_element() for override in others}
    described: list[Composed] = []
    there: dict[str, list[str]] = {group: [] for group in chosen}
    for line in lines:
        overrides = [o for o in composer.parse(shlex.split(line)) if o.get_key_element() not in keys]
        narrowed = []
        for override in overrides:
            words = composer.words_of(override)
            if (group := override.key_or_group) in chosen:
                there[group] += composer.names(override)
                words = [f"{group}={name}" for name in composer.names(override) if name in chosen[group]]
            narrowed.append((override, words))
        described += _product(composer, base, [*narrowed, *((o, composer.words_of(o)) for o in others)])
    if table.tuning:
        tried = [one for one in described if one.config.dataset.get("classes") in table.tuning.classes]
        described += [one.with_values({"seeds": table.tuning.seeds}) for one in tried]
    if not described:
        missing = " and ".join(
            f"{group}={','.join(names)} (there are: {', '.join(dict.fromkeys(there[group]))})"
            for group, names in chosen.items()
        )
        raise ConfigError(f"experiment {experiment} has no run with {missing}")
    return described


def _expanded(composer: Composer, base: list[str], overrides: Sequence[Override]) -> Iterator[Composed]:
    return _product(composer, base, [(override, composer.words_of(override)) for override in overrides])


def _product(
    composer: Composer, base: list[str], overrides: Sequence[tuple[Override, list[str]]]
) -> Iterator[Composed]:
    """Every combination of the words, the first key varying slowest: groups first, then other keys.

    A plain key that is swept is set on copies of what is composed once, since composing costs a hundred times more.
    """

    def is_plain_sweep(override: Override) -> bool:
        plain = override.type == OverrideType.CHANGE and override.package is None
        return plain and override.key_or_group not in GROUPS and override.is_sweep_override()

    composing = [words for override, words in overrides if not is_plain_sweep(override)]
    setting = {
        override.key_or_group: [composer.parse([word])[0].value() for word in words]
        for override, words in overrides
        if is_plain_sweep(override)
    }
    for words in product(*composing):
        one = composer.compose([*base, *words])
        for values in product(*setting.values()):
            yield one.with_values(dict(zip(setting, values, strict=True)))


def _serve_hydra(node: DictConfig) -> None:
    """Answer ``${hydra:…}`` from this node. Hydra copies it, which takes 10 ms, so only where it is another one."""
    if getattr(_serve_hydra, "node", None) is not node:
        HydraConfig.instance().set_config(node)
        _serve_hydra.node = node  # type: ignore[attr-defined]


def _explain(error: BaseException) -> str:
    """Hydra's and OmegaConf's errors in the words of this program, with the nearest names."""
    if isinstance(error, OverrideParseException) and "=" not in error.override:
        return f"cannot read {error.override!r}: settings are given as key=value, e.g. solver=mu"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem_mark.name} is not YAML: {error.problem}, line {error.problem_mark.line + 1}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.rpartition("/")
        return f"no {group} is called {name!r}{nearest(name, error.options)}"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            parent = cause.parent_node
            if isinstance(parent, DictConfig) and cause.key not in parent:
                siblings = [str(key) for key in parent if key not in ("_target_", "hydra")]
                return f"unknown key {cause.full_key}{nearest(str(cause.key), siblings)}"
            return f"{cause.full_key}: {str(cause).splitlines()[0]}"
        cause = cause.__cause__
    return str(error).splitlines()[0]
