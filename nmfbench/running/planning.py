"""From a request to a plan: every job built, checked and compared with its records before the first of them runs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from nmfbench.adapters.source import modules_hash
from nmfbench.config import build, escaped, nearest, structured
from nmfbench.datasets.corruption import Corruption
from nmfbench.errors import ConfigError, DataError, DataMissing, NotApplicable
from nmfbench.evaluators import Evaluator, measures
from nmfbench.numerics.problem import Problem, check_device
from nmfbench.records import Record, Store, digest
from nmfbench.running import claims
from nmfbench.running.cards import Card, Cards, load, loader_of, reading
from nmfbench.running.composer import Composed
from nmfbench.running.composing import Request
from nmfbench.running.jobs import Job, labelled_samples, make, observed_entries
from nmfbench.running.measuring import given, problem_of
from nmfbench.running.settings import Settings

PROCESSES = {"_target_": "nmfbench.running.launchers.processes.Processes"}


@dataclass(frozen=True)
class LeftOut:
    """A job of a sweep that cannot run.

    Parameters
    ----------
    solver: name of its solver.
    dataset: name of its dataset.
    reason: DataMissing, DataError for damaged data, or NotApplicable if the solver cannot take the data.
    """

    solver: str
    dataset: str
    reason: Exception


FEW = 5
"""The largest number of methods left out of a dataset that are listed by name; more are counted."""


def in_words(left_out: Sequence[LeftOut]) -> list[str]:
    """Return a line for each reason, which says which methods are left out of which datasets, and why."""
    by_reason: dict[str, dict[str, dict[str, None]]] = {}  # dicts keep the order, and each name once
    for left in left_out:
        by_reason.setdefault(str(left.reason), {}).setdefault(left.dataset, {})[left.solver] = None
    lines = []
    for reason, by_dataset in by_reason.items():
        names = [
            f"{len(solvers)} methods on {dataset}" if len(solvers) > FEW else f"{solver} on {dataset}"
            for dataset, solvers in by_dataset.items()
            for solver in (list(solvers)[:1] if len(solvers) > FEW else solvers)
        ]
        lines.append(f"{', '.join(names)}: {reason}")
    return lines


@dataclass
class Plan:
    """The jobs of a request, and those that it leaves out.

    Parameters
    ----------
    request: the command line, understood.
    jobs: every job, checked.
    left_out: what a sweep cannot run, with the reason.
    unknown: labels of the jobs whose data was never loaded for this results folder, so that none of them has run.
    cards: the data cards of each results folder; `save_cards` writes those that are new.
    readings: for each dataset of a user's own, what its file was taken for, in a line.
    """

    request: Request
    jobs: list[Job]
    left_out: list[LeftOut]
    unknown: list[str] = field(default_factory=list)
    cards: dict[str, Cards] = field(default_factory=dict)
    readings: list[str] = field(default_factory=list)

    def save_cards(self) -> None:
        """Write the data cards that planning made."""
        for cards in self.cards.values():
            cards.flush()

    @property
    def launcher(self) -> dict[str, Any]:
        """The node of the launcher, the same for all jobs."""
        return _launcher(self.request.composed[0])

    @property
    def store(self) -> Store:
        settings = [job.settings for job in self.jobs] or [Settings.of(self.request.composed[0].node)]
        return Store(settings[0].root)

    def reasons(self) -> list[str]:
        """Return a line for each reason why something was left out."""
        return [f"left out: {line}" for line in in_words(self.left_out)]

    def records(self) -> list[Record]:
        """Return the records that exist, in the order of the jobs and seeds."""
        return [record for job in self.jobs for record in job.done()]

    @property
    def is_whole(self) -> bool:
        """Whether every requested run is finished. Data that is not here and has no record does not count."""
        left_out_with_records = [
            left
            for left in self.left_out
            if not isinstance(left.reason, NotApplicable)
            and (not isinstance(left.reason, DataMissing) or any((self.store.runs / left.dataset).glob("*/*.json")))
        ]
        failed = [record for record in self.records() if record["status"] == "failed"]
        return not (self.unknown or left_out_with_records or failed or any(job.pending() for job in self.jobs))


def plan(request: Request, will_run: bool = True) -> Plan:
    """Make and check the jobs of a request; a sweep leaves out those that cannot run, with the reason.

    A request for a single configuration whose data is missing, or whose solver cannot take the data, raises; in a
    sweep it is left out. Any other mistake in any job raises ConfigError, before anything runs. Data is read for jobs
    that have to run, and where no data card describes it. Without ``will_run``, a job that has no card is `unknown` if
    its solver has no record.
    """
    jobs: dict[str, Job] = {}
    planned = Plan(request, [], [])
    scaling_is_given = any(change.lstrip("+").startswith("dataset.scaling=") for change in request.changes)
    # The jobs of a sweep share their data. Two problems are kept, because an arena asks for each with and without
    # hidden entries.
    problem = lru_cache(maxsize=2)(_problem)
    for composed in _by_dataset(request.composed):
        settings = Settings.of(composed.node)
        store = Store(settings.root)
        cards = planned.cards.setdefault(settings.results_dir, Cards(store))
        solver, name = composed.choices.get("solver", ""), composed.choices.get("dataset", "")
        try:
            node = data_node(composed, settings.subset)
            card = cards.known(node)
            if card is None and not will_run and not any(store.runs.glob(f"*/{solver}/*.json")):
                planned.unknown.append(f"{solver} on {name}")
                continue
            card = card or cards.of(node)
            name = card.name
            # An imported dataset's YAML has a scaling that its owner has seen; the one of dataset=file nobody chose.
            unscaled = composed.choices.get("dataset") == "file" and not scaling_is_given
            if loader_of(card.node).own and (line := reading(card, proposing=unscaled)) not in planned.readings:
                planned.readings.append(line)
            job = _checked(composed, settings, store, cards, card, will_run, request, problem)
            # A sweep over rank names a solver without one several times; two lines may ask for different seeds.
            same = jobs.setdefault(digest(job.config), job)
            same.records.update(job.records)
            same.checksums.update(job.checksums)
        except (DataError, NotApplicable) as error:
            if len(request.composed) == 1:
                raise
            planned.left_out.append(LeftOut(solver, name, error))
    if will_run:
        for store in {job.store for job in jobs.values()}:
            store.ensure_writable()
            claims.clean(store.runs)
    planned.jobs = list(jobs.values())
    _check_metrics(planned)
    return planned


def data_node(composed: Composed, subset: int | None) -> dict[str, Any]:
    """Return the dataset's parameters, with "subset" and "corrupt" if the data is reduced or corrupted."""
    node = composed.plain("dataset") | ({"subset": subset} if subset else {})
    if composed.choices.get("corrupt", "none") != "none":  # a user's own config.yaml may lack the group
        node["corrupt"] = asdict(structured(composed.plain("corrupt"), Corruption, "corrupt"))
    return node


