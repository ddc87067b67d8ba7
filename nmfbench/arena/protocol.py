"""The rules of an arena: its tasks, the budget of every method, and the seeds for choices and for scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from nmfbench import config
from nmfbench.errors import ConfigError
from nmfbench.records import Record

LINES_TO_BEAT = ("raw", "pca")
"""Solvers that are no NMF: `raw` factors nothing, and `pca` allows negative entries. A method should beat both."""
OWN = "own"
"""Name of the protocol for a user's own data, whose tasks are scalings of that data."""
CRITERIA = ("stability", "silhouette", "silhouette_codes", "heldout")


@dataclass(frozen=True, kw_only=True)
class Task:
    """One dataset as every method gets it: scaled, reduced, corrupted.

    Parameters
    ----------
    dataset: name of its YAML.
    domain: kind of data, for averages over tasks of a kind.
    scaling: scaling of X, one of `nmfbench.datasets.scaling.SCALINGS` or a list of them; null: that of its YAML.
    subset: number of samples kept; null: all.
    dense: whether a sparse set is made dense, so that every method takes it.
    licensed: True if the licence of the data lets only some people have it.
    times: number of components, as a multiple of the number of classes.
    rank: number of components where data of one's own has another; null: by ``times``.
    corrupt: kind of corruption; empty: none.
    level: level of the corruption.
    name: name of the task in tables.
    data: name of the dataset in records; empty: that of its YAML.
    """

    dataset: str = ""
    domain: str = ""
    scaling: Any = None
    subset: int | None = None
    dense: bool = False
    licensed: bool = False
    times: int = 1
    rank: int | None = None
    corrupt: str = ""
    level: float = 0.0
    name: str = ""
    data: str = ""

    @property
    def identity(self) -> dict[str, Any]:
        """The columns that say which task a row of scores is from."""
        return {"task": self.name, "domain": self.domain, "licensed": self.licensed, "times": self.times}

    def values(self) -> dict[str, Any]:
        """Return the settings that turn the dataset into this task, by dotted key."""
        scaling = {} if self.scaling is None else {"dataset.scaling": self.scaling}
        level = {"corrupt.level": self.level} if self.corrupt else {}
        return scaling | {"subset": self.subset} | ({"dataset.dense": True} if self.dense else {}) | level

    def corrupted(self, kinds: Mapping[str, float]) -> "list[Task]":
        """Return a copy of the task for each kind of corruption at its level; without kinds, the task itself."""
        named = [
            replace(self, name=f"{self.name}, {kind} {level:g}", corrupt=kind, level=level)
            for kind, level in kinds.items()
        ]
        return named or [self]

    def has(self, record: Record) -> bool:
        """Tell whether the record is of this dataset, with this scaling, these samples and as many components."""
        node = record["config"]["dataset"]
        same_scaling = self.scaling is None or node.get("scaling") == self.scaling
        same_data = node["name"] == (self.data or self.dataset) and same_scaling and node.get("subset") == self.subset
        rank, classes = record.get("rank"), record["data"]["classes"]
        corrupt = node.get("corrupt") or {}
        same_corruption = (corrupt.get("kind", ""), corrupt.get("level", 0.0)) == (self.corrupt, self.level)
        same_rank = None in (rank, classes) or rank == (self.rank or self.times * classes)
        return same_data and same_rank and same_corruption and bool(node.get("dense")) == self.dense


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """The rules that hold for every method.

    Parameters
    ----------
    name: name of its YAML in configs/arena.
    tasks: the datasets, each with its scaling and size.
    trials: maximum number of settings tried for a method, ≥ 1, its defaults among them.
    seeds: number of seeds for scores, ≥ 1: 0 … seeds − 1.
    tuning_seeds: seeds for the choice between trials, none of them a seed for scores.
    heldout_seeds: tuning seeds that are also fitted with hidden entries.
    max_seconds: time limit of each seed's fit, > 0; null in the YAML: `seconds_for` the size of the data.
    criterion: the criterion that chooses between trials, one of `CRITERIA`.
    left_out: solver → reason why it does not take part.
    """

    name: str
    tasks: tuple[Task, ...]
    trials: int = 6
    seeds: int = 5
    tuning_seeds: tuple[int, ...] = (100, 101)
    heldout_seeds: tuple[int, ...] = (100,)
    max_seconds: float | None = None
    criterion: str = "silhouette"
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in ("trials", "seeds"):
            if getattr(self, key) < 1:
                raise ConfigError(f"arena {self.name}: {key} must be at least 1, got {getattr(self, key)}")
        if self.max_seconds is not None and not self.max_seconds > 0:
            raise ConfigError(f"arena {self.name}: max_seconds must be positive, got {self.max_seconds}")
        if self.criterion not in CRITERIA:
            raise ConfigError(
                f"arena {self.name}: criterion must be one of {', '.join(CRITERIA)}, got {self.criterion}"
            )
        if both := {*self.scored_seeds} & {*self.tuning_seeds}:
            raise ConfigError(f"arena {self.name}: seeds {sorted(both)} would choose settings and score them")
        if others := {*self.heldout_seeds} - {*self.tuning_seeds}:
            raise ConfigError(f"arena {self.name}: heldout_seeds {sorted(others)} must be among tuning_seeds")
        if len(self.tuning_seeds) < 2 and self.criterion == "stability":
            raise ConfigError(f"arena {self.name}: criterion stability needs at least two tuning_seeds")

    @property
    def scored_seeds(self) -> range:
        return range(self.seeds)

    def entrants(self, folders: Sequence[Any] | None = None) -> list[str]:
        """Return the solvers that take part: all except those left out."""
        return [name for name in config.options("solver", folders) if name not in self.left_out]

    def has(self, record: Record) -> bool:
        """Tell whether the record's fit was stopped by the rule of this protocol, and saw no label."""
        stopping = record["config"]["stopping"]
        same_rule = stopping.get("converged") is True and stopping.get("max_seconds") == self.max_seconds
        return (same_rule or record["status"] == "solved") and not record["config"].get("label_fraction")


def read(name: str) -> Protocol:
    """Read the protocol in configs/arena/NAME.yaml. Raises ConfigError if a rule is unknown or out of range."""
    node = yaml.safe_load(config.text("arena", name))
    tracks, datasets = node.pop("ranks"), node.pop("tasks")
    tasks = tuple(
        _built(Task, {"dataset": key, "name": key if times == 1 else f"{key} ×{times}", "times": times} | task)
        for times in tracks
        for key, task in datasets.items()
    )
    lists = {key: tuple(value) if isinstance(value, list) else value for key, value in node.items()}
    return _built(Protocol, {"name": name, "tasks": tasks} | lists)


def seconds_for(features: int, samples: int, rank: int) -> float:
    """Return the time limit of a fit: at least 0.4 s, and 5 s for 1,000 × 1,000 entries at rank 10."""
    return max(0.4, round(features * samples * rank / 2e6, 1))


def restricted(protocol: Protocol, datasets: Sequence[str]) -> Protocol:
    """Return the protocol with only these datasets. Raises ConfigError for a dataset that it does not have."""
    known = list(dict.fromkeys(task.dataset for task in protocol.tasks))
    for name in datasets:
        if name not in known:
            raise ConfigError(f"the arena {protocol.name} has no dataset {name}{config.nearest(name, known)}")
    return replace(protocol, tasks=tuple(task for task in protocol.tasks if task.dataset in datasets))


def _built(kind: Any, values: dict[str, Any]) -> Any:
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"configs/arena: {error}") from error
