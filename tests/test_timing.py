"""``timing=true``: records for each device and number of threads."""

from pathlib import Path

import pytest
import torch
from troubled import SYNTHETIC, records

from nmfbench.cli import main
from nmfbench.reports.report import build
from nmfbench.running import launching
from nmfbench.running.composing import requests
from nmfbench.running.planning import plan

SWEEP = ["-m", *SYNTHETIC, "solver=mu,hals", "rank=2", "seeds=2", "evaluator.n_init=1", "stopping.max_iter=3"]


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("timed") / "results"
    assert main(["run", *SWEEP, "threads=1,2", "timing=true", f"results_dir='{folder}'"]) == 0
    torch.set_num_threads(1)
    return folder


def test_each_number_of_threads_has_its_records_and_its_row(timed: Path) -> None:
    made = records(timed.parent)
    assert len(made) == 8
    for record in made:
        assert record["config"]["timing"] == {"device": "cpu", "threads": record["environment"]["threads"]}
    table = build(made).frame
    rows = [(r.solver, r.variant[-21:], r.n) for r in table[table["metric"] == "error"].itertuples()]
    assert rows == [(solver, f"device=cpu, threads={n}", 2) for solver in ("hals", "mu") for n in (1, 2)]


def test_nothing_is_timed_twice_and_untimed_runs_take_no_timed_record(timed: Path, tmp_path: Path, capsys) -> None:
    again = ["run", *SWEEP, "timing=true", f"results_dir='{timed}'"]
    for words in (["threads=1,2"], ["threads=2"]):
        assert main([*again, *words]) == 0
        assert "nothing to run" in capsys.readouterr().err
    assert main(["run", *SWEEP, "--dry-run", f"results_dir='{timed}'"]) == 0
    assert "nothing would run" not in capsys.readouterr().out
    assert len(records(timed.parent)) == 8


def test_threads_choose_records_and_name_tables(timed: Path, capsys) -> None:
    assert main(["table", "threads=2", "--format", "csv", "--results", str(timed)]) == 0
    printed = capsys.readouterr().out
    assert "threads=2" in printed and "threads=1" not in printed
    (with_timing,) = requests([*SWEEP, "threads=2", "timing=true"])
    (without,) = requests([*SWEEP, "threads=2"])
    assert set(with_timing.changes) - set(without.changes) == {"threads=2", "timing=true"}


def test_records_are_verified_counted_and_merged(timed: Path, tmp_path: Path, capsys) -> None:
    assert main(["verify", "--sample", "100%", "--results", str(timed)]) == 0
    torch.set_num_threads(1)
    assert "8 fitted again: 8 equal" in capsys.readouterr().out
    assert main(["status", "--results", str(timed)]) == 0
    assert "8 finished" in capsys.readouterr().out
    assert main(["merge", str(timed), f"results_dir={tmp_path / 'merged'}"]) == 0
    assert {path.name for path in (tmp_path / "merged/runs").rglob("*.json")} == {
        path.name for path in (timed / "runs").rglob("*.json")
    }


def test_devices_are_told_apart_and_the_launcher_is_asked_for_the_most(timed: Path) -> None:
    (request,) = requests([*SWEEP, "device=cpu,cuda", "threads=1,3", "timing=true", f"results_dir='{timed}'"])
    jobs = plan(request, will_run=False).jobs  # no GPU is needed to plan
    assert len({str(job.store.path(job.config_of(0), 0)) for job in jobs}) == len(jobs) == 8
    asked = launching.demands(jobs)
    assert (asked.device, asked.threads, launching.workers(jobs)) == ("cuda", 3, 1)


@pytest.mark.parametrize("words", [["threads=1,2"], ["device=cpu,cuda"], ["threads=1,2", "timing=true,false"]])
def test_sweep_over_what_is_not_timed_is_refused_with_the_way_out(words: list[str], capsys) -> None:
    assert main(["run", *SWEEP, *words]) == 2
    assert "timing=true makes it one" in capsys.readouterr().err
