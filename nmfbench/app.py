"""The Hydra application: command-line overrides → configs → jobs → runs → records → table."""

import json
import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nmfbench import results, runner, tables
from nmfbench.config import CONFIG_DIR, build, nearest, structured, user_dir
from nmfbench.datasets.base import Dataset, Loader, labelled_mask
from nmfbench.errors import ConfigError, DataError, DataMissing, NotApplicable
from nmfbench.evaluators import Evaluator
from nmfbench.fitting import DTYPES, check_device, place
from nmfbench.progress import FitProgress, say
from nmfbench.results import Record, Store
from nmfbench.solvers.base import DeepSolver, Solver, Stopping


@dataclass(frozen=True)
class Composed:
    """One configuration as Hydra composed it, with the names chosen in each group and where YAMLs are looked for."""

    config: DictConfig
    choices: dict[str, Any]
    sources: list[Path]

    @property
    def notes(self) -> list[str]:
        """What an experiment has to say under its table."""
        return list(self.config.get("notes", ()))


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
    """What identifies a run: no paths, device, threads or seeds; the data by its sha256."""
    variant: str
    """What differs from the YAMLs as they stand, in words."""
    solver: Solver
    loader_node: str
    """The dataset's node as JSON: a job holds no data, so that a long sweep does not hold all of it at once."""
    evaluator: Evaluator
    stopping: Stopping
    settings: Settings
    store: Store
    records: dict[int, Record | None] = field(default_factory=dict)
    """By seed; None: still to run."""

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


def main(arguments: list[str]) -> int:
    """`nmfbench run`. Returns the exit code; raises ConfigError or DataError for what is refused as a whole."""
    composed = compose(arguments)
    if not composed:  # --help, --cfg and their like were answered by Hydra
        return 0
    jobs, skipped = plan(composed)
    return execute(jobs, skipped, composed[0].choices.get("experiment"), composed[0].notes)


def rebuild(experiment: str, overrides: Sequence[str]) -> int:
    """`nmfbench table NAME`: the table of an experiment from the records that are there; what is missing is named."""
    composed = compose([f"experiment={experiment}", *overrides])
    jobs, skipped = plan(composed)
    if any(job.there() for job in jobs):
        show(jobs, skipped, experiment, composed[0].notes)
    return _closing(jobs, skipped, interrupted=False)


def compose(arguments: list[str]) -> list[Composed]:
    """The configuration of each job that these arguments describe. Raises ConfigError.

    An experiment may list ``runs``: command lines, each a sweep of its own. Then ``solver=`` and ``dataset=`` among
    the arguments choose from what the lines describe, and any other override holds for every line.
    """
    experiment = _value(arguments, "experiment")
    # The overrides may be a sweep, which only a run of the experiment knows what to do with.
    alone = [a for a in arguments if "=" not in a or a.startswith(("-", "experiment=", "hydra."))]
    composed = _compose(alone if experiment else arguments)
    lines = composed[0].config.get("runs") if composed else None
    if lines is None:
        return _compose(arguments) if experiment and composed else composed
    chosen = {group: value.split(",") for group in ("solver", "dataset") if (value := _value(arguments, group))}
    others = [argument for argument in arguments if argument.partition("=")[0] not in chosen]
    described = [
        one
        for line in lines
        for one in _compose(["-m", *(o for o in shlex.split(line) if not _value(others, o.partition("=")[0])), *others])
    ]
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


def _value(arguments: Sequence[str], key: str) -> str | None:
    """What an override among the arguments sets that key to."""
    return next((value for name, _, value in (a.partition("=") for a in arguments) if name == key and value), None)


def _compose(arguments: list[str]) -> list[Composed]:
    """The configurations that Hydra makes of these arguments."""
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
            # A sweep over rank names a solver without one several times.
            jobs.setdefault(results.digest(job.config), job)
        except (DataError, NotApplicable) as error:
            if len(composed) == 1:
                raise
            loaded = isinstance(error, NotApplicable)
            name = _load(json.dumps(_plain(one.config, "dataset"))).name if loaded else one.choices["dataset"]
            skipped.append(LeftOut(one.choices["solver"], name, error))
    for store in {job.store for job in jobs.values()}:
        store.ensure_writable()
    return list(jobs.values()), skipped


