"""The keys of config.yaml beside the groups: how often, how exactly and where to run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from nmfbench.config import escaped, is_final, nearest, structured
from nmfbench.errors import ConfigError
from nmfbench.reports.settings import Table

DTYPES = ("float32", "float64")
_NODES = ("solver", "dataset", "corrupt", "evaluator", "launcher", "runs", "table")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a command line.

    Parameters
    ----------
    rank: number of components r ≥ 1, which solvers refer to as ``${rank}``; null: the number of planted components,
        else of classes.
    seeds: the number of seeds (0 … n−1), or a list of distinct seeds ≥ 0.
    dtype: float32 or float64.
    device: cpu, cuda or cuda:N.
    jobs: processes that run at once, ≥ 1; null: as many as cores and memory allow, one for what takes seconds alone.
    threads: CPU threads of a fit, ≥ 1. Sums depend on it in their last digits, so it has one default on all machines.
    stopping: fields of `Stopping` that replace the solver's own rule; null: its own.
    results_dir: the folder of records, data cards and tables.
    subset: number of samples ≥ 1 to keep of the data, drawn without looking at labels; null: all.
    save_codes: whether codes and bases are kept, so that another evaluator needs no new fit.
    label_fraction: share of each class, in [0, 1], whose labels solvers that use labels may see.
    timing: whether device and threads are part of a record's identity, so that times can be compared. Then one process
        runs at a time, unless jobs is given.
    refit: whether finished runs are run again.
    """

    rank: int | None = None
    seeds: Any = 10
    dtype: str = "float32"
    device: str = "cpu"
    jobs: int | None = None
    threads: int = 1
    stopping: dict[str, Any] = field(default_factory=dict)
    results_dir: str = "results/local"
    subset: int | None = None
    save_codes: bool = False
    label_fraction: float = 0.0
    timing: bool = False
    refit: bool = False

    def __post_init__(self) -> None:
        if not self.results_dir:
            raise ConfigError("results_dir must not be empty; results_dir=. is the current folder")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        if not 0 <= self.label_fraction <= 1:
            raise ConfigError(f"label_fraction must lie in [0, 1], got {self.label_fraction}")
        for name in ("rank", "subset", "jobs", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")

    @classmethod
    def of(cls, node: dict[str, Any]) -> "Settings":
        """The settings among the keys of a whole configuration in plain values. Raises ConfigError."""
        known = [f.name for f in fields(cls)]
        values = {key: value for key, value in node.items() if key in known}
        if not is_final(values):
            try:
                values = {key: escaped(value) for key, value in OmegaConf.create(node).items() if key in known}
            except MissingMandatoryValue as error:
                raise ConfigError(f"{error.full_key} must be given: add {error.full_key}=…") from None
        return structured(values, cls, "")

    @classmethod
    def check_keys(cls, node: Mapping[Any, Any]) -> None:
        """Raise ConfigError, which names the nearest keys, for an unknown key of a configuration."""
        known = [*(f.name for f in fields(cls)), *_NODES]
        in_table = {f.name: f"table.{f.name}" for f in fields(Table)}
        for key in node:
            if key not in known:
                proposal = nearest(key, [*known, *in_table], list_all=False)
                for name, dotted in in_table.items():
                    proposal = proposal.replace(f" {name}", f" {dotted}")
                raise ConfigError(f"unknown key {key}{proposal or nearest(key, known)}")

    @property
    def root(self) -> Path:
        """The results folder, absolute."""
        return Path(self.results_dir).expanduser().absolute()

    def seed_list(self) -> list[int]:
        """The seeds, one by one. Raises ConfigError for a setting that is no number or list of seeds."""
        seeds = list(range(self.seeds)) if _is_count(self.seeds) else self.seeds
        if not isinstance(seeds, list) or not seeds or not all(map(_is_count, seeds)) or len(set(seeds)) < len(seeds):
            raise ConfigError(f"seeds must be a number above 0 or a list of distinct numbers ≥ 0, got {self.seeds!r}")
        return seeds


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
