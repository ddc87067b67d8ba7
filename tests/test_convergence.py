"""What "converged" means: one measure for all methods, on histories whose answer is known; and limits that hold."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from shell import nmfbench
from test_fitting import Clock, Counting, X

from nmfbench import fit, progress
from nmfbench.fitting import Look
from nmfbench.numerics import convergence
from nmfbench.numerics.factorization import Factorization
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.records import read
from nmfbench.solvers.base import Stopping


def falling(rate: float, looks: int = 30, every: int = 10) -> list[tuple[int, float]]:
    """A history whose objective, about 1, falls by ``rate`` in 10 iterations."""
    return [(i * every, 1 + (looks - i) * rate * every / 10) for i in range(looks)]


@pytest.mark.parametrize("every", [1, 5, 10, 50])
@pytest.mark.parametrize(("rate", "answer"), [(0.9e-5, True), (1.1e-5, False), (0.0, True), (-1e-9, False)])
def test_fall_of_one_part_in_100000_in_ten_iterations_is_the_bound(every: int, rate: float, answer: bool) -> None:
    assert convergence.has_converged(falling(rate, every=every)) == answer


def test_objective_that_also_rises_is_measured_over_a_hundred_iterations() -> None:
    rng = np.random.default_rng(0)
    noise = 1e-4 * rng.standard_normal(200)
    settled = [(10 * i, 1 + noise[i]) for i in range(200)]
    falling = [(10 * i, 3 - 5e-4 * i + noise[i]) for i in range(200)]
    answers = [convergence.has_converged(settled[:k]) for k in range(20, 200)]
    assert 0.2 < np.mean(answers) < 0.6  # half of the time it has risen, which is no convergence
    assert not any(convergence.has_converged(falling[:k]) for k in range(20, 200))


def test_no_iteration_is_no_convergence() -> None:
    assert not convergence.has_converged([(0, 1.0)])


@pytest.mark.parametrize(
    ("history", "fall"),
    [
        ([(0, 9.0), (100, 2.0), (150, 1.5), (200, 1.0)], 1.0),
        ([(0, 9.0), (20, 1.2), (40, 1.0)], 0.2),  # in the second half
        ([(0, 9.0), (400, 3.0), (800, 1.0)], 0.5),  # a quarter of 2 in 400 iterations
        ([(0, 2.0), (100, 4.0)], -0.5),  # a rise
        ([(0, 1.0)], None),
        ([(0, 1.0), (10, 0.0)], None),
        ([], None),
    ],
)
def test_fall_is_that_of_the_last_hundred_iterations(history: list, fall: float | None) -> None:
    assert convergence.fall(history) == (fall if fall is None else pytest.approx(fall))


def test_status_is_the_measure_whatever_ended_the_fit() -> None:
    own = Stopping(max_iter=100, tol=2e-3, check_every=1)
    (loose,) = fit(Counting(), X, stopping=own)  # falls by 1 in 1000
    assert (loose.status, loose.iterations) == ("stopped", 1)
    (still,) = fit(Counting(), X + 0, seeds=[10**9], stopping=Stopping(max_iter=40))  # by 1 in 10⁹
    assert (still.status, still.iterations) == ("converged", 40)


def test_stopping_converged_ends_a_fit_at_the_first_look_that_says_so() -> None:
    rule = Stopping(max_iter=10**6, check_every=10, converged=True)
    (result,) = fit(Counting(halving=True), X, stopping=rule)
    assert result.iterations > 1000  # 2⁻ⁱ halves until it is 0, and does not converge before
    (result,) = fit(Counting(), X, seeds=[10**9], stopping=rule)
    assert (result.status, result.iterations) == ("converged", 10)


class Starting(Counting):
    """A start of eight sweeps, which ends with what it has when it is told to."""

    ran: list[int]

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        for i in range(8):
            self.on_step(-8 + i)
            if (yield None):
                break
        yield from super().iterates(problem, rng)


def test_time_limit_bounds_the_start_and_leaves_one_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, steps = Clock(monkeypatch), []
    monkeypatch.setattr(Counting, "on_step", lambda self, i: (clock.wait(1.0), steps.append(i)))
    rule = Stopping(max_iter=100, max_seconds=1.25)
    results = fit(Starting(), X, seeds=[0, 1], stopping=rule, together=True)
    assert steps == [-8, -7, -6, 0, 1]  # three sweeps of the start, the start itself, one iteration
    assert [(r.status, r.iterations) for r in results] == [("start", 1)] * 2


def test_start_that_fits_into_the_time_is_no_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(Counting, "on_step", lambda self, i: clock.wait(1.0))
    (result,) = fit(Starting(), X, stopping=Stopping(max_iter=100, max_seconds=10.5))
    assert (result.status, result.iterations) == ("max_seconds", 2)


def test_start_reports_without_an_objective(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    fit(Starting(), X, stopping=Stopping(max_iter=3, check_every=1), on_look=looks.append)
    assert [look.objective for look in looks] == [*[None] * 8, 1000, 999, 998]


def test_progress_tells_the_start_and_leaves_it_out_of_the_time_left(
    monkeypatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(progress, "EVERY", -1.0)
    with progress.FitProgress("a job") as show:
        show(Look(0, None, 3.0, Stopping(max_iter=0)))
        show(Look(10, 2.0, 5.0, Stopping(max_iter=30)))
        show(Look(10, 2.0, 5.0, Stopping(max_iter=10**9, max_seconds=60)))
    assert capsys.readouterr().err.splitlines() == [
        "a job: iteration 0, in its start",
        "a job: iteration 10 of at most 30, objective 2, at most 4 s left",
        "a job: iteration 10, objective 2, at most 55 s left",
    ]


@pytest.mark.parametrize("solver", ["deep_kl", "deep_kl_minvol", "dnsnmf", "deep_semi", "lc_dmf"])
def test_a_start_of_its_own_ends_when_time_is_up(solver: str, tmp_path: Path) -> None:
    words = ["solver.pretrain=1000000", "stopping.max_seconds=0.2", "threads=1", "seeds=2"]
    assert nmfbench("run", f"solver={solver}", "dataset=digits", *words, f"results_dir={tmp_path}") == 0
    records = [read(path) for path in tmp_path.glob("runs/*/*/*.json")]
    assert [(record["status"], record["iterations"]) for record in records] == [("start", 1)] * 2
    assert sum(record["seconds"] for record in records) < 5  # one sweep of a start and one iteration take longer here


def test_records_of_older_schemas_get_the_status_that_their_history_shows(tmp_path: Path) -> None:
    assert nmfbench("run", "solver=mu", "dataset=synthetic", "rank=3", "seeds=1", f"results_dir={tmp_path}") == 0
    (path,) = tmp_path.glob("runs/*/*/*.json")
    record = json.loads(path.read_text())
    del record["fall"]
    loose, tight = ([[*look, 0.1] for look in falling(rate)] for rate in (1e-3, 1e-6))
    for history, was, now in (
        (loose, "converged", "stopped"),
        (tight, "max_iter", "converged"),
        (loose, "max_iter", "max_iter"),
        (loose, "diverged", "diverged"),
    ):
        path.write_text(json.dumps(record | {"schema": 2, "status": was, "history": history}))
        assert read(path)["status"] == now
        assert now == "diverged" or read(path)["fall"] == pytest.approx(convergence.fall(history))


def test_each_seed_has_the_whole_time_however_many_there_are(tmp_path: Path) -> None:
    words = ["solver=unfolded", "dataset=digits", "threads=1", "stopping=budget", f"results_dir={tmp_path}"]
    assert nmfbench("run", *words, "solver.init=random", "stopping.max_seconds=0.5", "seeds=2") == 0
    first, second = sorted(tmp_path.glob("runs/*/*/*.json"))
    kept = read(first)
    second.unlink()
    assert nmfbench("run", *words, "solver.init=random", "stopping.max_seconds=0.5", "seeds=2") == 0
    again = read(second)
    assert kept["status"] == again["status"] == "max_seconds"
    assert kept["seconds"] >= 0.5 and again["seconds"] >= 0.5


def test_budget_without_its_time_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert nmfbench("run", "solver=mu", "dataset=digits", "stopping=budget", f"results_dir={tmp_path}") == 2
    assert "stopping.max_seconds must be given: add stopping.max_seconds=…" in capsys.readouterr().err


def test_rule_is_named_where_a_table_names_settings(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["dataset=synthetic", "rank=3", "seeds=2", f"results_dir={tmp_path}"]
    assert nmfbench("run", "-m", "solver=mu,raw", "stopping=own,converged", *words) == 0
    shown = capsys.readouterr().out
    assert "stopping=converged" in shown and "max_iter=1000000000" not in shown
    assert shown.count("solved") == 2 and "converged" in shown
