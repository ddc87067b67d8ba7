"""`nmfbench run`: sweeps, what is run again and what is not, tables, and solvers that others bring along."""

import csv
import json
import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from shell import load, run

from nmfbench.cli import main
from nmfbench.running import measuring
from nmfbench.running.composing import requests
from nmfbench.running.planning import plan

ROOT = Path(__file__).resolve().parents[1]
SWEEP = ["-m", "solver=mu,wnnf", "dataset=digits,synthetic", "rank=3,4", "stopping.max_iter=5", "evaluator.n_init=2"]
TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["evaluator.n_init=1", "stopping.max_iter=3"]


def no_fit(*arguments: object, **options: object) -> None:
    pytest.fail("a fit was started")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a sweep") / "my results"
    assert run(folder, *SWEEP, "seeds=2") == 0
    return folder


def test_sweep_makes_one_record_a_config_and_seed(swept: Path) -> None:
    found = {(r["solver"], r["dataset"], r["rank"], r["seed"]) for r in load(swept)}
    assert len(found) == len(load(swept)) == 16
    assert {r["iterations"] for r in load(swept)} == {5}


def test_second_call_runs_nothing_says_so_and_writes_the_same_table(swept: Path, capsys, monkeypatch) -> None:
    files = sorted(swept.glob("tables/*"))
    before = [path.read_bytes() for path in files]
    monkeypatch.setattr(measuring, "fit", no_fit)
    # In another order and with -m last, it is the same sweep.
    assert run(swept, *SWEEP[:0:-1], "seeds=2", "-m") == 0
    assert f"nothing to run; already done: 16, in {swept / 'runs'}" in capsys.readouterr().err
    assert [path.name for path in files] == [
        f"digits+synthetic-mu+wnnf-evaluator.n_init=2-rank=3,4-seeds=2-stopping.max_iter=5.{kind}"
        for kind in ("csv", "md", "tex")
    ]
    again = {path.name: path.read_bytes() for path in swept.glob("tables/*")}
    assert [again[path.name] for path in files] == before


def test_table_shows_each_method_and_rank_as_a_row_and_is_the_same_twice(swept: Path, capsys) -> None:
    for style in ("text", "md", "csv", "latex"):
        printed = []
        for _ in range(2):
            assert main(["table", "--format", style, "--results", str(swept)]) == 0
            printed.append(capsys.readouterr().out)
        assert printed[0] == printed[1] and "nan" not in printed[0].lower()
        if style != "csv":
            assert sum("2 max" in line for line in printed[0].splitlines()) == 8, style
    assert main(["table", "--format", "csv", "--results", str(swept)]) == 0
    rows = [r for r in csv.DictReader(capsys.readouterr().out.splitlines()) if r["metric"] == "nmi"]
    expected = product(("digits", "synthetic"), ("mu", "wnnf"), ("3", "4"))
    assert {(r["dataset"], r["solver"], r["rank"]) for r in rows} == set(expected)
    assert all(r["n"] == "2" and 0 <= float(r["mean"]) <= 100 and r["status"] == "2 max_iter" for r in rows)


