"""Nothing is imported but nmfbench's own classes, and those that a YAML names in a folder that the user named."""

import json
import sys
from pathlib import Path

import pytest
from shell import nmfbench, run

from nmfbench import config, load_dataset
from nmfbench.cli import main
from nmfbench.errors import ConfigError
from nmfbench.records import Store

TINY = ["solver=raw", "dataset=digits", "seeds=1", "evaluator.n_init=1"]
FOREIGN = """
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from nmfbench.datasets.base import Dataset, Loader

Path({marker!r}).touch()

@dataclass(frozen=True, kw_only=True)
class Loaded(Loader):
    def read(self):
        return Dataset("foreign", np.eye(4, 12) + 1.0, np.arange(12) % 2)

class Anything:
    def __init__(self, *arguments, **keywords):
        pass
"""
ANYTHING = "foreign_to_nmfbench.Anything"
LOADED = "foreign_to_nmfbench.Loaded"
_LOGGING = f"{{version: 1, handlers: {{mine: {{(): {ANYTHING}}}}}, root: {{handlers: [mine]}}}}"
HYDRA = {
    "callbacks": f"callbacks: {{mine: {{_target_: {ANYTHING}}}}}",
    "launcher": f"launcher: {{_target_: {ANYTHING}}}",
    "sweeper": f"sweeper: {{_target_: {ANYTHING}}}",
    "sweeper beside params": f"sweeper: {{params: {{rank: '2'}}, _target_: {ANYTHING}}}",
    "hydra_logging": f"hydra_logging: {_LOGGING}",
    "job_logging": f"job_logging: {_LOGGING}",
    "searchpath": "searchpath: ['pkg://foreign_to_nmfbench']",
}
"""What Hydra imports or instantiates, as the content of its own node."""


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A file that exists only after the foreign module was imported."""
    path = tmp_path / "imported"
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/foreign_to_nmfbench.py").write_text(FOREIGN.format(marker=str(path)))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.chdir(tmp_path)
    yield path
    sys.modules.pop("foreign_to_nmfbench", None)


def write(folder: Path, name: str, text: str) -> Path:
    """Write a YAML of that name into a config folder; return the folder."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def refused(capsys, *named: str) -> None:
    message = capsys.readouterr().err
    assert message.startswith("nmfbench: ") and message.count("\n") == 1
    assert all(part in message for part in ("refused", *named)), message


@pytest.mark.parametrize(
    "word",
    [
        f"hydra.callbacks.mine._target_={ANYTHING}",
        f"+hydra.callbacks.mine={{_target_:{ANYTHING}}}",
        f"++hydra.launcher._target_={ANYTHING}",
        f"hydra.sweeper._target_={ANYTHING}",
        f"+hydra={{callbacks:{{mine:{{_target_:{ANYTHING}}}}}}}",
        "hydra.job_logging.version=1",
        "hydra.searchpath=[pkg://foreign_to_nmfbench]",
        "hydra/launcher=basic",
        "hydra/callbacks=mine",
        "+solver@hydra.callbacks=mine",
        "~hydra.launcher",
    ],
)
@pytest.mark.parametrize("how", [[], ["-m"], ["--cfg=hydra"], ["--cfg=all"], ["--info=all"], ["--hydra-help"]], ids=str)
def test_word_for_hydras_own_node_is_refused_on_every_way_into_hydra(word, how, marker, capsys) -> None:
    assert nmfbench("run", *how, word, *TINY) == 2
    refused(capsys, word, "on the command line", "launcher=processes, dask or slurm")
    assert not marker.exists() and not list(marker.parent.glob("results*"))


@pytest.mark.parametrize("word", [f"hydra.launcher._target_={ANYTHING}", "hydra/launcher=mine"])
def test_tab_completes_nothing_after_a_word_for_hydras_own_node(word, marker, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NMFBENCH_CONFIG", str(write(marker.parent / "own", "hydra/launcher/mine.yaml", "a: 1")))
    assert main(["completion", "query", f"nmfbench run {word} stopping."]) == 0
    assert not capsys.readouterr().out.strip() and not marker.exists()


@pytest.mark.parametrize("content", HYDRA.values(), ids=HYDRA)
@pytest.mark.parametrize("command", ["run", "run --cfg job", "run --info all", "table", "rm"])
def test_hydra_node_of_an_experiment_is_refused_by_its_file(content, command, marker, monkeypatch, capsys) -> None:
    folder = write(marker.parent / "own", "experiment/mine.yaml", f"# @package _global_\nhydra:\n  {content}\n")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(folder))
    assert nmfbench(*command.split(), "experiment=mine" if command[:3] == "run" else "mine") == 2
    refused(capsys, "hydra.", f"{folder}/experiment/mine.yaml", "launcher=processes, dask or slurm")
    assert not marker.exists()


