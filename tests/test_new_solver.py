"""`nmfbench new solver`: what it writes works as it is."""

from pathlib import Path

import numpy as np
import pytest
from contract import states

from nmfbench import MultiplicativeNMF, Stopping, fit
from nmfbench.adapters.template import Template
from nmfbench.cli import main
from nmfbench.numerics.problem import place
from nmfbench.records import Store

SHORT = ["dataset=synthetic", "dataset.n_samples=20", "rank=3", "seeds=2", "stopping.max_iter=5", "threads=1"]


def test_written_solver_runs_beside_others(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "solver", "my_nmf"]) == 0
    written = capsys.readouterr().out
    assert "my_methods/my_nmf.py" in written and "my_methods/solver/my_nmf.yaml" in written
    words = ["-m", "solver=my_nmf,mu", "solver.lam=0,0.1", *SHORT, "results_dir=r"]
    assert main(["run", "--config-dir", "my_methods", *words]) == 0
    records = Store(Path("r")).load()[0]
    objectives = {(r["solver"], r["config"]["solver"]["lam"], r["seed"]): r["objective"] for r in records}
    assert len(objectives) == 8 and not any(record["rises"] for record in records)
    for seed in range(2):
        assert objectives["my_nmf", 0, seed] == pytest.approx(objectives["mu", 0, seed], rel=1e-5)
    assert main(["run", "--config-dir", "my_methods", "-m", "solver=my_nmf", "jobs=2", *SHORT, "results_dir=two"]) == 0


def test_nothing_is_overwritten_and_a_bad_name_is_refused(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "solver", "mine", "--folder", "here"]) == 0
    before = Path("here/mine.py").read_text()
    for name, words in (("mine", "exists"), ("mu", "is a solver already"), ("My-Solver", "small letters")):
        assert main(["new", "solver", name, "--folder", "here"]) == 2
        assert words in capsys.readouterr().err
    assert Path("here/mine.py").read_text() == before


def test_template_is_multiplicative_nmf_without_its_penalty(X: np.ndarray) -> None:
    stopping = Stopping(max_iter=20)
    one, other = (
        fit(solver(rank=4), X, dtype="float64", stopping=stopping)[0] for solver in (Template, MultiplicativeNMF)
    )
    assert one.objective == pytest.approx(other.objective)


def test_template_keeps_restarts_apart_and_its_penalty_is_part_of_the_objective(X: np.ndarray) -> None:
    problem, solver = place(X, "float64"), Template(rank=4, lam=0.5)
    batch = fit(solver, problem, seeds=[3, 4], stopping=Stopping(max_iter=20), together=True)
    (alone,) = fit(solver, problem, seeds=[4], stopping=Stopping(max_iter=20))
    assert batch[1].objective == pytest.approx(alone.objective, rel=1e-10)
    state = next(states(solver, problem, [1]))
    penalty = solver.penalty(problem, state)
    assert solver.objective(problem, state) - penalty == pytest.approx(Template(rank=4).objective(problem, state))