def test_another_seed_runs_that_seed_alone(swept: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    asked: list[tuple[int, ...]] = []
    fit = measuring.fit

    def spy(*arguments: object, seeds: list[int], **options: object) -> object:
        asked.append(tuple(seeds))
        return fit(*arguments, seeds=seeds, **options)

    monkeypatch.setattr(measuring, "fit", spy)
    shutil.copytree(swept, tmp_path / "copy")
    assert run(tmp_path / "copy", *SWEEP, "solver=mu", "dataset=synthetic", "rank=3", "seeds=3") == 0
    assert asked == [(2,)]
    assert "already done: 2, to run: 1" in capsys.readouterr().err


def test_variants_of_a_method_are_rows_that_name_what_differs(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "-m", *TINY, "solver=mu", "solver.lam=0.0,0.5", "seeds=1") == 0
    variants = [record["variant"] for record in load(tmp_path)]
    assert sorted(variant.get("solver.lam", 0) for variant in variants) == [0, 0.5]
    assert all(v["stopping.max_iter"] == 3 and v["dataset.n_samples"] == 20 for v in variants)
    assert capsys.readouterr().out.split("\n\n")[1].count("lam=0.5") == 1  # below stand warnings, which name it too


def test_stopping_rule_means_nothing_to_a_direct_method(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, *TINY, "solver=raw", "seeds=1") == 0
    assert run(tmp_path, *TINY, "solver=raw", "seeds=1", "stopping.max_iter=77", "rank=5") == 0
    assert "nothing to run" in capsys.readouterr().err


def test_saved_codes_are_scored_anew_without_a_fit(tmp_path: Path, monkeypatch) -> None:
    call = [*TINY, "solver=mu", "seeds=2"]
    assert run(tmp_path, *call, "save_codes=true") == 0
    assert len(list(tmp_path.glob("runs/*/*/*.npz"))) == 2
    first = {record["seed"]: record for record in load(tmp_path)}
    monkeypatch.setattr(measuring, "fit", no_fit)
    assert run(tmp_path, *call, "evaluator.n_clusters=[3]") == 0
    again = {r["seed"]: r for r in load(tmp_path) if r["config"]["evaluator"]["n_clusters"] == [3]}
    assert again.keys() == first.keys()
    for seed, record in again.items():
        assert {row.get("n_clusters") for row in record["metrics"]} == {None, 3}
        assert record["objective"] == first[seed]["objective"] and record["history"] == first[seed]["history"]
        assert record["metrics"][:2] == first[seed]["metrics"][:2], "what was measured on the factors is kept"
    monkeypatch.undo()
    assert run(tmp_path / "fresh", *call, "evaluator.n_clusters=[3]") == 0
    for record in load(tmp_path / "fresh"):
        assert record["metrics"] == again[record["seed"]]["metrics"]


def test_damaged_codes_are_fitted_anew(tmp_path: Path) -> None:
    call = [*TINY, "solver=mu", "seeds=1"]
    assert run(tmp_path, *call, "save_codes=true") == 0
    (codes,) = tmp_path.glob("runs/*/*/*.npz")
    codes.write_bytes(codes.read_bytes()[:500])
    assert run(tmp_path, *call, "evaluator.n_clusters=[3]") == 0
    assert len(load(tmp_path)) == 2


def test_evaluation_that_raises_fails_that_run_from_saved_codes_too(tmp_path: Path, capsys, monkeypatch) -> None:
    call = [*TINY, "solver=mu", "seeds=1"]
    assert run(tmp_path, *call, "save_codes=true") == 0

    def evaluate(*arguments: object) -> None:
        raise ArithmeticError("no such thing")

    monkeypatch.setattr("nmfbench.evaluators.clustering.Clustering.evaluate", evaluate)
    for change in ("evaluator.n_clusters=[3]", "rank=3"):
        assert run(tmp_path, *call, change) == 1
        assert "ArithmeticError: no such thing" in (output := capsys.readouterr().err) and "Traceback" not in output


def test_solver_of_others_is_found_and_shown_by_the_name_of_its_yaml(tmp_path: Path, capsys) -> None:
    configs = tmp_path / "their configs"
    (configs / "solver").mkdir(parents=True)
    yaml = "_target_: nmfbench.solvers.mu.MultiplicativeNMF\nrank: ${rank}\nlam: 0.25\n"
    (configs / "solver" / "theirs.yaml").write_text(yaml)
    assert run(tmp_path, *TINY, "-m", "solver=theirs,mu", "--config-dir", str(configs), "seeds=1") == 0
    printed = capsys.readouterr().out
    assert "theirs" in printed and "lam=" not in printed, "what their YAML gives is no variant of it"
    assert {record["solver"] for record in load(tmp_path)} == {"theirs", "mu"}
    assert list(tmp_path.glob("runs/synthetic/theirs/*.json"))
    assert run(tmp_path, *TINY, "solver=theris", "--config-dir", str(configs)) == 2
    assert "did you mean theirs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "ranks"),
    [
        (["rank=3"], [6, 3]),
        (["solver.ranks=[5,4,2]"], [5, 4, 2]),
        (["rank=7", "solver.ranks=[5,4,2]"], [5, 4, 2]),
    ],
)
def test_ranks_of_the_layers_are_resolved_in_the_record(given: list[str], ranks: list[int], tmp_path: Path) -> None:
    assert run(tmp_path, "dataset=synthetic", "dataset.n_samples=30", "solver=multilayer", "seeds=1", *given) == 0
    (record,) = load(tmp_path)
    assert record["config"]["solver"]["ranks"] == ranks and record["rank"] == ranks[-1]
    assert {row.get("layer") for row in record["metrics"] if row["metric"] == "nmi"} == set(range(1, len(ranks) + 1))


