"""Bad input and faults, through the command line: exit codes, what a message says, and that nothing was recorded."""

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

from nmfbench import records as nmfbench_records
from nmfbench.cli import main
from nmfbench.numerics.factorization import Factorization, Product
from nmfbench.numerics.problem import Problem
from nmfbench.numerics.rng import Streams
from nmfbench.records import Store
from nmfbench.solvers.base import Solver, Stopping

ROOT = Path(__file__).resolve().parents[1]
SHORT = ["threads=1", "evaluator.n_init=1", "stopping.max_iter=3"]
SYNTHETIC = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]


@dataclass(frozen=True, kw_only=True)
class Troubled(Solver):
    """min ½‖X − WH‖², except where a seed raises, turns NaN or is interrupted."""

    stopping: ClassVar[Stopping] = Stopping(max_iter=5, check_every=1)
    rank: int = 2
    raises: int = -1
    diverges: int = -1
    interrupted: int = -1

    def iterates(self, problem: Problem, rng: Streams) -> Iterator[Factorization]:
        m, n = problem.X.shape
        W, H = rng.uniform("W", (m, self.rank), problem.X), rng.uniform("H", (self.rank, n), problem.X)
        if self.raises in rng.seeds:
            raise ArithmeticError("no luck with this seed")
        if self.interrupted in rng.seeds:
            raise KeyboardInterrupt
        for i in range(10):
            yield Product(W, H)
            H = H * 0.9
            if i == 1 and self.diverges in rng.seeds:
                H[rng.seeds.index(self.diverges)] = torch.nan

    def objective(self, problem: Problem, factorization: Factorization) -> torch.Tensor:
        return (problem.X - factorization.reconstruct()).square().sum((-2, -1)) / 2


@pytest.fixture
def configs(tmp_path: Path) -> list[str]:
    """The arguments that make `solver=troubled` known, from a folder of its own."""
    (tmp_path / "my configs" / "solver").mkdir(parents=True)
    yaml = f"_target_: {__name__}.Troubled\nrank: 2\nraises: -1\ndiverges: -1\ninterrupted: -1\n"
    (tmp_path / "my configs" / "solver" / "troubled.yaml").write_text(yaml)
    return ["--config-dir", str(tmp_path / "my configs"), "solver=troubled"]


def run(tmp_path: Path, *arguments: str) -> int:
    return main(["run", f"results_dir='{tmp_path / 'results'}'", "threads=1", *arguments])


def records(tmp_path: Path) -> list[dict]:
    found, unreadable = Store(tmp_path / "results").load()
    assert not unreadable
    return found


def csv(path: Path, X: np.ndarray, y: list | None = None) -> list[str]:
    """The arguments that make a dataset of samples in rows."""
    table = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    if y is not None:
        table["label"] = y
    table.to_csv(path, index=False)
    return ["dataset=file", f"dataset.path='{path}'", *(["dataset.y=label"] if y is not None else [])]


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1, (12, 5))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused_with_their_place(bad, samples, tmp_path, capsys) -> None:
    samples[7, 2] = samples[9, 4] = bad
    data = csv(tmp_path / "mine.csv", samples)
    assert run(tmp_path, *data, "solver=mu", "rank=2") == 3
    output = capsys.readouterr().err
    assert "mine" in output and "2 " in output and "feature 2, sample 7" in output and "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_negative_entries_are_refused_alone_and_left_out_of_a_sweep(samples, tmp_path, capsys) -> None:
    samples[0, 0] = -3
    data = [*csv(tmp_path / "mine.csv", samples, ["a", "b"] * 6), "dataset.scaling=none", "seeds=1", *SHORT]
    assert run(tmp_path, *data, "solver=mu") == 2
    output = capsys.readouterr().err
    assert "X ≥ 0" in output and "-3" in output and "min_max" in output
    assert not records(tmp_path)
    assert run(tmp_path, "-m", *data, "solver=mu,wnnf,raw") == 0
    assert "left out: mu on mine" in capsys.readouterr().err
    assert {record["solver"] for record in records(tmp_path)} == {"wnnf", "raw"}


