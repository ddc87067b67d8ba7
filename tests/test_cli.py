"""The command line beside `run`: list, status, table, data, help; and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nmfbench import config, datasets
from nmfbench.cli import main
from nmfbench.errors import DataError

ROOT = Path(__file__).resolve().parents[1]
TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["evaluator.n_init=1", "stopping.max_iter=3", "threads=1"]


def test_help_and_list_import_neither_torch_nor_hydra() -> None:
    script = """
import sys
from nmfbench.cli import main
for arguments in (["--help"], ["list", "solvers"], ["table", "--help"], ["nonsense"]):
    try:
        main(arguments)
    except SystemExit:
        pass
heavy = {"torch", "hydra", "omegaconf", "pandas", "sklearn", "numpy"} & set(sys.modules)
sys.exit(f"imported: {heavy}" if heavy else 0)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("arguments", [[], ["nonsense"], ["list"], ["list", "nonsense"], ["table", "--format", "pdf"]])
def test_wrong_use_exits_with_2_and_shows_the_usage(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and "usage: nmfbench" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["solvers", "datasets", "evaluators", "experiments"])
def test_list_gives_every_yaml_with_its_first_line_or_plainly(what: str, capsys) -> None:
    names = sorted(path.stem for path in (config.CONFIG_DIR / what.rstrip("s")).glob("*.yaml"))
    assert main(["list", what, "--plain"]) == 0
    assert capsys.readouterr().out.split("\n") == [*names, ""]
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == names
    assert all(len(line.split()) > 3 and "@package" not in line for line in lines)


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_run_help_names_groups_settings_and_examples(flag: str, capsys) -> None:
    assert main(["run", flag]) == 0
    output = capsys.readouterr().out
    assert (
        "solver: " in output
        and "mu, " in output
        and "results_dir: results/local" in output
        and "nmfbench run solver=wnnf dataset=orl" in output
    )


def test_run_cfg_job_shows_the_configuration_and_runs_nothing(capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "--cfg", "job", "solver=mu"]) == 0
    assert "nmfbench.solvers.mu.MultiplicativeNMF" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_table_and_status_without_results(tmp_path: Path, capsys) -> None:
    assert main(["table", "--results", str(tmp_path)]) == 2
    output = capsys.readouterr().err
    assert f"no records in {tmp_path / 'runs'}" in output and "nmfbench run" in output
    assert main(["status", "--results", str(tmp_path)]) == 0
    assert "0 finished, 0 failed, 0 unreadable" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_table_shows_the_metric_that_is_asked_for_and_proposes_the_nearest(tmp_path: Path, capsys) -> None:
    assert main(["run", "solver=mu", *TINY, "seeds=2", f"results_dir='{tmp_path}'"]) == 0
    capsys.readouterr()
    for metric in ("accuracy", "ari", "nmi_max", "sparsity_W", "error"):
        assert main(["table", "--results", str(tmp_path), "--metric", metric]) == 0
        shown = capsys.readouterr().out
        assert metric in shown and "–" not in shown.splitlines()[4], metric
    assert main(["table", "--results", str(tmp_path), "--metric", "acuracy"]) == 2
    assert "did you mean accuracy?" in capsys.readouterr().err


def test_status_counts_by_dataset_and_solver(tmp_path: Path, capsys) -> None:
    assert main(["run", "-m", "solver=mu,raw", *TINY, "seeds=3", f"results_dir='{tmp_path}'"]) == 0
    capsys.readouterr()
    assert main(["status", "--results", str(tmp_path)]) == 0
    mu, raw, total = capsys.readouterr().out.splitlines()
    assert mu.split() == ["synthetic", "mu", "3", "max_iter"] and raw.split() == ["synthetic", "raw", "3", "solved"]
    assert total == f"6 finished, 0 failed, 0 unreadable in {tmp_path / 'runs'}"


