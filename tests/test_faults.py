"""Faults, through the command line: exit codes, what a message says, and that nothing was recorded."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from troubled import SHORT, SYNTHETIC, records, run

from nmfbench.cli import main

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("place", ["below a file", "/proc/nmfbench"])
@pytest.mark.parametrize("multi", [True, False])
def test_results_folder_that_cannot_be_written_is_refused_at_the_start(
    place, multi, tmp_path, capsys, monkeypatch
) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "results" if place == "below a file" else place
    monkeypatch.setattr("nmfbench.running.measuring.fit", lambda *a, **k: pytest.fail("a fit was started"))
    sweep = ["-m", "solver=mu,raw"] if multi else ["solver=mu"]
    assert main(["run", *sweep, *SYNTHETIC, f"results_dir={folder}", *SHORT]) == 2
    output = capsys.readouterr().err
    assert "results_dir" in output and "cannot be written" in output and str(folder) in output


def test_only_the_culprit_of_a_batch_fails_and_only_it_is_run_again(tmp_path, configs, capsys) -> None:
    call = [*configs, *SYNTHETIC, "solver.raises=1", "seeds=4", "evaluator.n_init=1"]
    assert run(tmp_path, *call) == 1
    printed = capsys.readouterr()
    assert "seed 1: ArithmeticError: no luck with this seed" in printed.err and "Traceback" not in printed.err
    assert "1 failed, 3 max_iter" in printed.out
    good = [r["seed"] for r in records(tmp_path) if r["status"] == "max_iter"]
    (bad,) = (r for r in records(tmp_path) if r["status"] == "failed")
    assert sorted(good) == [0, 2, 3] and bad["seed"] == 1
    assert "ArithmeticError" in bad["traceback"] and "iterates" in bad["traceback"]
    assert run(tmp_path, *call) == 1
    assert "already done: 3, to run: 1" in capsys.readouterr().err
    assert main(["status", "--errors", "--results", str(tmp_path / "results")]) == 0
    assert 'raise ArithmeticError("no luck' in capsys.readouterr().out


def test_all_seeds_failed_shows_a_dash_and_the_status(tmp_path, configs, capsys) -> None:
    assert run(tmp_path, *configs, *SYNTHETIC, "solver.raises=0", "seeds=1") == 1
    printed = capsys.readouterr().out
    assert "1 failed" in printed and "–" in printed and "nan" not in printed.lower()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["solver=wnf"], "no solver is called 'wnf'; did you mean wnnf?"),
        (["dataset=olr"], "did you mean orl?"),
        (["experiment=olr"], "no experiment is called 'olr'; did you mean orl?"),
        (["evaluator=clusterin"], "did you mean clustering?"),
        (["-m", "solver=mu,wnff"], "no solver is called 'wnff'; did you mean wnnf?"),
        (["solver=mu", "solver.lamda=1"], "unknown key solver.lamda; did you mean lam?"),
        (["solver=mu", "+solver.lamda=1"], "unknown key solver.lamda; did you mean lam?"),
        (["+typo=1"], "unknown key typo"),
        (["sedes=1"], "unknown key sedes; did you mean seeds"),
        (["stopping.maxiter=1"], "unknown key stopping.maxiter; did you mean max_iter?"),
        (["stopping.max_iter=-1"], "stopping: max_iter must be at least 0, got -1"),
        (["evaluator.n_clusters=3"], "evaluator.n_clusters must be a list"),
        (["evaluator.n_clusters=[0]"], "n_clusters must be positive integers, got [0]"),
        (["solver=mu", "solver.lam=nan"], "solver.lam must be finite"),
        (["seeds=-1"], "seeds must be a number above 0"),
        (["seeds=[1,1]"], "seeds must be a number above 0"),
        (["seeds=[0,-1]"], "seeds must be a number above 0"),
        (["seeds=null"], "seeds must be a number above 0"),
        (["dtype=float16"], "dtype must be one of float32, float64"),
        (["threads=0"], "threads must be at least 1"),
        (["~solver"], "solver must be given"),
        (["~dataset"], "dataset must be given"),
        (["solver=null"], "Config group override must be a string"),
        (["solver"], "settings are given as key=value"),
        (["solver=mu,wnnf"], "-m"),
        (["--config-dir", "nowhere"], "nowhere"),
    ],
)
def test_misspelt_name_or_wrong_value_is_refused_by_name_before_a_fit(
    arguments, message, tmp_path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("nmfbench.running.measuring.fit", lambda *a, **k: pytest.fail("a fit was started"))
    assert run(tmp_path, "solver=raw" if "solver=" not in " ".join(arguments) else "seeds=1", *arguments) == 2 or (
        pytest.fail(capsys.readouterr().err)
    )
    err = capsys.readouterr().err
    assert message in err and err.startswith("nmfbench: ") and "Traceback" not in err
    assert not records(tmp_path)


def test_mistake_in_the_last_job_of_a_sweep_stops_the_first(tmp_path, capsys) -> None:
    assert run(tmp_path, "-m", *SYNTHETIC, "solver=mu", "rank=2,3,0", "seeds=1", *SHORT) == 2
    assert "rank must be at least 1, got 0" in capsys.readouterr().err
    assert not records(tmp_path)


def test_restart_that_diverges_keeps_its_last_finite_state(tmp_path, configs, capsys) -> None:
    call = [*configs, *SYNTHETIC, "seeds=3", "evaluator.n_init=1"]
    assert run(tmp_path, *call, "solver.diverges=1") == 0
    assert "1 diverged, 2 max_iter" in (printed := capsys.readouterr().out) and "nan" not in printed.lower()
    assert run(tmp_path, *call) == 0
    troubled, sound = {}, {}
    for record in records(tmp_path):
        (troubled if record["config"]["solver"]["diverges"] == 1 else sound)[record["seed"]] = record
    bad = troubled[1]
    assert (bad["status"], bad["iterations"], len(bad["history"])) == ("diverged", 1, 2)
    assert bad["error"] == "not finite at iteration 2; its state at iteration 1 is kept"
    assert bad["objective"] == sound[1]["history"][1][1]
    for seed in (0, 2):
        assert troubled[seed]["metrics"] == sound[seed]["metrics"] and troubled[seed]["status"] == "max_iter"


def test_cuda_that_is_not_there_is_refused_at_the_start(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for device in ("cuda", "cuda:1"):
        assert run(tmp_path, *SYNTHETIC, "solver=mu", f"device={device}") == 2
        assert f"device={device}" in (output := capsys.readouterr().err) and "device=cpu" in output
    assert run(tmp_path, *SYNTHETIC, "solver=mu", "device=tpu") == 2
    assert not records(tmp_path)


BROKEN = {
    "empty": ("", "empty file"),
    "truncated": ('{"schema": 1, "conf', "not JSON"),
    "foreign": ('{"name": "package", "version": 3}', "not a record of nmfbench"),
    "a list": ("[1, 2]", "not a record of nmfbench"),
    "another encoding": ("\udcff", "not JSON"),
    "of the future": ('{"schema": 99}', "schema 99, this version reads 1"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_record_is_named_and_not_counted_and_run_again(case, tmp_path, capsys) -> None:
    call = [*SYNTHETIC, "solver=mu", "seeds=2", *SHORT]
    assert run(tmp_path, *call) == 0
    path, whole = sorted((tmp_path / "results").glob("runs/*/*/*.json"))
    text, reason = BROKEN[case]
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    capsys.readouterr()
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    printed = capsys.readouterr()
    assert f"not counted: {path}: {reason}" in printed.err and "1 max_iter" in printed.out
    assert main(["status", "--results", str(tmp_path / "results")]) == 0
    assert f"not counted: {path}: {reason}" in (output := capsys.readouterr().out) and "1 unreadable" in output
    before = whole.read_bytes()
    assert run(tmp_path, *call) == 0
    assert "already done: 1, to run: 1" in capsys.readouterr().err
    assert len(records(tmp_path)) == 2 and whole.read_bytes() == before
    assert json.loads(path.read_text())["status"] == "max_iter"


@pytest.mark.parametrize(
    "override",
    [
        "solver._target_=os.system",
        "solver._target_=nmfbench.solvers.base.Solver",
        "solver._target_=nmfbench.evaluators.clustering.Clustering",
        "solver._target_=system",
        "solver._target_=nowhere.at.All",
        "solver.init={_target_:os.system}",
        "~solver._target_",
    ],
)
def test_target_that_is_no_solver_is_refused_before_it_is_called(override, tmp_path, capsys, monkeypatch) -> None:
    called: list[object] = []
    monkeypatch.setattr(os, "system", lambda *a: called.append(a))
    assert run(tmp_path, *SYNTHETIC, "solver=mu", override) == 2
    assert "_target_" in (output := capsys.readouterr().err) and "Traceback" not in output
    assert not called and not records(tmp_path)


@pytest.mark.parametrize("group", ["dataset", "evaluator"])
def test_target_that_is_no_dataset_or_evaluator_is_refused(group, tmp_path, capsys) -> None:
    assert run(tmp_path, "dataset=synthetic", "solver=raw", f"{group}._target_=os.system") == 2
    assert f"{group}._target_" in capsys.readouterr().err
    assert not records(tmp_path)


RUN_AND_TABLE = """
import os, sys
from nmfbench.cli import main
code = main(sys.argv[1:])
sys.stdout.flush()
read, write = os.pipe()
os.dup2(write, 1), os.close(write), os.close(read)  # who reads the table has gone
sys.exit(code or main(["table", "--format", "csv"]))
"""


def test_plain_terminal_closed_pipe_and_missing_home_are_no_errors(tmp_path) -> None:
    folder = tmp_path / "a folder, with spaces"
    folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "LANG": "C", "PYTHONIOENCODING": "ascii", "NO_COLOR": "1"}
    environment |= {"HOME": "/proc/nohome", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", RUN_AND_TABLE, "run", "solver=raw", *SYNTHETIC, "seeds=1", *SHORT]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "raw" in done.stdout, "the table of the run"
    assert "\x1b" not in done.stdout + done.stderr and "Traceback" not in done.stderr and "Broken" not in done.stderr
    assert len(list((folder / "results" / "local" / "runs").glob("*/*/*.json"))) == 1


@pytest.mark.parametrize("inside", [{"config": {"solver": "mu"}}, {"metrics": [3]}, {"metrics": [{"nmi": 1}]}])
def test_record_that_is_foreign_inside_is_named_and_not_counted(inside: dict, tmp_path, capsys) -> None:
    assert run(tmp_path, *SYNTHETIC, "solver=mu", "rank=2", "seeds=2", *SHORT) == 0
    foreign = sorted((tmp_path / "results/runs").rglob("*.json"))[0]
    foreign.write_text(json.dumps(json.loads(foreign.read_text()) | inside))
    capsys.readouterr()
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    output = capsys.readouterr()
    assert foreign.name in output.err and "1 max_iter" in output.out