DEGENERATE = {
    "a zero row and a zero column": lambda X: X * (np.arange(5) != 1) * (np.arange(12) != 4)[:, None],
    "one sample": lambda X: X[:1],
    "all zero": lambda X: X * 0,
    "constant": lambda X: X * 0 + 2,
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("labelled", [True, False])
def test_degenerate_data_gives_finite_numbers_and_no_failure(case, labelled, samples, tmp_path, capsys) -> None:
    X = DEGENERATE[case](samples)
    data = csv(tmp_path / "mine.csv", X, (["a", "b"] * 6)[: len(X)] if labelled else None)
    assert run(tmp_path, "-m", *data, "solver=mu,wnnf,raw", "rank=1", "seeds=2", *SHORT) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed.lower() and "inf " not in printed
    for record in records(tmp_path):
        assert record["status"] in ("max_iter", "converged")
        assert all(np.isfinite(row["value"]) for row in record["metrics"])
        assert any(row["metric"] == "nmi" for row in record["metrics"]) == labelled


@pytest.mark.parametrize("rank", ["0", "-1", "1.5", "many", "99999999999999999999"])
def test_rank_that_is_no_positive_integer_is_refused(rank, tmp_path, capsys) -> None:
    assert run(tmp_path, *SYNTHETIC, "solver=mu", f"rank={rank}") == 2
    output = capsys.readouterr().err
    assert "rank" in output and rank in output and "Traceback" not in output
    assert not records(tmp_path)


def test_rank_above_the_sides_of_X_is_refused_by_methods_that_cannot_reach_it_alone(tmp_path, capsys) -> None:
    big = [*SYNTHETIC, "rank=9", "seeds=1", *SHORT]
    assert run(tmp_path, *big, "solver=mu") == 0
    assert run(tmp_path, *big, "solver=pca") == 2
    assert "at most 8" in capsys.readouterr().err
    assert run(tmp_path, *big, "solver=mu", "solver.init=nndsvd") == 2
    assert "nndsvd starts reach rank 8" in (output := capsys.readouterr().err) and "init=uniform" in output
    assert [r["solver"] for r in records(tmp_path) if r["status"] != "failed"] == ["mu"]


def test_fewer_samples_than_clusters_is_refused_and_one_class_is_scored(samples, tmp_path, capsys) -> None:
    data = csv(tmp_path / "mine.csv", samples, ["a"] * len(samples))
    assert run(tmp_path, *data, "solver=mu", "seeds=1", *SHORT, "evaluator.n_clusters=[13]") == 2
    assert "n_clusters has 13, but there are 12 samples" in capsys.readouterr().err and not records(tmp_path)
    assert run(tmp_path, *data, "solver=mu", "seeds=1", *SHORT, "evaluator.n_clusters=[1,3,12]") == 0
    (record,) = records(tmp_path)
    scores = [row["value"] for row in record["metrics"] if row["metric"].startswith("nmi")]
    assert len(scores) == 3 * 4 and all(0 <= score <= 1 for score in scores)


def test_missing_data_stops_a_single_run_and_is_left_out_of_a_sweep(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "empty"))
    for name in ("ar", "imagenet_cnn"):
        assert run(tmp_path, f"dataset={name}", "solver=raw", "rank=2") == 3
        assert f"nmfbench data fetch {name}" in capsys.readouterr().err
    assert not records(tmp_path)
    several = ["-m", "dataset=ar,digits,imagenet_cnn", "solver=raw", "seeds=1", "evaluator.n_init=1"]
    assert run(tmp_path, *several) == 0
    output = capsys.readouterr().err
    assert "left out: raw on ar" in output and "left out: raw on imagenet_cnn" in output
    assert [record["dataset"] for record in records(tmp_path)] == ["digits"]
    assert run(tmp_path, "-m", "dataset=ar,imagenet_cnn", "solver=raw") == 3


