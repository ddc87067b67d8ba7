"""One job: a configuration built from its parts, with the records of its seeds."""

import dataclasses
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench import config as configs
from nmfbench.adapters.source import source_hash
from nmfbench.config import build, escaped, structured
from nmfbench.datasets.base import Dataset, labelled_mask
from nmfbench.errors import ConfigError
from nmfbench.evaluators.base import Evaluator
from nmfbench.records import Record, Store
from nmfbench.running.cards import Card, Cards, loader_of
from nmfbench.running.composer import Composed
from nmfbench.running.composing import Request
from nmfbench.running.settings import Settings
from nmfbench.solvers.base import DeepSolver, Solver, Stopping

Node = dict[str, Any]


@dataclass(kw_only=True)
class Job:
    """One configuration for several seeds: plain values and a solver, so that it can travel to another process.

    Parameters
    ----------
    config: settings shared by all its runs, without paths, and without device and threads unless they are timed. The
        data is identified by its sha256.
    variant: the settings that differ from the YAMLs as they stand, by dotted key.
    setting: the solver's part of it, unresolved: a value that refers to the rank is one setting for all ranks.
    solver: the method, built from the configuration.
    evaluator: scores each restart.
    stopping: the solver's own rule, with what the settings replace.
    loader_node: the dataset's parameters; a job holds no data, so that a long sweep does not hold all of it at once.
    settings: where, how often and how exactly to run.
    store: the results folder.
    shape: (m features, n samples) of the data.
    checksums: seed → sha256 of the data that it draws, where each draws its own.
    records: seed → its record; None: still to run.
    """

    config: Node
    variant: Node
    setting: Node
    solver: Solver
    loader_node: Node
    evaluator: Evaluator
    stopping: Stopping
    settings: Settings
    store: Store
    shape: tuple[int, int]
    checksums: dict[int, str] = field(default_factory=dict)
    records: dict[int, Record | None] = field(default_factory=dict)

    def loader_for(self, seed: int) -> Node:
        """Return the dataset's parameters for this seed."""
        return _node_for_seed(self.loader_node, seed) if seed in self.checksums else self.loader_node

    def config_of(self, seed: int) -> Node:
        """Return the configuration that identifies a run, apart from its seed."""
        if seed not in self.checksums:
            return self.config
        drawn = {key: value for key, value in self.loader_for(seed).items() if value != self.loader_node[key]}
        return self.config | {"dataset": self.config["dataset"] | {"sha256": self.checksums[seed]} | drawn}

    @property
    def label(self) -> str:
        """The job in a line, for messages."""
        rank = f"rank={self.config['solver']['rank']}" if "rank" in self.config["solver"] else ""
        # Lists stand as the command line takes them: [column_max,unit_norm].
        values = {key: re.sub(r"['\" ]", "", str(v)) if isinstance(v, list) else v for key, v in self.variant.items()}
        changes = ", ".join(f"{key}={value}" for key, value in values.items())
        names = f"{self.config['solver']['name']} on {self.config['dataset']['name']}"
        return " ".join(filter(None, [names, rank, changes]))

    @property
    def footnote(self) -> str:
        """The sentence that a reader of the table needs about this job."""
        unlabelled = self.solver.uses_labels and not self.config["label_fraction"]
        name = self.config["solver"]["name"]
        sentence = f"{name} saw no labels: its unsupervised form; label_fraction=0.4 shows it 40 %"
        return ". ".join(filter(None, [self.solver.footnote, sentence if unlabelled else ""]))

    def find_records(self) -> None:
        """Take the records that exist, also those that another experiment has made since. With ``refit`` take none."""
        for seed in [] if self.settings.refit else self.pending():
            self.records[seed] = self.recorded(seed)

    def recorded(self, seed: int) -> Record | None:
        """Read the record of a finished run from disk; None if there is none."""
        record = self.store.finished(self.config_of(seed), seed)
        # Another command may have made the record, so the variant is that of the table asked for now.
        return record and record | {"variant": self.variant, "setting": self.setting}

    def pending(self) -> list[int]:
        """Return the seeds that are still to run."""
        return [seed for seed, record in self.records.items() if record is None]

    def done(self) -> list[Record]:
        """Return the records that exist, including those of failed runs."""
        return [record for record in self.records.values() if record is not None]


