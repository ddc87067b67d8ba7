"""Check records against their names, the data and the code as they are here, and fit a sample of them again."""

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from nmfbench import endings
from nmfbench.adapters.source import source_hash
from nmfbench.config import build, escaped, structured
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, DataError, DataMissing
from nmfbench.evaluators.base import Evaluator
from nmfbench.fitting import Look
from nmfbench.numerics.problem import check_device
from nmfbench.progress import FitProgress, plural, say
from nmfbench.records import Record, Store, Unreadable
from nmfbench.running import agreement, environment, executing, measuring
from nmfbench.running.agreement import Difference
from nmfbench.running.cards import Card, kept, load
from nmfbench.running.jobs import labelled_samples, observed_entries
from nmfbench.solvers.base import Solver, Stopping
from nmfbench.trust import check_class

T = TypeVar("T", Solver, Evaluator)

LIMITS = {"iterations": 0.5, "final objective": 0.05, "objective": 0.05, "error": 0.05}
"""Size up to which a difference is tolerated where a run cannot repeat the bits of its record; `OTHERS` for the rest.

With 1 thread against 2, iterations differed by up to 0.48, objectives by 0.03 and scores of k-means by 0.13: nsnmf and
dnsnmf amplify rounding, and k-means turns it into other clusters.
"""
OTHERS = 0.15
TOLERANCE = (
    "another CPU, other versions, a GPU's record on a CPU and restarts that were fitted together do not repeat every "
    f"bit; iterations may differ by {LIMITS['iterations']:.0%}, objective and error by {LIMITS['error']:.0%}, other "
    f"metrics by {OTHERS:.0%}, in float64 all by {agreement.ROUNDING['float64']:.0e}"
)
_ENDED = ("converged", "stopped", "max_iter")
"""The statuses of which rounding decides at the end of a fit."""


@dataclass(frozen=True)
class Run:
    """A finished record, and what its config describes.

    Parameters
    ----------
    path: its file.
    record: its content.
    solver: the method.
    evaluator: what scored it.
    stopping: the rule by which its fit ended.
    """

    path: Path
    record: Record
    solver: Solver
    evaluator: Evaluator
    stopping: Stopping

    @property
    def label(self) -> str:
        """The run in words, for messages."""
        return f"{self.record['solver']} on {self.record['dataset']}, seed {self.record['seed']} ({self.path.stem})"


@dataclass
class Verified:
    """The outcome of a verification so far.

    Parameters
    ----------
    report: takes each problem and each remark, in lines, as soon as it is known.
    counts: number of records by what became of them; "problems" are those that are not what they should be.
    furthest: the largest difference that was tolerated, with its run in words; None: there was none.
    """

    report: Callable[[str], None]
    counts: Counter[str] = field(default_factory=Counter)
    furthest: tuple[Difference, str] | None = None

    def problem(self, text: str) -> None:
        """Count and report a problem."""
        self.counts["problems"] += 1
        self.report(text)


def verify(
    contents: Mapping[Path, Record | Unreadable],
    store: Store,
    share: float,
    report: Callable[[str], None],
    trusted: Sequence[Path] | None = None,
) -> Verified:
    """Check these files of the store; fit a share of the runs of each solver and dataset again, at least one.

    The sample is the first files by name. Names are hashes, so this is a draw, and always the same. Nothing is written.
    ``trusted``: see `trust.check_class`.
    """
    verified = Verified(report, Counter(all=len(contents)))
    runs: list[Run] = []
    for path, content in contents.items():
        if isinstance(content, dict) and content["status"] == "failed":
            verified.counts["failed"] += 1
            continue
        try:
            runs.append(run_of(path, content, store, trusted))
        except ConfigError as error:
            verified.problem(f"{path}: {error}")
    verified.counts["by time"] = sum(agreement.ended_by_time(run.record, run.stopping.max_seconds) for run in runs)
    sample = {run.path for run in sample_of(runs, share)}
    say(f"{len(sample)} of {plural(len(contents), 'record')} are fitted again")
    cards, by_data = kept(store), defaultdict(list)
    for run in runs:
        by_data[json.dumps(_loader_node(run.record["config"]["dataset"], cards))].append(run)
    for node, of_data in by_data.items():
        dataset = _data(json.loads(node), of_data, verified)
        if dataset is None:
            continue
        for run in of_data:
            if dataset.sha256 != run.record["config"]["dataset"].get("sha256"):
                verified.problem(f"{run.path}: its data has another sha256 here, {dataset.sha256[:12]}…")
                continue
            verified.counts["sound"] += 1
            if run.path in sample:
                fit_again(run, dataset, store, verified)
    return verified