def test_without_labels_the_fit_runs_and_the_table_shows_its_objective(samples, tmp_path, capsys) -> None:
    data = csv(tmp_path / "mine.csv", samples)
    assert run(tmp_path, *data, "solver=mu", "seeds=2", *SHORT) == 2
    assert "rank must be given" in capsys.readouterr().err
    assert run(tmp_path, *data, "solver=mu", "rank=2", "seeds=2", *SHORT) == 0
    capsys.readouterr()
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    header, _, row = capsys.readouterr().out.splitlines()[2:5]
    shown = dict(zip(header.split(), row.split(), strict=False))
    (first, second) = records(tmp_path)
    assert "nmi" not in shown, "a column that is empty says nothing"
    assert float(shown["objective"]) == pytest.approx((first["objective"] + second["objective"]) / 2, rel=1e-4)


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


SLEEPER = """
import os, sys, time
from dataclasses import dataclass
from typing import ClassVar
from nmfbench.numerics.factorization import Product
from nmfbench.solvers.base import Solver, Stopping

@dataclass(frozen=True, kw_only=True)
class Sleeper(Solver):
    stopping: ClassVar[Stopping] = Stopping(max_iter=2, check_every=1)
    rank: int = 2
    sleeps: float = 0.0

    def iterates(self, problem, rng):
        W = rng.uniform("W", (problem.X.shape[0], self.rank), problem.X)
        H = rng.uniform("H", (self.rank, problem.X.shape[1]), problem.X)
        yield Product(W, H)
        if self.sleeps and "NMFBENCH_TEST_FAST" not in os.environ:
            print("asleep", file=sys.stderr, flush=True)
            time.sleep(60)
        yield Product(W, H)

    def objective(self, problem, factorization):
        return (problem.X - factorization.reconstruct()).square().sum((-2, -1))
"""


SWEEP = ["run", "-m", "--config-dir", "theirs", "solver=sleeper", "solver.sleeps=0.0,1.0"]
SWEEP += [*SYNTHETIC, "seeds=2", "threads=1", "evaluator.n_init=1", "results_dir=results"]


