"""Hydra over nmfbench's config folders: its parser reads overrides, its compose API makes one configuration."""

import dataclasses
import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from nmfbench.running import named
from nmfbench.running.loader import DataLoader, refuse_words
from nmfbench.running.settings import Settings
from nmfbench.trust import check_class

GROUPS = ("solver", "dataset", "corrupt", "evaluator", "stopping", "launcher", "experiment")
_SWAPPED = ("solver=", "dataset=")
_REFERENCE = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True)
class Composed:
    """One configuration as Hydra composed it.

    A sweep has thousands of them, so they are plain values and share the nodes in which they do not differ. OmegaConf
    takes a hundred times longer; it only answers what is more than a number.

    Parameters
    ----------
    node: the configuration as plain values without Hydra's node, interpolations unresolved.
    choices: group → the option chosen in it.
    hydra: Hydra's own node, shared by all copies.
    trusted: the folders whose YAMLs may name classes from outside nmfbench.
    """

    node: dict[str, Any]
    choices: dict[str, str]
    hydra: DictConfig
    trusted: tuple[Path, ...]

    @property
    def config(self) -> DictConfig:
        """A new OmegaConf container of the configuration, which resolves interpolations and refuses unknown keys."""
        container = OmegaConf.create(self.node)
        OmegaConf.set_struct(container, True)
        return container

    def plain(self, key: str, resolve: bool = True) -> dict[str, Any]:
        """A node as plain values; ``resolve`` replaces ``${rank}`` and its like.

        Raises ConfigError if it is missing, or names a class that may not be imported.
        """
        node: Any = self.node.get(key)
        if node in (None, "???") or (key in GROUPS and key not in self.choices):
            raise ConfigError(f"{key} must be given: add {key}=…")
        if key in GROUPS and not isinstance(node, Mapping):
            raise ConfigError(
                f"{key}: {node} is a word where the settings of {key} belong; to choose it in an experiment, write "
                f"{key}={node} into the lines of its runs"
            )
        try:
            node = _resolved(node, self.node) if resolve else dict(node)
        except LookupError:
            _serve_hydra(self.hydra)
            try:
                node = OmegaConf.to_container(self.config[key], resolve=True)
            except OmegaConfBaseException as error:
                raise ConfigError(_explain(error)) from error
        if key in GROUPS:
            check_class(node, key, self.choices[key], self.trusted)
        return cast(dict[str, Any], node)

    def with_values(self, values: Mapping[str, Any]) -> "Composed":
        """The same configuration with these dotted keys set. Raises ConfigError."""
        node = self.node
        try:
            for key, value in values.items():
                node = _with_leaf(node, key.split("."), value)
        except LookupError:
            container = self.config
            try:
                for key, value in values.items():
                    OmegaConf.update(container, key, value)
            except OmegaConfBaseException as error:
                raise ConfigError(_explain(error)) from error
            node = _plain(container)
        return dataclasses.replace(self, node=node)


def _plain(container: DictConfig) -> dict[str, Any]:
    return cast(dict[str, Any], config.without_nan(OmegaConf.to_container(container, resolve=False)))