def run_of(path: Path, record: Record | Unreadable, store: Store, trusted: Sequence[Path] | None = None) -> Run:
    """Build the run whose record is in that file of the store. Raises ConfigError that says what is wrong with it."""
    if isinstance(record, Unreadable):
        raise ConfigError(record.reason)
    config = record["config"]
    named = store.path(config, record["seed"])
    if named != path:
        raise ConfigError(f"its config and seed belong to another file name, {named.relative_to(store.runs)}")
    if (record["solver"], record["dataset"]) != (config["solver"]["name"], config["dataset"]["name"]):
        raise ConfigError("it names another solver or dataset than its config")
    rule = {key: value for key, value in config.get("stopping", {}).items() if key != "limit"}  # see `jobs.make`
    stopping = structured(rule, Stopping, "stopping")
    solver = _built(config, "solver", Solver, trusted)
    run = Run(path, record, solver, _built(config, "evaluator", Evaluator, trusted), stopping)
    if (version := config["solver"].get("version")) != run.solver.version:
        raise ConfigError(
            f"made by version {version} of {record['solver']}; the code here is version {run.solver.version}"
        )
    return run


def _built(config: Mapping[str, Any], group: str, base: type[T], trusted: Sequence[Path] | None) -> T:
    node = {key: value for key, value in config[group].items() if key not in ("name", "version", "source")}
    check_class(node, group, str(config[group].get("name")), trusted)
    built = build(escaped(node), base, group)
    if config[group].get("source", "") != source_hash(getattr(built, "adapted", type(built))):
        raise ConfigError(f"the source of {group} {config[group].get('name')} has changed since")
    return built


def sample_of(runs: list[Run], share: float) -> list[Run]:
    """Return the first runs of each solver and dataset by file name, without those that a time limit ended."""
    groups: dict[Path, list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.path.name):
        if not agreement.ended_by_time(run.record, run.stopping.max_seconds):
            groups[run.path.parent].append(run)
    return [run for group in groups.values() for run in group[: math.ceil(share * len(group))]]


def _loader_node(config: Mapping[str, Any], cards: list[Card]) -> dict[str, Any]:
    """Return the loader's parameters, from the matching data card, which knows the data's place, or from the config."""
    node = {key: value for key, value in config.items() if key not in ("name", "sha256")}
    fitting = [card for card in cards if card.name == config["name"] and node.items() <= card.node.items()]
    fitting.sort(key=lambda card: card.sha256 != config.get("sha256"))
    return fitting[0].node if fitting else node


def _data(node: dict[str, Any], runs: list[Run], verified: Verified) -> Dataset | None:
    """Load the data of these runs; None if it is not here or damaged."""
    name = runs[0].record["dataset"]
    try:
        check_class(node, "dataset", name)
        return load(json.dumps(node))
    except (DataMissing, ConfigError) as error:
        verified.report(f"{name}: data and fits of {plural(len(runs), 'record')} are not checked, because {error}")
    except DataError as error:
        verified.problem(f"{name}, data of {plural(len(runs), 'record')}: {error}")
    return None