def test_ranks_do_without_a_rank_where_there_are_no_labels(tmp_path: Path, capsys) -> None:
    X = tmp_path / "mine.csv"
    X.write_text("a,b,c\n" + "1,2,3\n3,4,1\n" * 6)
    data = ["dataset=file", f"dataset.path='{X}'", "solver=multilayer", "seeds=1"]
    assert run(tmp_path, *data) == 2 and "rank must be given" in capsys.readouterr().err
    assert run(tmp_path, *data, "solver.ranks=[2,1]") == 0


def test_method_that_could_use_labels_says_that_it_saw_none(tmp_path: Path, capsys) -> None:
    small = ["dataset=synthetic", "dataset.n_samples=30", "rank=2", "seeds=1", "solver=ssnmf", "stopping.max_iter=3"]
    assert run(tmp_path, *small) == 0
    assert "ssnmf saw no labels: its unsupervised form" in capsys.readouterr().out
    assert run(tmp_path, *small, "label_fraction=0.4") == 0
    assert "saw no labels" not in capsys.readouterr().out


def test_sweep_over_solvers_takes_a_key_that_they_share_and_the_default_has_not(tmp_path: Path) -> None:
    small = ["dataset=synthetic", "dataset.n_samples=30", "rank=2", "seeds=1", "stopping.max_iter=2"]
    assert run(tmp_path, "-m", "solver=nsnmf,dnsnmf", "solver.variant=mu", *small) == 0
    assert {record["config"]["solver"]["variant"] for record in load(tmp_path)} == {"mu"}
    assert run(tmp_path, "-m", "solver=multilayer,hierarchical", "solver.ranks=[3,2]", *small) == 0
    assert run(tmp_path, "-m", "solver=nsnmf,dnsnmf", "solver.varian=mu", *small) == 2


def test_solver_that_cannot_take_a_dataset_has_an_empty_row_in_a_sweep(tmp_path: Path, capsys) -> None:
    sweep = ["-m", "solver=raw,wnnf_deconv", "dataset=synthetic", "dataset.n_samples=30", "seeds=1"]
    assert run(tmp_path, *sweep) == 0
    printed = capsys.readouterr()
    (row,) = [line for line in printed.out.splitlines() if line.startswith("wnnf_deconv")]
    assert row.endswith("not applicable") and row.count("–") >= 3
    assert "left out: wnnf_deconv on synthetic: wnnf_deconv needs grey images" in printed.err


def test_stability_compares_every_other_seed_with_seed_0(tmp_path: Path) -> None:
    assert run(tmp_path, *TINY, "solver=mu", "seeds=3", "rank=2") == 0
    found = [row["value"] for record in load(tmp_path) for row in record["metrics"] if row["metric"] == "stability"]
    assert len(found) == 2 and all(0 < value <= 1 for value in found), "seed 0 is what the others are compared with"
    assert run(tmp_path / "alone", *TINY, "solver=mu", "seeds=1", "rank=2") == 0
    assert not [row for record in load(tmp_path / "alone") for row in record["metrics"] if row["metric"] == "stability"]


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
@pytest.mark.parametrize("place", [0, 1, 8])
def test_flag_of_a_sweep_may_stand_anywhere(flag: str, place: int, tmp_path: Path) -> None:
    arguments = [*TINY, "solver=mu,raw", "seeds=1"]
    arguments.insert(place, flag)
    assert run(tmp_path, *arguments) == 0
    assert len(load(tmp_path)) == 2


