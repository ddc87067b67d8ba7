"""From configurations to jobs: every one built and checked before the first of them runs."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from omegaconf import DictConfig, OmegaConf

from nmfbench import records
from nmfbench.config import build, structured
from nmfbench.datasets.base import Dataset, Loader, labelled_mask
from nmfbench.errors import ConfigError, DataError, NotApplicable
from nmfbench.evaluators import Evaluator
from nmfbench.fitting import DTYPES, check_device, place
from nmfbench.records import Record, Store
from nmfbench.running.composing import TABLE_KEYS, Composed
from nmfbench.solvers.base import DeepSolver, Solver, Stopping


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The keys of config.yaml beside the groups."""

    rank: int | None = None
    seeds: Any = 10
    dtype: str = "float32"
    device: str = "cpu"
    jobs: int = 1
    threads: int | None = None
    stopping: dict[str, Any] = field(default_factory=dict)
    results_dir: str = "results"
    save_codes: bool = False
    label_fraction: float = 0.0

    def __post_init__(self) -> None:
        if not self.results_dir:
            raise ConfigError("results_dir must not be empty; results_dir=. is the current folder")
        if self.dtype not in DTYPES:
            raise ConfigError(f"dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}")
        for name in ("jobs", "threads"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.label_fraction <= 1:
            raise ConfigError(f"label_fraction must lie in [0, 1], got {self.label_fraction}")
        if self.rank is not None and self.rank < 1:
            raise ConfigError(f"rank must be at least 1, got {self.rank}")

    def seed_list(self) -> list[int]:
        seeds = list(range(self.seeds)) if _is_count(self.seeds) else self.seeds
        if not isinstance(seeds, list) or not seeds or not all(map(_is_count, seeds)) or len(set(seeds)) < len(seeds):
            raise ConfigError(f"seeds must be a number above 0 or a list of distinct numbers ≥ 0, got {self.seeds}")
        return seeds


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


@dataclass(kw_only=True)
class Job:
    """One configuration, checked and ready to run for several seeds."""

    config: dict[str, Any]
    """What its runs have in common and is no path, device or number of threads; the data by its sha256."""
    variant: str
    """What differs from the YAMLs as they stand, in words."""
    setting: str
    """The solver's part of it, as written: what refers to the rank is one setting for all ranks."""
    solver: Solver
    loader_node: str
    """The dataset's node as JSON: a job holds no data, so that a long sweep does not hold all of it at once."""
    evaluator: Evaluator
    stopping: Stopping
    settings: Settings
    store: Store
    records: dict[int, Record | None] = field(default_factory=dict)
    """By seed; None: still to run."""

    def loader_of(self, seed: int) -> str:
        """The dataset's node for that seed, which draws its own part of the data where none is named."""
        node = json.loads(self.loader_node)
        if node.get("classes") is None or node.get("draw") is not None:
            return self.loader_node
        return json.dumps(node | {"draw": seed})

    def config_of(self, seed: int) -> dict[str, Any]:
        """What identifies a run, beside its seed."""
        node = self.loader_of(seed)
        if node == self.loader_node:
            return self.config
        return self.config | {"dataset": self.config["dataset"] | {"sha256": checksum(node), "draw": seed}}

    @property
    def label(self) -> str:
        rank = f"rank={self.config['solver']['rank']}" if "rank" in self.config["solver"] else ""
        return " ".join(
            filter(None, [self.config["solver"]["name"], "on", self.config["dataset"]["name"], rank, self.variant])
        )

    @property
    def footnote(self) -> str:
        """What a reader of the table must know of this job."""
        unlabelled = self.solver.uses_labels and not self.config["label_fraction"]
        said = f"{self.config['solver']['name']} saw no labels: its unsupervised form; label_fraction=0.4 shows it 40 %"
        return ". ".join(filter(None, [self.solver.footnote, said if unlabelled else ""]))

    def look_again(self) -> None:
        """Take the records that another experiment has made since."""
        for seed in self.pending():
            self.records[seed] = self.store.finished(self.config_of(seed), seed)

    def pending(self) -> list[int]:
        return [seed for seed, record in self.records.items() if record is None]

    def there(self) -> list[Record]:
        return [record for record in self.records.values() if record is not None]


@dataclass(frozen=True)
class LeftOut:
    """A job of a sweep that cannot run: its data is not there, or its solver cannot take the data."""

    solver: str
    dataset: str
    reason: Exception


def plan(composed: Sequence[Composed]) -> tuple[list[Job], list[LeftOut]]:
    """The jobs, each checked; and what a sweep leaves out, with the reason.

    Alone, a job whose data is missing or whose solver cannot take it raises; in a sweep it is left out. Any other
    mistake in any job raises ConfigError, before anything runs.
    """
    jobs: dict[str, Job] = {}
    skipped: list[LeftOut] = []
    # Dataset by dataset, so that each is read once.
    order = {str(one.config.get("dataset")): i for i, one in reversed(list(enumerate(composed)))}
    for one in sorted(composed, key=lambda one: order[str(one.config.get("dataset"))]):
        try:
            job = _job(one)
            # A sweep over rank names a solver without one several times; two lines may ask for different seeds.
            jobs.setdefault(records.digest(job.config), job).records.update(job.records)
        except (DataError, NotApplicable) as error:
            if len(composed) == 1:
                raise
            loaded = isinstance(error, NotApplicable)
            name = load(json.dumps(_plain(one.config, "dataset"))).name if loaded else one.choices["dataset"]
            skipped.append(LeftOut(one.choices["solver"], name, error))
    for store in {job.store for job in jobs.values()}:
        store.ensure_writable()
    return list(jobs.values()), skipped


def _job(one: Composed) -> Job:
    settings = _settings(one.config)
    check_device(settings.device)

    loader_node = _plain(one.config, "dataset")
    loader = build(loader_node, Loader, "dataset")
    dataset = load(json.dumps(loader_node))

    if settings.rank is None:
        one.config.rank = dataset.n_classes
    solver_node = _plain(one.config, "solver")
    if "rank" in solver_node and solver_node["rank"] is None and not solver_node.get("ranks"):
        raise ConfigError(f"rank must be given: {dataset.name} has no labels to count classes by; add rank=…")
    solver = build(solver_node, Solver, "solver")
    as_written = cast(dict[str, Any], OmegaConf.to_container(one.config.solver, resolve=False))
    solver.check(place(dataset.X, settings.dtype, shape=dataset.shape))
    # Labels reach only a solver that declares it; for the others the setting means nothing.
    label_fraction = settings.label_fraction if solver.uses_labels else 0.0
    if label_fraction and dataset.y is None:
        raise ConfigError(f"label_fraction={label_fraction} needs labels, and {dataset.name} has none")

    evaluator_node = _plain(one.config, "evaluator")
    if evaluator_node.get("n_clusters", ()) is None and dataset.n_classes is not None:
        evaluator_node["n_clusters"] = list(dataset.n_clusters or [dataset.n_classes])
    evaluator = build(evaluator_node, Evaluator, "evaluator")
    labelled = labelled_samples(dataset, label_fraction)
    evaluator.check(dataset, labelled)

    given = {key: value for key, value in settings.stopping.items() if value is not None}
    stopping = structured(vars(solver.stopping) | given, Stopping, "stopping")
    if solver.direct:
        stopping = solver.stopping

    # The data's checksum stands for its place.
    preprocessing = {key: value for key, value in loader_node.items() if key not in ("n_clusters", *loader.location)}
    variant = {
        **_changed(solver_node, "solver", one),
        **_changed({key: value for key, value in preprocessing.items() if key != "draw"}, "dataset", one),
        **{key: value for key, value in vars(stopping).items() if value != getattr(solver.stopping, key)},
        **_changed({key: value for key, value in evaluator_node.items() if key != "n_clusters"}, "evaluator", one),
        **({"dtype": settings.dtype} if settings.dtype != Settings.dtype else {}),
        **({"label_fraction": label_fraction} if label_fraction else {}),
    }
    store = Store(Path(settings.results_dir).expanduser().absolute())
    job = Job(
        config={
            "solver": {"name": one.choices["solver"], "version": solver.version, **solver_node, **_ranks(solver)},
            "dataset": {"name": dataset.name, "sha256": dataset.sha256, **preprocessing},
            "evaluator": {"name": one.choices["evaluator"], **evaluator_node},
            "stopping": vars(stopping),
            "dtype": settings.dtype,
            "label_fraction": label_fraction,
        },
        variant=_words(variant),
        setting=_words(_changed(as_written, "solver", one)).replace("${rank}", "rank"),
        solver=solver,
        loader_node=json.dumps(loader_node),
        evaluator=evaluator,
        stopping=stopping,
        settings=settings,
        store=store,
    )
    for seed in settings.seed_list():
        job.records[seed] = store.finished(job.config_of(seed), seed)
    return job


def _plain(config: DictConfig, key: str) -> dict[str, Any]:
    """A group's node as plain values, with ${rank} and its like resolved."""
    if key not in config:  # ~solver
        raise ConfigError(f"{key} must be given: add {key}=…")
    return cast(dict[str, Any], OmegaConf.to_container(config[key], resolve=True))


def _ranks(solver: Solver) -> dict[str, Any]:
    """The ranks as the solver has resolved them: a record does not depend on how they were given."""
    return {"rank": solver.rank, "ranks": solver.layers} if isinstance(solver, DeepSolver) else {}


def _settings(config: DictConfig) -> Settings:
    plain = cast(dict[str, Any], OmegaConf.to_container(config, resolve=False))
    not_settings = ("solver", "dataset", "evaluator", "runs", *TABLE_KEYS)
    return structured({k: v for k, v in plain.items() if k not in not_settings}, Settings, "")


@lru_cache(maxsize=4)  # the jobs of a sweep share their data
def load(loader_node: str) -> Dataset:
    return build(json.loads(loader_node), Loader, "dataset").load()


@cache
def checksum(loader_node: str) -> str:
    return load(loader_node).sha256


def labelled_samples(dataset: Dataset, fraction: float) -> np.ndarray | None:
    """The mask of the labels that a solver may see; None: none of them."""
    return labelled_mask(dataset.y, fraction) if fraction and dataset.y is not None else None


def _changed(node: dict[str, Any], group: str, one: Composed) -> dict[str, Any]:
    """The parameters that differ from what the chosen YAML gives; those it takes from elsewhere (${rank}) do not."""
    name = one.choices[group]
    path = next(path for source in one.sources if (path := source / group / f"{name}.yaml").exists())
    written = _written(path)
    return {
        key: value
        for key, value in node.items()
        if value != written.get(key) and not str(written.get(key)).startswith("${")
    }


@cache
def _written(path: Path) -> dict[str, Any]:
    """Kept, because the jobs of a table come from a few YAMLs."""
    return cast(dict[str, Any], yaml.safe_load(path.read_text(encoding="utf-8")))


def _words(parameters: dict[str, Any]) -> str:
    shown = {k: f"[{' '.join(map(str, v))}]" if isinstance(v, list) else str(v) for k, v in parameters.items()}
    return ", ".join(f"{key}={value}" for key, value in shown.items())