def _job(one: Composed) -> Job:
    settings = _settings(one.config)
    check_device(settings.device)

    loader_node = _plain(one.config, "dataset")
    loader = build(loader_node, Loader, "dataset")
    dataset = _load(json.dumps(loader_node))

    if settings.rank is None:
        one.config.rank = dataset.n_classes
    solver_node = _plain(one.config, "solver")
    if "rank" in solver_node and solver_node["rank"] is None and not solver_node.get("ranks"):
        raise ConfigError(f"rank must be given: {dataset.name} has no labels to count classes by; add rank=…")
    solver = build(solver_node, Solver, "solver")
    solver.check(place(dataset.X, settings.dtype, shape=dataset.shape))
    # Labels reach only a solver that declares it; for the others the setting means nothing.
    label_fraction = settings.label_fraction if solver.uses_labels else 0.0
    if label_fraction and dataset.y is None:
        raise ConfigError(f"label_fraction={label_fraction} needs labels, and {dataset.name} has none")

    evaluator_node = _plain(one.config, "evaluator")
    if evaluator_node.get("n_clusters", ()) is None and dataset.n_classes is not None:
        evaluator_node["n_clusters"] = list(dataset.n_clusters or [dataset.n_classes])
    evaluator = build(evaluator_node, Evaluator, "evaluator")
    labelled = _labelled(dataset, label_fraction)
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
        variant=", ".join(f"{key}={_show(value)}" for key, value in variant.items()),
        solver=solver,
        loader_node=json.dumps(loader_node),
        evaluator=evaluator,
        stopping=stopping,
        settings=settings,
        store=store,
    )
    for seed in settings.seed_list():
        job.records[seed] = store.finished(job.config, seed)
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
    not_settings = ("solver", "dataset", "evaluator", "runs", "notes")
    return structured({k: v for k, v in plain.items() if k not in not_settings}, Settings, "")


@lru_cache(maxsize=4)  # the jobs of a sweep share their data
def _load(loader_node: str) -> Dataset:
    return build(json.loads(loader_node), Loader, "dataset").load()


def _labelled(dataset: Dataset, fraction: float) -> np.ndarray | None:
    """The mask of the labels that a solver may see; None: none of them."""
    return labelled_mask(dataset.y, fraction) if fraction and dataset.y is not None else None


def _changed(node: dict[str, Any], group: str, one: Composed) -> dict[str, Any]:
    """The parameters that differ from what the chosen YAML gives; those it takes from elsewhere (${rank}) do not."""
    name = one.choices[group]
    path = next(path for source in one.sources if (path := source / group / f"{name}.yaml").exists())
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {
        key: value
        for key, value in node.items()
        if value != written.get(key) and not str(written.get(key)).startswith("${")
    }


def _show(value: Any) -> str:
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)


def execute(jobs: list[Job], skipped: list[LeftOut], experiment: str | None, notes: Sequence[str] = ()) -> int:
    """Run what is not there yet, print and write the table of everything that was asked for; the exit code."""
    todo = [job for job in jobs if job.pending()]
    n_runs, n_there = sum(len(job.pending()) for job in todo), sum(len(job.there()) for job in jobs)
    if not todo:
        say(f"nothing to run: all {n_there} runs are in {jobs[0].store.runs}" if jobs else "nothing to run")
    elif n_there:
        say(f"{n_there} runs are there already, {n_runs} to go")
    interrupted = False
    try:
        _run_all(todo)
    except KeyboardInterrupt:
        interrupted = True
    if any(job.there() for job in jobs):
        show(jobs, skipped, experiment, notes)
    return _closing(jobs, skipped, interrupted)


def show(jobs: list[Job], skipped: list[LeftOut], experiment: str | None, notes: Sequence[str] = ()) -> None:
    """Print and write the table of all records that these jobs have."""
    records = [record for job in jobs for record in job.there()]
    unfit = [(left.dataset, left.solver) for left in skipped if isinstance(left.reason, NotApplicable)]
    frame = tables.frame(records, unfit, by_name=experiment is None)
    metric = jobs[0].evaluator.metric
    said: dict[str, Any] = {"metric": metric}
    if experiment:
        absent = {left.dataset: str(left.reason) for left in skipped if isinstance(left.reason, DataMissing)}
        said |= {"notes": notes, "compared": tables.compare(records, metric), "absent": absent}
    path = jobs[0].store.root / "tables" / (experiment or _slug(jobs))
    results.write_text(path.with_name(f"{path.name}.csv"), tables.csv_file(frame, records, notes))
    results.write_text(path.with_name(f"{path.name}.md"), tables.markdown(frame, records, **said))
    results.write_text(path.with_name(f"{path.name}.tex"), tables.latex(frame, records, **said))
    print(f"{tables.text(frame, records, **said)}\n\nwritten to {path}.csv, .md and .tex")


def _run_all(jobs: list[Job]) -> None:
    """One after the other, or as many at once as the first of them says."""
    at_once = min([len(jobs), *(job.settings.jobs for job in jobs)])
    if at_once <= 1:
        for i, job in enumerate(jobs, start=1):
            _run(job, f"[{i}/{len(jobs)}] " if len(jobs) > 1 else "")
        return
    # Spawned, not forked: threads of torch and a fork do not mix.
    with ProcessPoolExecutor(at_once, multiprocessing.get_context("spawn"), _ignore_interrupts) as workers:
        running = {workers.submit(_run, job, f"[{i}/{len(jobs)}] "): job for i, job in enumerate(jobs, start=1)}
        try:
            for done in as_completed(running):
                running[done].records |= done.result()
        except BrokenProcessPool:
            say(
                "a worker was killed, out of memory perhaps; the same command goes on from here (jobs=1: one at a time)"
            )
        except BaseException:
            for worker in multiprocessing.active_children():
                worker.kill()
            workers.shutdown(cancel_futures=True)
            raise
        finally:
            for job in jobs:  # what a worker saved before its end
                job.records = {seed: r or job.store.finished(job.config, seed) for seed, r in job.records.items()}