@pytest.mark.parametrize("content", HYDRA.values(), ids=HYDRA)
@pytest.mark.parametrize("option", ["--config-dir", "--config-path"])
def test_hydra_node_of_a_config_of_ones_own_is_refused_by_its_file(content, option, marker, capsys) -> None:
    folder = write(marker.parent / "own", "mine.yaml", f"hydra:\n  {content}\n")
    for how in ([], ["--cfg=all"], ["--info=searchpath"]):
        assert nmfbench("run", *how, option, folder, "--config-name=mine") == 2
        refused(capsys, "hydra.", f"{folder}/mine.yaml")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("solver/mine.yaml", f"# @package _global_\nhydra: {{callbacks: {{a: {{_target_: {ANYTHING}}}}}}}\n"),
        ("solver/mine.yaml", f"# @package hydra.callbacks.mine\n_target_: {ANYTHING}\n"),
        ("solver/mine.yaml", f"# @package '[hydra][callbacks]'\na: {{_target_: {ANYTHING}}}\n"),
        ("solver/mine.yaml", f"# @package [hydra][callbacks]\na: {{_target_: {ANYTHING}}}\n"),
        ("solver/mine.yaml", "defaults: [mu, {/hydra/launcher: theirs}]\n"),
        ("solver/mine.yaml", "defaults: [mu, {override /hydra/launcher: theirs}]\n"),
        ("solver/mine.yaml", "defaults: [mu, {optional /hydra/callbacks: theirs}]\n"),
        ("solver/mine.yaml", "defaults: [mu, /hydra/launcher/theirs]\n"),
        ("solver/mine.yaml", "defaults: [mu, {'/solver@_global_.hydra.callbacks': theirs}]\n"),
        ("solver/mine.yaml", "defaults: [mu, /solver/theirs@_global_.hydra.callbacks]\n"),
        ("hydra/launcher/basic.yaml", f"_target_: {ANYTHING}\n"),
        ("hydra/config.yaml", f"callbacks: {{mine: {{_target_: {ANYTHING}}}}}\n"),
    ],
)
def test_yaml_that_reaches_into_hydras_node_is_refused_by_its_file(name, text, marker, monkeypatch, capsys) -> None:
    folder = write(marker.parent / "own", name, text)
    for theirs in ("solver", "hydra/launcher", "hydra/callbacks"):
        write(folder, f"{theirs}/theirs.yaml", f"_target_: {ANYTHING}\n")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(folder))
    for how in ([], ["--cfg=all"], ["--info=config"]):
        assert nmfbench("run", *how, *TINY, f"solver={'mine' if name.startswith('solver') else 'raw'}") == 2
        refused(capsys, "hydra", f"{folder}/{name}")
    assert not marker.exists()