def start(tmp_path: Path) -> subprocess.Popen[str]:
    """Start a sweep over two jobs; the second one sleeps."""
    folder = tmp_path / "theirs"
    (folder / "solver").mkdir(parents=True)
    (folder / "sleeper.py").write_text(SLEEPER)
    (folder / "solver" / "sleeper.yaml").write_text("_target_: sleeper.Sleeper\nrank: 2\nsleeps: 0.0\n")
    command = [sys.executable, "-m", "nmfbench", *SWEEP]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    # A shell's background job ignores Ctrl-C, and so would what the tests start there.
    return subprocess.Popen(
        command,
        cwd=tmp_path,
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def until_asleep(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.strip() == "asleep":
            return
    pytest.fail("the sweep ended without its second job")


def sleeps(tmp_path: Path) -> list[float]:
    return [record["config"]["solver"]["sleeps"] for record in records(tmp_path)]


def test_killed_sweep_keeps_what_is_finished_and_the_next_call_runs_the_rest(tmp_path, monkeypatch, capsys) -> None:
    with start(tmp_path) as process:
        until_asleep(process)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert sleeps(tmp_path) == [0.0, 0.0]
    # The same command, in this process, with a second job that does not sleep.
    monkeypatch.setenv("NMFBENCH_TEST_FAST", "1")
    monkeypatch.syspath_prepend(tmp_path / "theirs")
    monkeypatch.chdir(tmp_path)
    assert main(SWEEP) == 0
    output = capsys.readouterr().err
    assert "already done: 2, to run: 2" in output and "[2/2]" not in output
    assert sorted(sleeps(tmp_path)) == [0.0, 0.0, 1.0, 1.0]


def test_ctrl_c_ends_a_real_sweep_within_seconds_with_130(tmp_path) -> None:
    with start(tmp_path) as process:
        until_asleep(process)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, output = process.communicate()
    assert process.returncode == 130 and time.monotonic() - begin < 10
    assert "interrupted: 2 runs to go" in output and "Traceback" not in output
    assert sleeps(tmp_path) == [0.0, 0.0]


def test_interrupted_sweep_keeps_finished_records_and_shows_their_table(tmp_path, configs, capsys) -> None:
    sweep = ["-m", *configs, *SYNTHETIC, "solver.interrupted=-1,0", "seeds=2", "evaluator.n_init=1"]
    assert run(tmp_path, *sweep) == 130
    printed = capsys.readouterr()
    assert "interrupted: 2 runs to go; the same command goes on" in printed.err
    assert "troubled" in printed.out and "2 max_iter" in printed.out
    assert len(records(tmp_path)) == 2


def test_process_that_dies_in_mid_write_leaves_the_old_file_whole(tmp_path) -> None:
    path = tmp_path / "runs" / "a.json"
    path.parent.mkdir()
    path.write_text("old")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: this one only writes a file
        process = os.fork()
    if process == 0:
        try:
            nmfbench_records.os.replace = lambda *_: os._exit(9)
            nmfbench_records.write_text(path, "new")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    assert path.read_text() == "old"
    (stray,) = path.parent.glob(".*.tmp")
    Store(tmp_path).ensure_writable()
    assert not stray.exists(), "the temporary file of a dead process is cleaned"


def test_only_temporary_files_of_dead_processes_of_this_machine_are_cleaned(tmp_path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host = nmfbench_records.socket.gethostname()
    assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 0
    (folder,) = (tmp_path / "results" / "runs").glob("*/*")
    names = {
        f".a.{dead.pid}@{host}.tmp": False,
        f".b.{os.getpid()}@{host}.tmp": True,
        f".c.{dead.pid}@{host}.elsewhere.tmp": True,
        ".d.tmp": True,
    }
    for name in names:
        (folder / name).write_text("{")
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    assert len(records(tmp_path)) == 1
    assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 0
    assert {name: (folder / name).exists() for name in names} == names


def test_failed_write_leaves_no_file_and_counts_as_failed(tmp_path, capsys, monkeypatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nmfbench.records.os.replace", full)
        store = Store(tmp_path / "results")
        with pytest.raises(OSError, match="No space"):
            nmfbench_records.write_text(store.runs / "a.json", "text")
        assert not list(store.runs.iterdir())
        patch.setattr("nmfbench.app.write_text", lambda *a: None)
        assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert not records(tmp_path)
    assert run(tmp_path, *SYNTHETIC, "solver=raw", "seeds=1", *SHORT) == 0


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


@pytest.mark.parametrize("kind", ["int64", "uint8", "float16"])
def test_real_numbers_of_every_kind_give_the_same_metrics(kind, samples, tmp_path) -> None:
    X = (samples * 9).astype(kind)
    for name, array in {"given": X, "plain": X.astype(float)}.items():
        np.savez(tmp_path / f"{name}.npz", X=array, y=np.arange(12) % 2)
        path = f"dataset.path='{tmp_path / f'{name}.npz'}'"
        assert run(tmp_path, "dataset=file", path, "dataset.y=y", "solver=mu", "seeds=1", *SHORT) == 0
    given, plain = records(tmp_path)
    assert given["metrics"] == plain["metrics"] and {given["dataset"], plain["dataset"]} == {"given", "plain"}


@pytest.mark.parametrize("kind", ["complex128", "object"])
def test_what_is_no_real_number_is_refused(kind, samples, tmp_path, capsys) -> None:
    np.savez(tmp_path / "mine.npz", X=samples.astype(kind))
    assert run(tmp_path, "dataset=file", f"dataset.path='{tmp_path / 'mine.npz'}'", "solver=mu", "rank=2") == 3
    assert "mine" in (output := capsys.readouterr().err) and "Traceback" not in output
    assert not records(tmp_path)


@pytest.mark.parametrize("beta", [1, 2])
@pytest.mark.parametrize("scale", [1e38, 1e30, 1e-38])
def test_overflow_never_shows_as_a_number(scale, beta, samples, tmp_path, capsys) -> None:
    data = [*csv(tmp_path / "mine.csv", samples * scale, ["a", "b"] * 6), "dataset.scaling=none"]
    assert run(tmp_path, *data, "solver=mu", f"solver.beta={beta}", "rank=2", "seeds=1", *SHORT) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed.lower() and "inf " not in printed
    (record,) = records(tmp_path)
    assert record["status"] in ("max_iter", "converged") or "not finite at iteration" in record["error"]


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