def test_status_of_an_experiment_counts_done_failed_and_missing_from_files_alone(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    (tmp_path / "configs/experiment").mkdir(parents=True)
    (tmp_path / "configs/experiment/mine.yaml").write_text(
        "# @package _global_\nseeds: 3\nstopping: {max_iter: 3}\nevaluator: {n_init: 1}\nruns:\n"
        "  - solver=mu,raw dataset=synthetic rank=2,3 dataset.n_samples=20\n  - solver=wnnf,hals dataset=digits\n"
        "  - solver=mu dataset=ar\n"
    )
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "no data"))
    place = f"results_dir='{tmp_path}'"
    assert main(["run", "experiment=mine", "dataset=synthetic", "seeds=2", place, "threads=1"]) == 0
    failed, broken = sorted((tmp_path / "runs/synthetic/mu").glob("*.json"))[:2]
    failed.write_text(json.dumps(json.loads(failed.read_text()) | {"status": "failed", "error": "no luck"}))
    broken.write_text("{")
    capsys.readouterr()
    monkeypatch.setattr("nmfbench.datasets.digits.Digits.read", lambda loader: pytest.fail("data was read"))
    monkeypatch.setattr("nmfbench.datasets.synthetic.Synthetic.read", lambda loader: pytest.fail("data was read"))
    assert main(["status", place, "mine"]) == 0
    mu, raw, why, damaged, *unknown, absent, total = capsys.readouterr().out.splitlines()
    assert mu.split() == ["synthetic", "mu", "2", "done,", "1", "failed,", "3", "missing"]
    assert raw.split() == ["synthetic", "raw", "2", "done,", "1", "missing"]
    seed = json.loads(failed.read_text())["seed"]
    assert why == f"failed: mu on synthetic, seed {seed}: no luck"
    assert damaged.startswith(f"not counted: {broken}: not JSON")
    assert unknown == ["missing: wnnf on digits, all seeds", "missing: hals on digits, all seeds"]
    assert absent.startswith("left out: mu on ar: ar is not here")
    sums = "4 done, 1 failed, 4 missing, all seeds of 2 settings missing, 1 setting left out"
    assert total == f"{sums} in {tmp_path / 'runs'}"
    assert main(["status", "mine", place, "solver=mu", "dataset=synthetic", "--errors"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("2 done, 1 failed, 3 missing in")


def test_status_of_an_unknown_experiment_proposes_the_nearest(tmp_path: Path, capsys) -> None:
    assert main(["status", "wnnf_table3", f"results_dir={tmp_path}"]) == 2
    assert "did you mean wnnf_table3b or wnnf_table3a" in capsys.readouterr().err


def test_data_list_and_verify_name_every_dataset(capsys, monkeypatch) -> None:
    monkeypatch.delenv("NMFBENCH_DATA", raising=False)
    assert main(["data", "verify"]) == 0
    states = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()}
    assert list(states) == config.options("dataset")
    assert states["digits"] == states["orl"] == states["mfeat"] == "shipped" and states["file"] == "yours"
    assert main(["data", "list", "digits"]) == 0
    assert "1797 samples × 64 features, 10 classes" in capsys.readouterr().out
    assert main(["data", "verify", "digit"]) == 2
    assert "did you mean digits?" in capsys.readouterr().err


def test_data_verify_of_a_damaged_file_exits_with_3_and_names_it(tmp_path: Path, capsys, monkeypatch) -> None:
    (tmp_path / "mfeat").mkdir()
    for path in (datasets.DATA_DIR / "mfeat").glob("mfeat-*.csv"):
        (tmp_path / "mfeat" / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path))
    assert main(["data", "verify", "mfeat"]) == 0
    bad = tmp_path / "mfeat" / "mfeat-pix.csv"
    bad.write_bytes(bad.read_bytes()[:5000])
    capsys.readouterr()
    assert main(["data", "verify", "mfeat"]) == 3
    assert "damaged" in (output := capsys.readouterr().out) and str(bad) in output
    assert main(["run", "dataset=mfeat", "solver=raw", f"results_dir='{tmp_path}'"]) == 3
    assert str(bad) in capsys.readouterr().err and not list(tmp_path.rglob("*.json"))


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (DataError("torn"), 3)])
def test_exit_code_by_kind_of_error(error: BaseException, code: int, capsys, monkeypatch) -> None:
    def fail(*arguments: object) -> None:
        raise error

    monkeypatch.setattr("nmfbench.datasets.look", fail)
    assert main(["data", "list", "digits"]) == code
    assert capsys.readouterr().err.startswith("nmfbench: ")


def test_readme_has_the_table_of_the_solvers_as_they_are(capsys) -> None:
    assert main(["list", "solvers", "--table"]) == 0
    table = capsys.readouterr().out
    readme = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    assert table in readme, "put the output of nmfbench list solvers --table into README.md"
    assert main(["list", "datasets", "--table"]) == 2


def test_file_in_the_place_of_a_dataset_is_told_how_to_be_one(tmp_path: Path, capsys) -> None:
    (tmp_path / "mine.csv").write_text("a,b\n1,2\n")
    assert main(["run", "solver=mu", f"dataset={tmp_path}/mine.csv"]) == 2
    assert f"dataset=file dataset.path={tmp_path}/mine.csv" in capsys.readouterr().err
    assert main(["run", "solver=mu", "dataset=nowhere.csv"]) == 2
    assert "there is no file or dataset nowhere.csv" in capsys.readouterr().err
    assert main(["verify", "nowhere.zip"]) == 2
    assert "is no pack" in capsys.readouterr().err