def test_a_yaml_may_hold_its_own_sweep_but_no_word_for_hydra_in_it(marker, monkeypatch, capsys) -> None:
    sweep = "# @package _global_\nhydra: {{mode: MULTIRUN, sweeper: {{params: {{{}}}}}}}\n"
    folder = write(marker.parent / "own", "experiment/mine.yaml", sweep.format("solver: 'raw,mu', dataset: digits"))
    write(folder, "experiment/bad.yaml", sweep.format(f"hydra.callbacks.a._target_: '{ANYTHING},b'"))
    write(folder, "experiment/worse.yaml", f"# @package _global_\nruns: ['+hydra.callbacks.a._target_={ANYTHING}']\n")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(folder))
    call = ["seeds=1", "stopping.max_iter=1", "evaluator.n_init=1"]
    assert run(marker.parent / "r", "experiment=mine", *call) == 0
    assert {record["solver"] for record in Store(marker.parent / "r").load()[0]} == {"raw", "mu"}
    capsys.readouterr()
    for name in ("bad", "worse"):
        assert nmfbench("table", name) == 2
        refused(capsys, f"{name}.yaml", "hydra.callbacks.a._target_=")
    assert not marker.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["dataset=digits", f"dataset._target_={LOADED}"],
        ["dataset=digits", f"++dataset._target_={LOADED}"],
        ["-m", "dataset=digits", f"dataset._target_={LOADED},nmfbench.datasets.digits.Digits"],
        ["experiment=theirs"],
        ["experiment=node"],
        ["dataset=foreign"],
        ["dataset=derived"],
        ["dataset=digits", "solver=fake"],
    ],
    ids=str,
)
def test_foreign_class_is_refused_outside_a_folder_that_the_user_named(words, marker, monkeypatch, capsys) -> None:
    monkeypatch.delenv("NMFBENCH_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(marker.parent))
    own = write(marker.parent / "nmfbench", "dataset/foreign.yaml", f"_target_: {LOADED}\n")
    write(own, "dataset/derived.yaml", "defaults: [foreign, _self_]\n")
    runs = f"runs: ['solver=raw dataset=digits dataset._target_={LOADED}']"
    write(own, "experiment/theirs.yaml", f"# @package _global_\n{runs}\n")
    write(own, "experiment/node.yaml", f"# @package _global_\ndataset: {{_target_: {LOADED}}}\n")
    write(own, "solver/fake.yaml", f"# @package _global_\ndataset: {{_target_: {LOADED}}}\nsolver: {{_target_: a.B}}\n")
    assert nmfbench("run", "solver=raw", "seeds=1", *words) == 2
    refused(capsys, "_target_", "--config-dir", "NMFBENCH_CONFIG")
    assert not marker.exists()


@pytest.mark.parametrize("how", ["--config-dir", "--config-path", "NMFBENCH_CONFIG"])
def test_foreign_class_is_imported_from_a_folder_that_the_user_named(how, marker, monkeypatch) -> None:
    folder = write(marker.parent / "own", "dataset/mine.yaml", f"_target_: {LOADED}\n")
    write(folder, "dataset/derived.yaml", "defaults: [mine, _self_]\nn_clusters: [2]\n")
    options = [how, str(folder)]
    if how == "NMFBENCH_CONFIG":
        monkeypatch.setenv(how, str(folder))
        options.clear()
    if how == "--config-path":
        for name in ("config", "solver/raw", "evaluator/clustering", "stopping/own", "launcher/processes"):
            write(folder, f"{name}.yaml", (config.CONFIG_DIR / f"{name}.yaml").read_text())
    for name in ("mine", "derived"):
        words = ["solver=raw", f"dataset={name}", "seeds=1", "evaluator.n_init=1"]
        assert run(marker.parent / name, *options, *words) == 0


@pytest.mark.parametrize("target", ["nmfbench.__main__.main", "nmfbench.data.foreign.Loaded", "nmfbench.cli.Path"])
def test_target_in_the_package_must_be_one_of_its_classes(target, marker, monkeypatch, capsys) -> None:
    folder = write(marker.parent / "own", "dataset/mine.yaml", f"_target_: {target}\n")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(folder))
    assert nmfbench("run", "solver=raw", "dataset=mine") == 2
    refused(capsys, target)
    with pytest.raises(ConfigError, match="refused"):
        load_dataset("mine")


def test_functions_that_take_a_name_import_no_foreign_class(marker, monkeypatch, capsys) -> None:
    monkeypatch.delenv("NMFBENCH_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(marker.parent))
    for group in ("dataset", "solver", "evaluator"):
        write(marker.parent / "nmfbench", f"{group}/mine.yaml", f"# mine\n_target_: {LOADED}\n")
    for call in (lambda: load_dataset("mine"), lambda: load_dataset("digits", _target_=LOADED)):
        with pytest.raises(ConfigError, match="_target_"):
            call()
    assert nmfbench("data", "list", "mine") == 3 and "refused" in capsys.readouterr().out
    assert nmfbench("list", "solvers", "--table") == 2
    with pytest.raises(ConfigError, match="no dataset is called"):
        load_dataset("../solver/mine")
    assert not marker.exists()


def test_old_record_that_names_a_foreign_class_is_refused_and_nothing_imported(marker, capsys) -> None:
    assert run(marker.parent / "r", *TINY) == 0
    capsys.readouterr()
    (path,) = (marker.parent / "r/runs").glob("*/*/*.json")
    record = json.loads(path.read_text())
    record["config"]["evaluator"]["_target_"] = LOADED
    path.write_text(json.dumps({key: value for key, value in record.items() if key != "declared"}))
    assert nmfbench("table", "--results", marker.parent / "r") == 2
    refused(capsys, LOADED)
    for command in ("status", "show"):
        assert nmfbench(command, "--results", marker.parent / "r") == 0
    assert not marker.exists()
