"""Overrides as a Hydra user writes them: sweeps, quotes, names, refusals, and how fast the answers come."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nmfbench import __version__
from nmfbench.cli import main
from nmfbench.errors import ConfigError
from nmfbench.records import Store
from nmfbench.running.composer import Composer
from nmfbench.running.composing import requests

ROOT = Path(__file__).resolve().parents[1]


def chosen(*words: str) -> list[tuple[str, str]]:
    """(solver, dataset) of every configuration that the words ask for."""
    return [(c.choices["solver"], c.choices["dataset"]) for request in requests(words) for c in request.composed]


@pytest.mark.parametrize(
    "word",
    [
        "hydra/launcher=basic",
        "hydra/sweeper=basic",
        "hydra/job_logging=default",
        "hydra.run.dir=x",
        "hydra.sweep.dir=x",
        "hydra.launcher._target_=foo.Bar",
        "+hydra.callbacks.mine._target_=foo.Bar",
        "hydra.verbose=true",
    ],
)
@pytest.mark.parametrize("flag", [[], ["-m"]])
def test_launching_logging_and_folders_of_hydra_are_refused_with_the_way_out(
    word: str, flag: list[str], tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", *flag, word, "solver=mu", "dataset=synthetic"]) == 2
    message = capsys.readouterr().err
    assert (
        message.count("\n") == 1
        and "launcher=processes, dask or slurm" in message
        and "results_dir=" in message
        and word in message
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["-m", ""], [""], ["-m", "solver"], ["=3"], ["-m", "rank=interval(1,3)"]])
def test_word_that_is_no_override_is_named(words: list[str], capsys) -> None:
    assert main(["run", *words]) == 2
    message = capsys.readouterr().err
    assert message.startswith("nmfbench: ") and "Traceback" not in message and message.count("\n") == 1


@pytest.mark.parametrize(
    "word",
    ["solver=mu,multilayer", "solver=choice(mu,multilayer)", "solver='mu','multilayer'", 'solver=MU,"Multilayer"'],
)
def test_values_of_a_sweep_may_be_written_in_each_of_hydras_ways_with_and_without_an_experiment(word: str) -> None:
    alone = chosen("-m", word, "dataset=digits,mfeat")
    assert alone == [(solver, data) for solver in ("mu", "multilayer") for data in ("digits", "mfeat")]
    within = chosen("experiment='smoke'", word, "dataset=digits,mfeat")
    assert sorted(within) == sorted(alone)


def test_glob_means_the_same_with_and_without_an_experiment() -> None:
    alone = chosen("-m", "solver=glob(m*)", "dataset=digits")
    assert {solver for solver, _ in alone} == {"mu", "multilayer", "multilayer_kl", "multiview"}
    assert sorted(chosen("experiment=smoke", "solver=glob(m*)", "dataset=digits")) == sorted(alone)


def test_ranges_and_lists_are_swept_over_plain_keys_in_experiments_too() -> None:
    for words in (["-m", "solver=mu", "dataset=digits"], ["experiment=smoke", "solver=mu", "dataset=digits"]):
        (request,) = requests([*words, "rank=range(2,5)"])
        assert [composed.config.rank for composed in request.composed] == [2, 3, 4]


def test_several_values_without_m_are_refused_with_the_way_out(capsys) -> None:
    assert main(["run", "solver=mu,hals"]) == 2
    assert "add -m" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["threads=1,2", "device=cpu,cuda", "jobs=1,2"])
def test_sweep_over_what_is_no_part_of_a_record_is_refused(word: str, capsys) -> None:
    assert main(["run", "-m", word, "solver=mu"]) == 2
    assert "is no part of a record's name" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("solver=NMF", "mu"),
        ("solver=nmf", "mu"),
        ("solver=kmeans", "raw"),
        ("solver=WNNF", "wnnf"),
        ("solver=Semi", "semi"),
    ],
)
def test_names_are_found_in_any_case_and_by_what_people_call_them(word: str, name: str) -> None:
    assert chosen(word, "dataset=ORL") == [(name, "orl")]


@pytest.mark.parametrize(
    ("key", "proposal"),
    [("metrc: accuracy", "table.metric"), ("table:\n  metrc: accuracy", "metric"), ("seed: 3", "seeds")],
)
def test_misspelt_key_of_an_experiment_is_named_with_its_neighbours(
    key: str, proposal: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "experiment").mkdir()
    text = f"# @package _global_\n{key}\nruns:\n  - solver=mu dataset=synthetic\n"
    (tmp_path / "experiment/mine.yaml").write_text(text)
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path))
    assert main(["run", "experiment=mine"]) == 2
    assert f"did you mean {proposal}" in capsys.readouterr().err


def test_yaml_with_a_defaults_list_is_shown_by_its_composed_node(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "solver").mkdir()
    (tmp_path / "solver/kl.yaml").write_text("# mine\ndefaults: [mu, _self_]\nbeta: 1.0\n")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path))
    call = ["solver=kl", "dataset=synthetic", "dataset.n_samples=20", "seeds=1", "stopping.max_iter=2", "threads=1"]
    assert main(["run", *call, f"results_dir='{tmp_path / 'r'}'"]) == 0
    (record,) = Store(tmp_path / "r").load()[0]
    assert record["config"]["solver"]["beta"] == 1.0 and record["config"]["solver"]["init"] == "uniform"
    assert set(record["variant"]) == {"dataset.n_samples", "stopping.max_iter"}
    capsys.readouterr()
    assert main(["list", "solvers", "--table"]) == 0
    assert "| `kl` | min D_β(X, WH)" in capsys.readouterr().out


def test_loader_of_ones_own_may_have_a_field_named_classes(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/mine.yaml").write_text("_target_: loader_of_mine.Mine\nclasses: 3\n")
    (tmp_path / "loader_of_mine.py").write_text(
        "from dataclasses import dataclass\nimport numpy as np\nfrom nmfbench.datasets.base import Dataset, Loader\n\n"
        "@dataclass(frozen=True, kw_only=True)\nclass Mine(Loader):\n    classes: int = 2\n\n"
        "    def read(self):\n        y = np.arange(12) % self.classes\n"
        "        return Dataset('mine', np.eye(4)[y % 4].T + 1.0, y)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path))
    assert main(["run", "dataset=mine", "solver=raw", "seeds=2", "threads=1", f"results_dir='{tmp_path / 'r'}'"]) == 0
    records = Store(tmp_path / "r").load()[0]
    assert [r["data"]["classes"] for r in records] == [3, 3] and "draw" not in records[0]["config"]["dataset"]


def test_settings_of_one_name_in_two_groups_are_told_apart(tmp_path: Path, capsys) -> None:
    call = [
        "solver=mu",
        "dataset=synthetic",
        "dataset.n_samples=20",
        "seeds=1",
        "threads=1",
        f"results_dir='{tmp_path}'",
    ]
    assert main(["run", *call, "stopping.max_iter=3", "evaluator.max_iter=7"]) == 0
    shown = capsys.readouterr().out
    assert "stopping.max_iter=3" in shown and "evaluator.max_iter=7" in shown


def test_run_alone_shows_its_usage_and_starts_nothing(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run"]) == 2
    assert capsys.readouterr().out.startswith("usage: nmfbench run") and not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["--version"], ["run", "--version"]])
def test_version_is_nmfbenchs_own(arguments: list[str], capsys) -> None:
    try:
        assert main(arguments) == 0
    except SystemExit as ended:
        assert not ended.code
    assert capsys.readouterr().out.strip() == f"nmfbench {__version__}"


@pytest.mark.parametrize(
    "call",
    [
        ["run", "--help"],
        ["run", "--cfg", "job", "solver=mu"],
        ["status"],
        ["list", "solvers"],
        ["run", "solver=wnf"],
        ["run", "solver.lamm=1"],
        ["completion", "query", "nmfbench run solver=w"],
    ],
)
def test_answer_that_needs_no_fit_imports_nothing_that_takes_seconds(call: list[str], tmp_path: Path) -> None:
    script = (
        "import sys; from nmfbench.cli import main; main(sys.argv[1:]); "
        "print('imported', {'torch', 'sklearn', 'pandas', 'scipy', 'matplotlib'} & {*sys.modules})"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script, *call]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "imported set()", done.stderr


@pytest.mark.parametrize("dataset", ["digits", "orl_28x23"])
def test_fit_starts_without_what_only_scores_and_tables_need(dataset: str, tmp_path: Path) -> None:
    script = (
        "import sys; from nmfbench.cli import main; from nmfbench.running import measuring; "
        "measuring.fit = lambda *a, **k: sys.exit(str({'sklearn', 'pandas', 'matplotlib'} & {*sys.modules})); "
        "main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", script, "run", f"dataset={dataset}", "solver=mu", "seeds=1", "jobs=1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "set()", done.stderr


def test_requests_of_an_unknown_experiment_propose_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean wnnf_table3b or wnnf_table3a"):
        requests(["experiment=wnnf_table3"])


def test_swapped_option_gives_the_configuration_that_hydra_composes(monkeypatch) -> None:
    def configurations() -> list[tuple[dict, dict]]:
        calls = [
            ["-m", "solver=glob(*)", "dataset=digits,yale", "rank=3", "evaluator.n_init=2"],
            ["experiment=smoke", "dataset=mfeat"],
            ["-m", "solver=wnnf,wnnf_deep", "solver.eta=0.3", "solver.lam=0"],
        ]
        composed = [c for words in calls for request in requests(words) for c in request.composed]
        return [(c.choices, OmegaConf.to_container(c.config)) for c in composed]

    swapped = configurations()
    monkeypatch.setattr(Composer, "_swappable", lambda *arguments: False)
    assert swapped == configurations()


def test_key_that_a_later_solver_of_a_sweep_lacks_is_refused(capsys) -> None:
    assert main(["run", "-m", "solver=wnnf,mu", "solver.eta=0.3", "dataset=digits"]) == 2
    assert "unknown key solver.eta" in capsys.readouterr().err


def test_whole_number_for_a_float_is_the_same_run(tmp_path: Path, capsys) -> None:
    words = ["solver=mu", "dataset=synthetic", "dataset.n_samples=20", "rank=2", "seeds=1", "stopping.max_iter=2"]
    for lam, said in (
        ("solver.lam=1", "1 seed in"),
        ("solver.lam=1.0", "nothing to run"),
        ("solver.beta=2", "1 seed in"),
    ):
        assert main(["run", *words, lam, "threads=1", f"results_dir='{tmp_path}'"]) == 0
        assert said in capsys.readouterr().err
    assert main(["run", *words, "threads=1", f"results_dir='{tmp_path}'"]) == 0
    assert "nothing to run" in capsys.readouterr().err, "beta is 2.0 by default"