def make(composed: Composed, settings: Settings, store: Store, cards: Cards, card: Card, request: Request) -> Job:
    """Make the job of one configuration on the data of that card, with the records that exist. Raises ConfigError."""
    loader = loader_of(card.node)
    if settings.rank is None:
        composed = composed.with_values({"rank": card.rank or card.classes})
    solver_node, evaluator_node = composed.plain("solver"), composed.plain("evaluator")
    if "rank" in solver_node and solver_node["rank"] is None and not solver_node.get("ranks"):
        raise ConfigError(f"rank must be given: {card.name} has no labels to count classes by; add rank=…")
    solver = build(escaped(solver_node), Solver, "solver")
    # Labels reach only a solver that declares `uses_labels`; the others ignore the setting.
    label_fraction = settings.label_fraction if solver.uses_labels else 0.0
    if label_fraction and card.classes is None:
        raise ConfigError(f"label_fraction={label_fraction} needs labels, and {card.name} has none")
    if evaluator_node.get("n_clusters", ()) is None and card.classes is not None:
        evaluator_node["n_clusters"] = card.n_clusters or [card.classes]
    evaluator = build(escaped(evaluator_node), Evaluator, "evaluator")
    stopping, rule = _stopping(solver, composed, settings, request)
    # The checksum identifies the data, so its location is left out.
    preprocessing = {key: value for key, value in card.node.items() if key not in ("n_clusters", *loader.location)}
    corruption = card.node.get("corrupt", {})
    own = {key: value for key, value in preprocessing.items() if key not in ("draw", "subset", "corrupt")}
    scored = {key: value for key, value in evaluator_node.items() if key != "n_clusters"}

    def changed(node: Node, group: str) -> Node:
        return _changed(node, group, composed.choices[group], request)

    timed = {"device": settings.device, "threads": settings.threads} if settings.timing else {}
    job = Job(
        config={
            "solver": _named(composed, "solver", solver, {"version": solver.version, **solver_node, **_ranks(solver)}),
            "dataset": {"name": card.name, "sha256": card.sha256, **preprocessing},
            "evaluator": _named(composed, "evaluator", evaluator, evaluator_node),
            # Left out if false, so that a record made before there was this rule still counts as done.
            "stopping": {key: value for key, value in vars(stopping).items() if key != "converged" or value}
            # It was one for all seeds of a run before; such records do not count for this.
            | ({"limit": "each restart"} if stopping.max_seconds else {}),
            "dtype": settings.dtype,
            "label_fraction": label_fraction,
            # Beside the evaluator's own node, because codes are kept for all evaluators that fit alike.
            **({"hidden": evaluator_node} if evaluator.hides else {}),
            **({"timing": timed} if timed else {}),
        },
        variant={
            **changed(solver_node, "solver"),
            **changed(own, "dataset"),
            **({"subset": settings.subset} if settings.subset else {}),
            # The level is named even at its default, because sweeps vary it.
            **({"corrupt": corruption["kind"], "corrupt.level": corruption["level"]} if corruption else {}),
            **({"corrupt.draw": corruption["draw"]} if corruption.get("draw") else {}),
            **rule,
            **changed(scored, "evaluator"),
            **({"dtype": settings.dtype} if settings.dtype != Settings.dtype else {}),
            **({"label_fraction": label_fraction} if label_fraction else {}),
            **timed,
        },
        setting=changed(composed.plain("solver", resolve=False), "solver"),
        solver=solver,
        loader_node=card.node,
        evaluator=evaluator,
        stopping=stopping,
        settings=settings,
        store=store,
        shape=(card.features, card.samples),
    )
    for seed in settings.seed_list():
        if loader.for_seed(seed) is not loader:
            job.checksums[seed] = cards.of(_node_for_seed(card.node, seed)).sha256
        job.records[seed] = None
    job.find_records()
    return job


