"""Claims about NMF, each written before its runs with the smallest effect that matters, and tests of them."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, pstdev

import numpy as np
import yaml
from scipy import stats

from nmfbench import config
from nmfbench.arena.protocol import CONTROLS, Protocol, Task
from nmfbench.arena.runs import MethodRuns
from nmfbench.arena.scores import Cell, Trial
from nmfbench.arena.trials import Setting
from nmfbench.errors import ConfigError
from nmfbench.reports.statistics import paired

KINDS = ("pairs", "error", "stacked", "starts")
ROUNDS = 2000
"""Number of simulated sets of tasks for the power."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One claim, as configs/claims/NAME.yaml has it.

    Parameters
    ----------
    name: name of the YAML.
    says: the claim in a sentence, which is the first comment of its YAML.
    kind: how the effect on a task is measured. pairs: by how much one method's NMI exceeds the other's, averaged over
        ``pairs``. error: minus Spearman's correlation of reconstruction error and NMI over all methods. stacked: by how
        much the NMI of all layers' codes together exceeds that of the last layer, averaged over the methods of several
        layers. starts: the standard deviation of NMI over ``starts`` minus that over ``solvers``, in points.
    smallest: the smallest effect that matters, > 0, in points of NMI; for error, as a correlation.
    pairs: pairs [a, b] of solvers, each followed by the settings that differ from its defaults: "wnnf eta=0".
    solvers, starts: the solvers and their starts, for the kind "starts" alone.
    corrupt: kind of corruption → level; if any, each task is run once under each of them.
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
        """Return the tasks whose data everybody can get, corrupted if the claim is about corruption."""
        return tuple(
            corrupted for task in protocol.tasks if not task.licensed for corrupted in task.corrupted(self.corrupt)
        )

    def sides(self) -> list[tuple[str, Setting]]:
        """Return the methods that the claim compares, each with its setting; none if it looks at all methods."""
        if self.kind == "starts":
            return [(solver, {"solver.init": start}) for solver in self.solvers for start in self.starts]
        return [side(words) for pair in self.pairs for words in pair]

    def wanted(self, protocol: Protocol) -> Iterator[MethodRuns]:
        """Yield the runs that the claim needs in addition to the arena's."""
        for task in self.tasks(protocol):
            for solver, setting in dict.fromkeys((solver, tuple(setting.items())) for solver, setting in self.sides()):
                yield MethodRuns(task, solver, dict(setting), tuple(protocol.scored_seeds))


def side(words: str) -> tuple[str, Setting]:
    """Split words like "wnnf eta=0" into the solver and its setting."""
    solver, *settings = words.split()
    return solver, {
        f"solver.{key}": yaml.safe_load(value) for key, _, value in (word.partition("=") for word in settings)
    }


def read(name: str) -> Claim:
    """Read the claim in configs/claims/NAME.yaml. Raises ConfigError if a key is missing or unknown."""
    try:
        return Claim(name=name, says=config.describe("claims", name), **yaml.safe_load(config.text("claims", name)))
    except TypeError as error:
        raise ConfigError(f"configs/claims/{name}.yaml: {error}") from error


@dataclass(frozen=True)
class Verdict:
    """The outcome of testing a claim on its tasks.

    Parameters
    ----------
    claim: the claim.
    effects: task → effect, for the tasks with all the scores that the claim needs.
    shift: Hodges–Lehmann estimate of the effect, with its 95 % interval from low to high.
    p: p value of Wilcoxon's two-sided signed-rank test over the tasks.
    power: the chance that this test finds the smallest effect that matters at 5 %, given the spread over the tasks.
    """

    claim: Claim
    effects: dict[str, float]
    shift: float
    low: float
    high: float
    p: float
    power: float

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.low > 0:
            return "holds" if self.shift >= self.claim.smallest else "holds, by less than matters"
        if self.high < 0:
            return "the opposite holds"
        return "no effect that matters" if self.high < self.claim.smallest else "undecided"


def verdict(claim: Claim, cells: Mapping[tuple[str, str], Cell], protocol: Protocol) -> Verdict:
    """Test a claim on the records of its tasks."""
    effects = {
        task.name: effect
        for task in claim.tasks(protocol)
        if (effect := _effect(claim, task, cells, list(protocol.scored_seeds))) is not None
    }
    if not effects:
        return Verdict(claim, {}, *[float("nan")] * 5)
    test = paired(list(effects.values()), [0.0] * len(effects))
    return Verdict(
        claim, effects, test.shift, test.low, test.high, test.p, power(list(effects.values()), claim.smallest)
    )


def power(effects: Sequence[float], smallest: float) -> float:
    """Simulate the test's power against a median effect of that size, drawing tasks from these effects, shifted."""
    rng, spread = np.random.default_rng(0), np.asarray(effects) - np.median(effects)
    drawn = rng.choice(spread, size=(ROUNDS, len(spread))) + smallest
    signed = np.sign(drawn) * stats.rankdata(np.abs(drawn), axis=1)
    # The normal approximation of the signed-rank test, because an exact one for each round takes minutes.
    z = signed.sum(1) / np.sqrt((signed**2).sum(1))
    return float(np.mean(2 * stats.norm.sf(np.abs(z)) < 0.05))


def written(claim: Claim) -> str:
    """Return the commit that last changed the claim's YAML, and its date; empty outside of a checkout."""
    folder = config.CONFIG_DIR / "claims"
    command = ["git", "log", "-1", "--format=%h %cs", "--", f"{claim.name}.yaml"]
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _effect(claim: Claim, task: Task, cells: Mapping[tuple[str, str], Cell], seeds: list[int]) -> float | None:
    """Return the effect on a task; None if a method that the claim needs has no score there."""
    if claim.kind == "pairs":
        leads = [_lead(pair, task, cells, seeds) for pair in claim.pairs]
        known = [lead for lead in leads if lead is not None]
        return fmean(known) if known else None
    on_task = [cell for (name, solver), cell in cells.items() if name == task.name and solver not in CONTROLS]
    defaults = [trial for cell in on_task if (trial := cell.trials.get("{}")) and {*seeds} <= {*trial.arena}]
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
        [_score(solver, {"solver.init": start}, task, cells, seeds) for start in claim.starts]
        for solver in claim.solvers
    ]
    if any(None in row for row in table):
        return None
    scores = [[float(value or 0) for value in row] for row in table]
    return fmean(map(pstdev, scores)) - fmean(pstdev(column) for column in zip(*scores, strict=True))


def _lead(pair: Sequence[str], task: Task, cells: Mapping[tuple[str, str], Cell], seeds: list[int]) -> float | None:
    """Return by how many points of NMI the first method of the pair is ahead; None without both scores."""
    a, b = (_score(*side(words), task, cells, seeds) for words in pair)
    return None if a is None or b is None else a - b


def _score(
    solver: str, setting: Setting, task: Task, cells: Mapping[tuple[str, str], Cell], seeds: list[int]
) -> float | None:
    """Return the NMI of a setting in percent; parameters that equal the solver's defaults do not count as settings."""
    defaults = config.defaults("solver", solver)
    changed = {key: value for key, value in setting.items() if defaults.get(key.partition(".")[2]) != value}
    cell = cells.get((task.name, solver))
    trial: Trial | None = cell.find(changed) if cell else None
    nmi = trial.mean("nmi", seeds) if trial else None
    return None if nmi is None else 100 * nmi
