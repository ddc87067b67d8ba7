"""`run --dry-run` describes a sweep and its cost, and runs nothing."""

import json
from pathlib import Path

import pytest
from shell import run
from troubled import SYNTHETIC

from nmfbench import progress
from nmfbench.running import estimates, measuring
from nmfbench.running.composing import requests
from nmfbench.running.planning import plan

SWEEP = ["-m", *SYNTHETIC, "solver=mu,hals", "rank=2,3", "evaluator.n_init=1", "stopping.max_iter=3"]


def rows(text: str) -> list[list[str]]:
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("solver"))
    return [line.split() for line in lines[start + 2 :] if line.split()[0] in ("mu", "hals")]


def rewrite(path: Path, **values: object) -> None:
    """Replace values of a record, and leave out the time of its score."""
    record = json.loads(path.read_text()) | values | {"evaluation_seconds": 0.0}
    path.unlink()  # so that the folder's time changes, as it does when a record is made
    path.write_text(json.dumps(record))


def test_dry_run_counts_what_would_run_and_runs_nothing(tmp_path: Path, capsys, monkeypatch) -> None:
    assert run(tmp_path, *SWEEP, "seeds=2") == 0
    capsys.readouterr()
    monkeypatch.setattr(measuring, "fit", lambda *a, **k: pytest.fail("a fit was started"))
    assert run(tmp_path, "--dry-run", *SWEEP, "seeds=5") == 0
    printed = capsys.readouterr().out
    assert [row[:5] for row in rows(printed)] == [[s, "synthetic", "2", "6", "4"] for s in ("mu", "hals")]
    assert "without records" not in printed and "2 records" in printed
    assert (
        "data: synthetic: 20 samples × 8 features, 2 classes" in printed and "it would run in this process" in printed
    )
    assert len(list(tmp_path.glob("runs/*/*/*.json"))) == 8


def test_dry_run_of_what_is_done_says_so(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, *SWEEP, "seeds=1") == 0
    capsys.readouterr()
    assert run(tmp_path, *SWEEP, "seeds=1", "--dry-run") == 0
    printed = capsys.readouterr().out
    assert printed.rstrip().endswith("nothing would run") and [row[3:] for row in rows(printed)] == [["0", "2"]] * 2


def test_dry_run_of_a_new_method_says_that_its_time_is_a_guess(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, *SWEEP, "seeds=1", "--dry-run", "launcher=dask", "jobs=2") == 0
    printed = capsys.readouterr().out
    assert "without records, the time is that of a plain method" in printed
    assert "it would run in 2 dask workers of this machine" in printed
    assert not list(tmp_path.glob("runs/*/*"))


def test_dry_run_names_what_is_left_out(tmp_path: Path, capsys) -> None:
    call = ["-m", "--dry-run", *SYNTHETIC, "solver=mu,wnnf_deconv", "rank=2"]
    assert run(tmp_path, *call) == 0
    assert "left out: wnnf_deconv on synthetic: wnnf_deconv needs grey images" in capsys.readouterr().err


def test_estimate_grows_with_the_size_of_the_work_and_stops_at_the_time_limit(tmp_path: Path) -> None:
    def seconds(*words: str) -> float:
        (request,) = requests([*SYNTHETIC, "solver=mu", "rank=2", f"results_dir='{tmp_path}'", *words])
        (job,) = plan(request).jobs
        return estimates.of(job).seconds

    short, long = (seconds(f"stopping.max_iter={n}") for n in (1000, 100_000))
    assert long > 20 * short
    assert seconds("stopping.max_iter=100000", "stopping.max_seconds=0.5") < 1 < long
    assert seconds("rank=4", "stopping.max_iter=100000") > long


def test_estimate_from_records_is_close_to_what_they_took(tmp_path: Path) -> None:
    words = ["dataset=digits", "solver=mu", "rank=10", "stopping.max_iter=200", "seeds=2", "evaluator.n_init=2"]
    assert run(tmp_path, *words, "jobs=1") == 0
    (job,) = plan(requests([*words, "rank=20", f"results_dir='{tmp_path}'"])[0]).jobs
    (made,) = plan(requests([*words, f"results_dir='{tmp_path}'"])[0]).jobs
    took = [record["seconds"] + record["evaluation_seconds"] for record in made.done()]
    estimate = estimates.of(job)
    assert estimate.records == 2 and min(took) < estimate.seconds < 4 * max(took)  # twice the rank


def test_estimate_counts_the_start_once_and_not_in_every_iteration(tmp_path: Path) -> None:
    words = [*SYNTHETIC, "solver=mu", "rank=2", "seeds=1"]
    assert run(tmp_path, *words, "stopping.max_iter=2") == 0
    (path,) = tmp_path.glob("runs/*/*/*.json")
    rewrite(path, seconds=9.5, history=[[0, 1.0, 9.0], [2, 1.0, 9.5]])
    (job,) = plan(requests([*words, "stopping.max_iter=100", f"results_dir='{tmp_path}'"])[0]).jobs
    assert estimates.of(job).seconds == pytest.approx(9 + 100 * 0.25)


def test_estimate_comes_from_the_runs_nearest_in_size(tmp_path: Path) -> None:
    words = [*SYNTHETIC, "solver=mu", "seeds=1", "stopping.max_iter=2"]
    for rank, seconds in ((1, 50.0), (5, 1.0), (6, 1.2)):
        assert run(tmp_path, *words, f"rank={rank}") == 0
        newest = max(tmp_path.glob("runs/*/*/*.json"), key=lambda path: path.stat().st_mtime_ns)
        rewrite(newest, seconds=seconds, history=[[0, 1.0, 0.0]])
    (job,) = plan(requests([*words, "rank=7", f"results_dir='{tmp_path}'"])[0]).jobs
    assert estimates.of(job).seconds == pytest.approx(1.2 * 7 / 6)


def test_time_left_follows_what_the_runs_of_each_method_took(capsys, monkeypatch) -> None:
    clock = iter([0.0, 10.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))

    def records(solver: str, seconds: float) -> list[dict[str, object]]:
        return [{"solver": solver, "status": "converged", "seconds": seconds}]

    with progress.Overall(6, {"mu": 2.0, "pca": 1000.0}) as overall:
        overall.done(
            "pca on digits", records("pca", 10.0), 500.0
        )  # 50 times as fast as expected: 10 s left, and 2 of mu
        overall.done("mu on digits", records("mu", 10.0), 1.0)  # 10 times as slow: 10 s of each left
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(", about ")[1] for line in lines] == ["12 s left", "20 s left"]
