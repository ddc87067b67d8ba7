"""Hydra's loader of YAMLs, held to data: nothing that it composes can make Hydra import or start anything."""

import re
from collections.abc import Iterable, Sequence

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import ConfigRepository, IConfigRepository
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.override_parser.types import Override
from hydra.plugins.config_source import ConfigResult
from omegaconf import OmegaConf

from nmfbench.errors import ConfigError

_INSTEAD = (
    "nmfbench launches, logs and stores runs itself; use launcher=processes, dask or slurm instead of Hydra's "
    "launchers and sweepers, results_dir=… instead of Hydra's output folders, and --config-dir instead of "
    "hydra.searchpath"
)


class DataLoader(ConfigLoaderImpl):
    """Hydra's loader without ``hydra.searchpath``, for YAMLs and words that leave Hydra's own settings alone.

    Hydra imports what stands in its own node: callbacks, launchers, sweepers, loggers, packages of a search path. Every
    way into Hydra leads through here: composing, ``--cfg``, ``--info``, ``--hydra-help`` and tab completion.
    """

    def __init__(self, search_path: ConfigSearchPath):
        super().__init__(search_path)
        self.repository = _Repository(search_path)

    def _process_config_searchpath(
        self, config_name: str | None, parsed_overrides: list[Override], repo: IConfigRepository
    ) -> None:
        """Refuse words; the primary YAML is refused when it is read, and a search path is never added."""
        refuse_words(parsed_overrides, "on the command line")


class _Repository(ConfigRepository):
    """Hydra's repository of YAMLs, which refuses one that reaches into Hydra's own node."""

    def load_config(self, config_path: str) -> ConfigResult | None:
        loaded = super().load_config(config_path)
        if loaded is not None and loaded.path.startswith("file://"):  # other sources are part of Hydra
            _refuse_yaml(loaded, config_path)
        return loaded


def refuse_words(overrides: Iterable[Override], where: str) -> None:
    """Raise ConfigError for an override of Hydra's own settings, except for ``hydra.mode``."""
    for override in overrides:
        if override.key_or_group != "hydra.mode" and _reaches_hydra(override.key_or_group, override.package):
            raise ConfigError(f"{override.input_line} {where} is refused: {_INSTEAD}")


def _refuse_yaml(loaded: ConfigResult, config_path: str) -> None:
    path = f"{loaded.path.removeprefix('file://')}/{config_path.removesuffix('.yaml')}.yaml"
    package = loaded.header["package"]
    keys = [f"# @package {package}"] if _reaches_hydra(config_path, package) else []
    for default in loaded.defaults_list or []:
        group = getattr(default, "group", None) or getattr(default, "path", None)
        if _reaches_hydra(group, default.package):
            keys.append(f"defaults: {'@'.join(filter(None, [group, default.package]))}")
    node = OmegaConf.to_container(loaded.config, resolve=False)
    if isinstance(node, dict) and "hydra" in node:
        keys += _refused_keys(node["hydra"])
    if keys:
        raise ConfigError(
            f"{keys[0]} in {path} is refused: {_INSTEAD}. A YAML may set hydra.mode and hydra.sweeper.params"
        )


def _refused_keys(node: object) -> Sequence[str]:
    """The keys of a YAML's Hydra node that are more than its own sweep."""
    if not isinstance(node, dict):
        return ["hydra"]
    sweeper = node.get("sweeper", {})
    within = [key for key in sweeper if key != "params"] if isinstance(sweeper, dict) else ["_target_"]
    return [
        *(f"hydra.{key}" for key in node if key not in ("mode", "sweeper")),
        *(f"hydra.sweeper.{key}" for key in within),
    ]


def _reaches_hydra(*names: str | None) -> bool:
    """Whether a group, key or package has a part that is Hydra's own node."""
    return any("hydra" in re.split(r"[^\w-]", name) for name in names if name)