def _ignore_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; the one that started the others ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _closing(jobs: list[Job], skipped: list[LeftOut], interrupted: bool) -> int:
    """Say what did not come out, and return the exit code."""
    for reason, names in _by_reason(skipped).items():
        say(f"left out: {', '.join(names)}: {reason}")
    failed = [(job.label, record) for job in jobs for record in job.there() if record["status"] == "failed"]
    for label, record in failed:
        say(f"failed: {label}, seed {record['seed']}: {record['error']}")
    if failed:
        say("`nmfbench status --errors` shows the tracebacks; the next call runs the failed ones again")
    missing = [job for job in jobs if job.pending()]
    if interrupted:
        say(f"interrupted: {sum(len(job.pending()) for job in jobs)} runs to go; the same command goes on from here")
        return 130
    for job in missing:
        say(f"missing: {job.label}, seeds {', '.join(map(str, job.pending()))}")
    if failed or missing:
        return 1
    corrupt = any(isinstance(left.reason, DataError) and not isinstance(left.reason, DataMissing) for left in skipped)
    return 3 if corrupt or (skipped and not jobs) else 0


def _by_reason(skipped: list[LeftOut]) -> dict[str, list[str]]:
    reasons: dict[str, list[str]] = {}
    for left in skipped:
        reasons.setdefault(str(left.reason), []).append(f"{left.solver} on {left.dataset}")
    return {reason: list(dict.fromkeys(names)) for reason, names in reasons.items()}


def _run(job: Job, prefix: str) -> dict[int, Record | None]:
    """Run the pending seeds of a job and keep each record as soon as it is there; returns the job's records."""
    start = time.monotonic()
    threads = job.settings.threads or max(1, (os.cpu_count() or 1) // job.settings.jobs)
    environment = results.environment(threads, job.settings.device)
    seeds, dataset = job.pending(), _load(job.loader_node)
    with FitProgress(prefix + job.label) as progress:
        for outcome in _outcomes(job, dataset, seeds, threads, progress):
            record = _record(job, dataset, outcome, environment)
            try:
                if job.settings.save_codes and outcome.fitted:
                    job.store.save_codes(job.config, outcome.seed, outcome.fitted, outcome.fit)
                job.store.save(record)  # last: a record says that all of it is there
            except OSError as error:  # a full disk, say: this run counts as failed, earlier records are whole
                record = _record(job, dataset, runner.failed(outcome.seed, error), environment)
            job.records[outcome.seed] = record
    ended = [record["status"] for record in job.there() if record["seed"] in seeds]
    statuses = ", ".join(f"{ended.count(status)} {status}" for status in sorted(set(ended)))
    say(f"{prefix}{job.label}: {len(seeds)} seeds in {time.monotonic() - start:.1f} s ({statuses})")
    return job.records


def _outcomes(
    job: Job, dataset: Dataset, seeds: list[int], threads: int, progress: FitProgress
) -> Iterator[runner.Outcome]:
    """From saved codes where an earlier fit left them, from a fit elsewhere."""
    labelled = _labelled(dataset, job.config["label_fraction"])
    saved = {seed: found for seed in seeds if (found := job.store.load_codes(job.config, seed))}
    for seed, (fitted, fit) in saved.items():
        try:
            outcome = runner.score(fitted, fit, dataset, job.evaluator, seed, labelled)
        except Exception as error:
            outcome = runner.failed(seed, error)
        yield outcome
    fresh = [seed for seed in seeds if seed not in saved]
    yield from runner.run(
        job.solver,
        dataset,
        job.evaluator,
        seeds=fresh,
        stopping=job.stopping,
        dtype=job.settings.dtype,
        device=job.settings.device,
        threads=threads,
        labelled=labelled,
        on_look=progress,
    )


def _record(job: Job, dataset: Dataset, outcome: runner.Outcome, environment: dict[str, Any]) -> Record:
    fit = {key: value for key, value in outcome.fit.items() if key != "metrics"}
    return {
        "schema": results.SCHEMA,
        "config": job.config,
        "dataset": dataset.name,
        "solver": job.config["solver"]["name"],
        "variant": job.variant,
        "rank": job.config["solver"].get("rank"),
        "footnote": job.footnote,
        "seed": outcome.seed,
        **fit,
        "metrics": outcome.fit["metrics"] + outcome.metrics,
        "data": {
            "features": dataset.X.shape[0],
            "samples": dataset.n_samples,
            "classes": dataset.n_classes,
            "preprocessing": list(dataset.preprocessing),
        },
        "environment": environment,
    }


def _slug(jobs: list[Job]) -> str:
    """A file name for the table of these jobs: datasets, then solvers."""
    names = [list(dict.fromkeys(job.config[group]["name"] for job in jobs)) for group in ("dataset", "solver")]
    return "-".join(
        "+".join(some) if len(some) <= 4 else f"{len(some)}_{group}"
        for some, group in zip(names, ("datasets", "solvers"), strict=True)
    )