def test_same_call_gives_the_same_metrics_in_another_folder_and_order(tmp_path: Path) -> None:
    calls = {"a": ["-m", "solver=mu,wnnf", "seeds=2"], "b": ["-m", "solver=wnnf,mu", "seeds=[1,0]"]}
    found = []
    for folder, call in calls.items():
        assert run(tmp_path / folder, *TINY, *call) == 0
        found.append({(r["solver"], r["seed"]): r["metrics"] for r in load(tmp_path / folder)})
    assert found[0].keys() == found[1].keys()
    for key, metrics in found[0].items():
        for one, other in zip(metrics, found[1][key], strict=True):
            assert one["value"] == pytest.approx(other["value"], rel=1e-5, abs=1e-7), (key, one["metric"])


def test_relative_folder_is_below_the_place_where_one_stands(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *TINY, "solver=raw", "seeds=1", "results_dir=here/results"]) == 0
    assert len(load(tmp_path / "here" / "results")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["here"], "nothing is left beside it"


def test_sweep_in_a_process_of_its_own_from_another_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "nmfbench", "run", *TINY, "solver=mu", "seeds=1", "threads=1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (there,) = load(tmp_path / "results" / "local")
    assert run(tmp_path / "b", *TINY, "solver=mu", "seeds=1") == 0
    (here,) = load(tmp_path / "b")
    assert json.dumps(there["metrics"]) == json.dumps(here["metrics"])


def test_callers_arguments_and_environment_are_as_before(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    before = list(sys.argv)
    assert run(tmp_path, "solver=wnf") == 2
    assert sys.argv == before and os.environ["HYDRA_FULL_ERROR"] == "0"


def test_plan_reads_each_dataset_once_and_keeps_equal_jobs_once(tmp_path: Path) -> None:
    arguments = ["-m", *TINY, "solver=mu,raw", "rank=2,3", "seeds=1", f"results_dir='{tmp_path}'"]
    (request,) = requests(arguments)
    planned = plan(request)
    names = [job.config["solver"]["name"] for job in planned.jobs]
    assert names == ["mu", "mu", "raw"] and not planned.left_out


def test_missing_data_is_left_out_of_a_sweep_and_named(tmp_path: Path, capsys) -> None:
    X = tmp_path / "mine.csv"
    X.write_text("a,b\n" + "1,2\n3,4\n" * 6)
    data = ["dataset=file", "-m", f"dataset.path='{X}','{tmp_path / 'gone.csv'}'"]
    assert run(tmp_path, *data, "solver=mu", "rank=1", "seeds=1") == 0
    assert "left out: mu on file: there is no file" in (output := capsys.readouterr().err) and "gone.csv" in output
    assert run(tmp_path, "dataset=file", f"dataset.path='{tmp_path / 'gone.csv'}'", "solver=mu", "rank=1") == 3
    assert "gone.csv" in capsys.readouterr().err


def test_plain_keys_of_a_sweep_are_set_on_each_combination_alone() -> None:
    (request,) = requests(["-m", "solver=mu,gnmf", "dataset=orl", "rank=2,3", "stopping.max_iter=7", "seeds=[5,6]"])
    found = request.composed
    got = [
        (one.choices["solver"], one.config.rank, one.config.stopping.max_iter, list(one.config.seeds)) for one in found
    ]
    assert got == [(s, r, 7, [5, 6]) for s, r in product(("mu", "gnmf"), (2, 3))]
    assert [one.config.solver.rank for one in found] == [2, 3, 2, 3], "what refers to a key sees its own"