def _with_leaf(node: dict[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    """The node with another value at that path; it shares all others. LookupError if only OmegaConf can set it."""
    key, *rest = path
    held = node[key]
    if isinstance(held, dict) != bool(rest) or isinstance(value, dict) or not config.is_final(value):
        raise LookupError(key)
    return {**node, key: _with_leaf(held, rest, value) if rest else value}


def _resolved(value: Any, node: Mapping[str, Any]) -> Any:
    """The value with the number of that key for each ``${key}``. LookupError if only OmegaConf can resolve it."""
    if isinstance(value, dict):
        return {key: _resolved(held, node) for key, held in value.items()}
    if isinstance(value, list):
        return [_resolved(held, node) for held in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    reference = _REFERENCE.fullmatch(value)
    number = node[reference[1]] if reference else value
    if number is not None and not isinstance(number, (int, float)):
        raise LookupError(value)
    return number


def arguments_parser() -> ArgumentParser:
    """Hydra's own options, under this program's name."""
    parser = get_args_parser()
    parser.prog = "nmfbench run"
    return parser


class Composer:
    """Hydra over one set of config folders."""

    def __init__(self, options: Namespace):
        options.overrides, named_folder = named.declared(options.overrides)
        primary = Path(options.config_path).absolute() if options.config_path else config.CONFIG_DIR
        more = [Path(options.config_dir).absolute()] if options.config_dir else []
        more += [named_folder] if named_folder else []
        for folder in [primary, *more]:
            if not folder.is_dir():
                raise ConfigError(f"the config folder {folder} does not exist")
        self.folders = (primary, *more, config.user_dir())
        self.trusted = (primary, *more, *config.trusted_dirs())
        _make_importable([*more, *config.trusted_dirs()[1:]])
        self.config_name = options.config_name or "config"
        version.setbase("1.3")
        GlobalHydra.instance().clear()
        search_path = create_config_search_path(str(primary))
        for folder in self.folders[1:]:
            if folder.is_dir():
                search_path.prepend("nmfbench", f"file://{folder}", anchor="schema")
        self.hydra = Hydra("nmfbench", DataLoader(search_path))
        GlobalHydra.instance().initialize(self.hydra)
        self.parser = OverridesParser.create(config_loader=self.hydra.config_loader)
        self._composed: dict[tuple[str, ...], Composed] = {}
        self._templates: dict[tuple[str, ...], Composed] = {}

    def parse(self, words: Sequence[str], where: str = "on the command line") -> list[Override]:
        """The words as overrides; ``where`` they stand is for messages. Raises ConfigError."""
        try:
            overrides = self.parser.parse_overrides(list(words))
        except HydraException as error:
            raise ConfigError(_explain(error)) from error
        refuse_words(overrides, where)
        return overrides

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
            known = ", ".join(config.options(group, self.folders))
            raise ConfigError(f"{override.input_line} matches no {group}; there are: {known}")
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
        """Whether each option is a self-contained YAML that only plain overrides change."""
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
        composed = template.config
        overrides = [o for o in self.parse(others) if o.key_or_group.partition(".")[0] in options]
        try:
            for group, name in options.items():
                if template.choices[group] != name:
                    composed[group] = config.defaults(group, name, self.folders)
            for override in overrides:
                OmegaConf.update(composed, override.key_or_group, override.value())
        except OmegaConfBaseException as error:
            raise ConfigError(_explain(error)) from error
        return dataclasses.replace(template, node=_plain(composed), choices=template.choices | options)

    def _compose(self, words: tuple[str, ...]) -> Composed:
        try:
            composed = self.hydra.compose_config(
                self.config_name, list(words), run_mode=RunMode.RUN, with_log_configuration=False
            )
        # solver=null makes Hydra raise ValueError.
        except (HydraException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
            raise ConfigError(_explain(error)) from error
        hydra = OmegaConf.create({"hydra": composed.hydra})
        with open_dict(composed):
            del composed["hydra"]
        Settings.check_keys(composed)
        choices = {group: hydra.hydra.runtime.choices.get(group) for group in GROUPS}
        chosen = {group: str(choice) for group, choice in choices.items() if choice}
        node = _plain(composed)
        if isinstance(node.get("solver"), dict):  # what the arena tries is no parameter
            node["solver"].pop(config.SEARCH, None)
        return Composed(node, chosen, hydra, self.trusted)


def _make_importable(folders: Sequence[Path]) -> None:
    """Let a YAML of a folder that somebody named find the modules that lie beside it, in other processes too.

    The folders come last, so that a module of theirs hides no installed one.
    """
    for folder in map(str, folders):
        if folder not in sys.path:
            sys.path.append(folder)
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), folder]))


_served: DictConfig | None = None


def _serve_hydra(node: DictConfig) -> None:
    """Answer ``${hydra:…}`` from this node. Hydra copies it, which takes 10 ms, so the node served last is skipped."""
    global _served
    if _served is not node:
        HydraConfig.instance().set_config(node)
        _served = node


def _explain(error: BaseException) -> str:
    """Hydra's and OmegaConf's errors in the words of this program, with the nearest names."""
    if isinstance(error, OverrideParseException) and "=" not in error.override:
        return f"cannot read {error.override!r}: settings are given as key=value, e.g. solver=mu"
    if isinstance(error, OverrideParseException):
        return f"cannot read {error.override!r}: check its brackets, quotes and commas"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem_mark.name} is not YAML: {error.problem}, line {error.problem_mark.line + 1}"
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, name = error.missing_cfg_file.partition("/")
        return config.unknown(group, name, error.options)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OmegaConfBaseException) and cause.full_key:
            parent = cause.parent_node
            if isinstance(parent, DictConfig) and cause.key not in parent:
                siblings = [str(key) for key in parent if key not in ("_target_", "hydra")]
                group = cause.full_key.partition(".")[0]
                close = nearest(str(cause.key), siblings) or f"; the {group} that is chosen has no settings"
                return f"unknown key {cause.full_key}{close}"
            return f"{cause.full_key}: {str(cause).splitlines()[0]}"
        cause = cause.__cause__
    return str(error).splitlines()[0]
