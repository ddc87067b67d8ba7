"""Claims about NMF, each written before its runs, with the smallest effect that matters; and what the tasks say."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import fmean

import numpy as np
import yaml
from scipy import stats

from nmfbench import config
from nmfbench.arena.protocol import LINES_TO_BEAT, Protocol, Task
from nmfbench.arena.runs import MethodRuns
from nmfbench.arena.scores import Cell, Trial
from nmfbench.arena.trials import Setting
from nmfbench.errors import ConfigError
from nmfbench.reports.statistics import largest_sum, paired

KINDS = ("pairs", "error", "stacked", "starts")
TUNED = "tuned"
ROUNDS = 2000
"""Number of simulated sets of tasks for the power."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim, as configs/claims/NAME.yaml has it.

    Parameters
    ----------
    name: name of the YAML.
    says: the claim in a sentence, its first line.
    kind: what the effect on a task is. pairs: NMI of one method over another's, the mean over ``pairs``. error: minus
        the correlation (Spearman's) of reconstruction error and NMI over all methods. stacked: NMI of the codes of all
        layers together over that of the last layer's, the mean over the methods of several layers. starts: the
        mean difference of NMI between two ``starts`` less that between two ``solvers``, in points.
    smallest: the smallest effect that matters, > 0, in points of NMI; of error, of correlation.
    pairs: [a, b], each a solver, with its settings behind it where they are not its defaults, "wnnf eta=0", or with the
        setting that the arena's criterion chose for it, "wnnf tuned".
    solvers, starts: for starts.
    corrupt: kinds of corruption → level; the tasks are then corrupted, each in each of these ways.
    """

    name: str
    says: str
    kind: str
    smallest: float
    pairs: Sequence[Sequence[str]] = ()
    solvers: Sequence[str] = ()
    starts: Sequence[str] = ()
    corrupt: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"claim {self.name}: kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if not self.smallest > 0:
            raise ConfigError(f"claim {self.name}: smallest must be positive, got {self.smallest}")

    def tasks(self, protocol: Protocol) -> tuple[Task, ...]:
        """The tasks that everybody can have, corrupted if the claim is about that."""
        return tuple(
            corrupted for task in protocol.tasks if not task.licensed for corrupted in task.corrupted(self.corrupt)
        )

    def sides(self) -> list[tuple[str, Setting]]:
        """The methods that it compares, each with its setting; none where it reads all methods."""
        if self.kind == "starts":
            return [(solver, {"solver.init": start}) for solver in self.solvers for start in self.starts]
        return [side(words) for pair in self.pairs for words in pair if not words.endswith(f" {TUNED}")]

    def wanted(self, protocol: Protocol) -> Iterator[MethodRuns]:
        """The runs that it needs beside the arena's own."""
        for task in self.tasks(protocol):
            for solver, setting in dict.fromkeys((solver, tuple(setting.items())) for solver, setting in self.sides()):
                yield MethodRuns(task, solver, dict(setting), tuple(protocol.scored_seeds))


def side(words: str) -> tuple[str, Setting]:
    """The solver and the setting in words like "wnnf eta=0"."""
    solver, *settings = words.split()
    return solver, {
        f"solver.{key}": yaml.safe_load(value) for key, _, value in (word.partition("=") for word in settings)
    }


def read(name: str) -> Claim:
    """The claim of configs/claims/NAME.yaml. Raises ConfigError."""
    try:
        return Claim(name=name, says=config.describe("claims", name), **yaml.safe_load(config.text("claims", name)))
    except TypeError as error:
        raise ConfigError(f"configs/claims/{name}.yaml: {error}") from error


@dataclass(frozen=True)
class Verdict:
    """What the tasks say of a claim.

    Parameters
    ----------
    claim: the claim.
    effects: the effect on each task that has all it needs.
    datasets: number of datasets of these tasks; the mean effect on each counts once, whatever the number of its tasks.
    shift: Hodges–Lehmann estimate of the effect, with its 95 % interval from low to high.
    p: Wilcoxon's signed-rank test over the datasets, two-sided.
    power: the chance that this test finds the smallest effect that matters at 5 %, with this spread over datasets.
    """

    claim: Claim
    effects: dict[str, float]
    datasets: int
    shift: float
    low: float
    high: float
    p: float
    power: float

    @property
    def words(self) -> str:
        """The verdict."""
        if not self.effects:
            return "not tested"
        if self.low > 0:
            return "holds" if self.shift >= self.claim.smallest else "holds, but too small to matter"
        if self.high < 0:
            return "the opposite holds"
        if self.high < self.claim.smallest:
            return "no effect that matters" if self.low > -self.claim.smallest else "no gain that matters"
        return "undecided"


def verdict(claim: Claim, found: Mapping[tuple[str, str], Cell], protocol: Protocol) -> Verdict:
    """Test a claim on the records of its tasks."""
    effects: dict[str, float] = {}
    by_dataset: dict[str, list[float]] = {}
    for task in claim.tasks(protocol):
        effect = _effect(claim, task, found, protocol)
        if effect is not None and np.isfinite(effect):
            effects[task.name] = effect
            by_dataset.setdefault(task.dataset, []).append(effect)
    if not effects:
        return Verdict(claim, {}, 0, *[float("nan")] * 5)
    # Corruptions and ranks of one dataset are no independent evidence.
    means = [fmean(of_tasks) for of_tasks in by_dataset.values()]
    test = paired(means, [0.0] * len(means))
    chance = power(means, claim.smallest)
    return Verdict(claim, effects, len(means), test.shift, test.low, test.high, test.p, chance)


def power(effects: Sequence[float], smallest: float) -> float:
    """The chance that an effect of that size is found: datasets are drawn anew from these, moved to that median.

    It is found if the interval of `nmfbench.reports.statistics.paired` is above 0, so never with fewer than six.
    """
    rng, spread = np.random.default_rng(0), np.asarray(effects) - np.median(effects)
    drawn = rng.choice(spread, size=(ROUNDS, len(spread))) + smallest
    against = np.where(drawn < 0, stats.rankdata(np.abs(drawn), axis=1), 0).sum(1)
    return float(np.mean(against <= largest_sum(len(spread))))


def written(claim: Claim) -> str:
    """The commit that last changed the claim's YAML, and its date; empty outside a checkout."""
    folder = config.CONFIG_DIR / "claims"
    command = ["git", "log", "-1", "--format=%h %cs", "--", f"{claim.name}.yaml"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _effect(claim: Claim, task: Task, found: Mapping[tuple[str, str], Cell], protocol: Protocol) -> float | None:
    """The effect on a task; None where a method it needs has no score there."""
    seeds = list(protocol.scored_seeds)
    if claim.kind == "pairs":
        leads = [_lead(pair, task, found, protocol) for pair in claim.pairs]
        known = [lead for lead in leads if lead is not None]
        return fmean(known) if known else None
    cells = [cell for (name, solver), cell in found.items() if name == task.name and solver not in LINES_TO_BEAT]
    defaults = [trial for cell in cells if (trial := cell.trials.get("{}")) and {*seeds} <= {*trial.arena}]
    if claim.kind == "error":
        pairs = [(trial.mean("error", seeds), trial.mean("nmi", seeds)) for trial in defaults]
        known_pairs = [pair for pair in pairs if None not in pair]
        return -float(stats.spearmanr(*zip(*known_pairs, strict=True)).statistic) if len(known_pairs) > 2 else None
    if claim.kind == "stacked":
        gains = [
            100 * (together - last)
            for trial in defaults
            if (together := trial.mean("nmi_stacked", seeds)) is not None
            and (last := trial.mean("nmi", seeds)) is not None
        ]
        return fmean(gains) if gains else None
    table = [
        [_score(solver, {"solver.init": start}, task, found, protocol) for start in claim.starts]
        for solver in claim.solvers
    ]
    if any(None in row for row in table):
        return None
    scores = [[float(value or 0) for value in row] for row in table]
    return fmean(map(_difference, scores)) - fmean(map(_difference, zip(*scores, strict=True)))


def _difference(values: Sequence[float]) -> float:
    """Return the mean difference of two values; unlike a standard deviation, it does not grow with their number."""
    return fmean(abs(a - b) for a, b in combinations(values, 2))


def _lead(pair: Sequence[str], task: Task, found: Mapping[tuple[str, str], Cell], protocol: Protocol) -> float | None:
    a, b = (_nmi(words, task, found, protocol) for words in pair)
    return None if a is None or b is None else a - b


def _nmi(words: str, task: Task, found: Mapping[tuple[str, str], Cell], protocol: Protocol) -> float | None:
    """NMI in percent of one side of a pair."""
    solver, _, setting = words.partition(" ")
    if setting != TUNED:
        return _score(*side(words), task, found, protocol)
    cell = found.get((task.name, solver))
    trial = cell.chosen(protocol, protocol.criterion) if cell else None
    nmi = trial.mean("nmi", protocol.scored_seeds) if trial else None
    return None if nmi is None else 100 * nmi


def _score(
    solver: str, setting: Setting, task: Task, found: Mapping[tuple[str, str], Cell], protocol: Protocol
) -> float | None:
    """NMI in percent of a setting; a setting of the defaults is the defaults."""
    defaults = config.defaults("solver", solver)
    changed = {key: value for key, value in setting.items() if defaults.get(key.partition(".")[2]) != value}
    cell = found.get((task.name, solver))
    trial: Trial | None = cell.find(changed) if cell else None
    nmi = trial.mean("nmi", protocol.scored_seeds) if trial else None
    return None if nmi is None else 100 * nmi