def _launcher(composed: Composed) -> dict[str, Any]:
    # A user's own config.yaml may lack the group.
    return composed.plain("launcher") if "launcher" in composed.choices else dict(PROCESSES)


def _launcher_is_local(composed: Composed) -> bool:
    from nmfbench.running.launchers.base import Launcher  # scikit-learn takes a second

    return build(_launcher(composed), Launcher, "launcher").local


def _check_metrics(planned: Plan) -> None:
    """Raise ConfigError for a metric of the table that no evaluator of these jobs measures."""
    table = planned.request.table
    asked = {"table.metric": table.metric}
    asked |= {"table.relative.metric": table.relative.metric} if table.relative else {}
    asked |= {"table.tuning.metric": table.tuning.metric} if table.tuning else {}
    measured = [metric.name for job in planned.jobs for metric in (*job.evaluator.metrics, *measures.MEASURES)]
    measured += [table.relative.name] if table.relative else []
    for key, name in asked.items():
        is_of_factor = name and name.startswith(tuple(f"{metric.name}_" for metric in measures.FACTOR_MEASURES))
        if name and measured and name not in measured and not is_of_factor:
            raise ConfigError(f"{key}: no evaluator here measures {name!r}{nearest(name, dict.fromkeys(measured))}")


def _by_dataset(composed: list[Composed]) -> list[Composed]:
    """Sort the configurations by dataset, so that each dataset is read once."""
    order = {str(c.node.get("dataset")): i for i, c in reversed(list(enumerate(composed)))}
    return sorted(composed, key=lambda c: order[str(c.node.get("dataset"))])


def _checked(
    composed: Composed,
    settings: Settings,
    store: Store,
    cards: Cards,
    card: Card,
    will_run: bool,
    request: Request,
    problem: Callable[..., Problem],
) -> Job:
    job = make(composed, settings, store, cards, card, request)
    if card.refusals and (reason := card.refusals.get(_refusal(job))):
        raise NotApplicable(reason)
    if not job.pending() or not will_run:
        return job
    current = cards.loaded(card.node)
    if current.sha256 != card.sha256:  # the data has changed since
        job = make(composed, settings, store, cards, current, request)
    if not job.pending():
        return job
    if not settings.device.startswith("cuda") or _launcher_is_local(composed):
        check_device(settings.device)
    node = json.dumps(card.node)
    try:
        hidden, fraction, dataset = json.dumps(job.config.get("hidden")), job.config["label_fraction"], load(node)
        data = problem(node, current.sha256, settings.dtype, hidden, fraction)
        job.solver.check(data)
        job.evaluator.check(dataset, labelled_samples(dataset, fraction))
    except NotApplicable as error:
        cards.refuse(card.node, _refusal(job), str(error))
        raise
    return job


def _refusal(job: Job) -> str:
    """Return the key of a refusal on a data card. It holds the check's source, so that a changed check runs again."""
    checks = [modules_hash(type(check)) for check in (job.solver, job.evaluator)]
    return digest(job.config | {"checks": checks})


def _problem(node: str, sha256: str, dtype: str, hidden: str, fraction: float) -> Problem:
    """Return the data of that node in the dtype of the fit, with the labels of a fraction of each class.

    The checksum is the key under which it is kept.

    ``hidden`` is the node of an evaluator that hides entries from a fit, or null. They are those of seed 0: a solver
    that accepts one mask accepts all.
    """
    dataset, evaluator = load(node), json.loads(hidden)
    observed = dataset.observed
    if evaluator:
        observed = observed_entries(dataset, build(escaped(evaluator), Evaluator, "evaluator"), 0)
    seen, labelled = given(dataset, labelled_samples(dataset, fraction), observed)
    return problem_of(seen, dtype, "cpu", labelled)