def fit_again(run: Run, dataset: Dataset, store: Store, verified: Verified) -> None:
    """Fit a run again and compare what comes out."""
    record, seed = run.record, run.record["seed"]
    device, batch = _device(record), record.get("batch", [])
    verified.counts["elsewhere"] += device != record["environment"].get("device")
    reference = (
        None if seed == measuring.REFERENCE_SEED else store.load_bases(record["config"], measuring.REFERENCE_SEED)
    )
    outcome = _again(run, dataset, device, reference)
    is_same_machine = all(record["environment"].get(key) == value for key, value in _machine(device).items())
    # On a CPU a restart is fitted alone, whatever batch the record was fitted in.
    exact = is_same_machine and (len(batch) == 1 or device != "cpu")
    if agreement.ended_by_time(outcome.fit, run.stopping.max_seconds):
        verified.counts["by time"] += 1
        return
    before = agreement.computed(record, whole=exact)
    after = agreement.computed(outcome.fit | {"metrics": [*outcome.fit["metrics"], *outcome.metrics]}, whole=exact)
    if reference is None and seed != measuring.REFERENCE_SEED and "stability" in before:
        del before["stability"]
        verified.counts["stability"] += 1
    differing = agreement.differences(before, dict.fromkeys(before) | after)
    if beyond := [d for d in differing if exact or not _is_tolerated(d, record)]:
        verified.counts["differ"] += 1
        error = [f"  now: {outcome.fit['error']}"] if outcome.fit["error"] else []
        lines = [f"differs: {run.label}", *agreement.shown(beyond, ("record", "now")), *error]
        verified.problem("\n".join(lines))
    elif differing:
        verified.counts["tolerated"] += 1
        if verified.furthest is None or differing[0].size > verified.furthest[0].size:
            verified.furthest = differing[0], run.label
    else:
        verified.counts["equal"] += 1


def _again(run: Run, dataset: Dataset, device: str, reference: np.ndarray | None) -> measuring.Outcome:
    """Fit the run again: on a GPU in the record's batch, on a CPU alone."""
    record, config, seed = run.record, run.record["config"], run.record["seed"]
    in_batch = device != "cpu" and seed in record.get("batch", ())
    labelled = labelled_samples(dataset, config.get("label_fraction", 0.0))
    torch.set_float32_matmul_precision("highest")
    executing.pin(record["environment"].get("threads") or 1)
    with FitProgress(f"{record['solver']} on {record['dataset']}, seed {seed}") as progress:

        def on_look(look: Look) -> None:
            endings.check()
            progress(look)

        (outcome,) = (
            outcome
            for outcome in measuring.fitted(
                run.solver,
                dataset,
                seeds=record["batch"] if in_batch else [seed],
                stopping=run.stopping,
                dtype=config["dtype"],
                device=device,
                labelled=labelled,
                observed=observed_entries(dataset, run.evaluator, seed),
                on_look=on_look,
            )
            if outcome.seed == seed
        )
    return measuring.score(outcome, dataset, run.evaluator, labelled, reference)


@cache
def _machine(device: str) -> dict[str, Any]:
    """Return the hardware and versions that determine the bits of a fit, apart from the number of threads."""
    here = environment.of_run(1, device)
    return {key: here[key] for key in ("cpu", "gpu", "device", "torch", "numpy", "scikit-learn")}


def _device(record: Record) -> str:
    """Return the record's device, or the CPU where it is not here."""
    try:
        device = str(record["environment"].get("device"))
        check_device(device)
    except ConfigError:
        return "cpu"
    return device


def _is_tolerated(difference: Difference, record: Record) -> bool:
    if difference.name == "status":
        return {difference.first, difference.second} <= {*_ENDED}
    if record["config"]["dtype"] == "float64":
        return difference.size <= agreement.ROUNDING["float64"]
    return difference.size <= LIMITS.get(difference.name, OTHERS)


def summary(verified: Verified, runs: Path) -> list[str]:
    """Describe the outcome for the records of that folder in lines. The last line sums it up."""
    counts = verified.counts
    remarks = {
        "failed": "failed and not fitted again",
        "by time": "ended by a time limit, and not compared: how far such a fit comes depends on the machine",
        "elsewhere": "made on a device that is not here, and fitted on the CPU",
        "stability": "compared without stability, because the bases of seed 0 are not here",
        "tolerated": f"within the tolerance: {TOLERANCE}",
    }
    lines = [f"{counts[key]} {words}" for key, words in remarks.items() if counts[key]]
    if verified.furthest:
        difference, label = verified.furthest
        lines.append(f"furthest apart within it: {label}, by {difference.size:.1e}")
        lines += agreement.shown([difference], ("record", "now"))
    again = f"{counts['equal']} equal, {counts['tolerated']} within the tolerance, {counts['differ']} differing"
    n_again = counts["equal"] + counts["tolerated"] + counts["differ"]
    checked = f"{counts['sound']} of {counts['all']} records in {runs} have the right name, data and code"
    return [*lines, f"{checked}; {n_again} fitted again: {again}"]