def _stopping(solver: Solver, composed: Composed, settings: Settings, request: Request) -> tuple[Stopping, Node]:
    """Return the stopping rule, and the parts of it that differ from the solver's own, by dotted key."""
    replaced = {key: value for key, value in settings.stopping.items() if value is not None}
    stopping = structured(vars(solver.stopping) | replaced, Stopping, "stopping")  # checked even for direct solvers
    if solver.direct:
        return solver.stopping, {}
    chosen = composed.choices.get("stopping", "own")  # a user's own config.yaml may lack the group
    if chosen != "own":
        return stopping, {"stopping": chosen, **_changed(replaced, "stopping", chosen, request)}
    own = vars(solver.stopping)
    return stopping, {f"stopping.{key}": value for key, value in vars(stopping).items() if value != own[key]}


def _named(composed: Composed, group: str, built: Solver | Evaluator, node: Node) -> Node:
    source = source_hash(getattr(built, "adapted", type(built)))
    # A whole number for a setting that is a float is that float: 0 and 0.0 are one run.
    node = {key: float(v) if type(v) is int and type(getattr(built, key, v)) is float else v for key, v in node.items()}
    return {"name": composed.choices[group], **node, **({"source": source} if source else {})}


def _ranks(solver: Solver) -> Node:
    """Return the ranks as the solver has resolved them: a record does not depend on how they were given."""
    return {"rank": solver.rank, "ranks": solver.layers} if isinstance(solver, DeepSolver) else {}


def _node_for_seed(node: Node, seed: int) -> Node:
    loader = loader_of(node)
    drawn = loader.for_seed(seed)
    return node | {
        f.name: getattr(drawn, f.name)
        for f in dataclasses.fields(loader)
        if getattr(drawn, f.name) != getattr(loader, f.name)
    }


def _changed(node: Node, group: str, name: str, request: Request) -> Node:
    """Return the parameters that differ from the chosen YAML, by dotted key. Interpolated ones do not count."""
    return dict(_differing(node, _written(group, name, request.folders), group))


def _differing(node: Node, written: Node, where: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        before = written.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _differing(value, before, f"{where}.{key}")
        elif value != before and not str(before).startswith("${"):
            yield f"{where}.{key}", value


@cache  # the jobs of a table come from a few YAMLs
def _written(group: str, name: str, folders: tuple[Path, ...]) -> Node:
    return configs.defaults(group, name, folders)


def labelled_samples(dataset: Dataset, fraction: float) -> np.ndarray | None:
    """Return the mask (n,) of the labels that a solver may see; None: none of them."""
    return labelled_mask(dataset.y, fraction) if fraction and dataset.y is not None else None


def labels_seen(dataset: Dataset, fraction: float) -> int | None:
    """Return the number of labels that a solver sees, at least one for each class; None: it sees none."""
    labelled = labelled_samples(dataset, fraction)
    return None if labelled is None else int(labelled.sum())


def observed_entries(dataset: Dataset, evaluator: Evaluator, seed: int) -> np.ndarray | None:
    """Return the mask (m, n) of the entries that the fit of a seed sees; None: all of them. Raises NotApplicable."""
    hidden = evaluator.hidden(dataset, seed)
    if hidden is None:
        return dataset.observed
    return ~hidden if dataset.observed is None else dataset.observed & ~hidden


def seeds_by_data(job: Job, seeds: Sequence[int]) -> Iterator[tuple[Node, list[int]]]:
    """Yield the seeds in groups that see the same data; where entries are hidden, each seed has its own."""
    groups: dict[tuple[str, int | None], list[int]] = {}
    # Seed 0 comes first, because the others are compared with it.
    for seed in sorted(seeds, key=bool) if job.evaluator.hides else seeds:
        alone = seed if job.evaluator.hides else None
        groups.setdefault((json.dumps(job.loader_for(seed)), alone), []).append(seed)
    for (node, _), seeds in groups.items():
        yield json.loads(node), seeds
