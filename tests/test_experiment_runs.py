"""`nmfbench run experiment=…`: what is run, what is chosen from it, and its table."""

from itertools import product
from pathlib import Path

import pytest
from shell import load, run

from nmfbench.cli import main


def no_fit(*arguments: object, **options: object) -> None:
    pytest.fail("a fit was started")


@pytest.fixture
def experiment(tmp_path: Path) -> list[str]:
    """Arguments that run the experiment `mine`: two command lines."""
    (tmp_path / "configs/experiment").mkdir(parents=True)
    (tmp_path / "configs/experiment/mine.yaml").write_text(
        "# @package _global_\nseeds: 1\nruns:\n"
        "  - solver=mu,raw dataset=synthetic rank=2,3 dataset.n_samples=20\n"
        "  - solver=wnnf dataset=digits rank=4\n"
    )
    return ["--config-dir", str(tmp_path / "configs"), "experiment=mine", "stopping.max_iter=2", "evaluator.n_init=1"]


def test_experiment_runs_its_command_lines_and_names_its_table(tmp_path: Path, experiment: list[str]) -> None:
    assert run(tmp_path, *experiment[:3]) == 0
    ran = {(record["dataset"], record["solver"], record["rank"]) for record in load(tmp_path)}
    assert ran == {("synthetic", "mu", 2), ("synthetic", "mu", 3), ("synthetic", "raw", None), ("digits", "wnnf", 4)}
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == ["mine.csv", "mine.md", "mine.tex"]


def test_arguments_choose_from_an_experiment_and_override_its_lines(
    tmp_path: Path, experiment: list[str], capsys
) -> None:
    assert run(tmp_path, *experiment, "solver=mu", "rank=5") == 0
    assert {(record["solver"], record["rank"]) for record in load(tmp_path)} == {("mu", 5)}
    assert not (tmp_path / "tables/mine.csv").exists(), "a part of an experiment is not its table"
    assert run(tmp_path, *experiment, "solver=pca,wnnf", "dataset=orl") == 2
    assert "no run with solver=pca,wnnf (there are: mu, raw, wnnf)" in capsys.readouterr().err


@pytest.mark.parametrize("group", ["evaluator", "solver"])
def test_word_in_the_place_of_settings_is_refused(group: str, tmp_path: Path, experiment: list[str], capsys) -> None:
    yaml = tmp_path / "configs/experiment/mine.yaml"
    yaml.write_text(yaml.read_text() + f"{group}: topics\n")
    assert run(tmp_path, *experiment[:3]) == 2
    message = capsys.readouterr().err
    assert f"{group}: topics is a word" in message and f"write {group}=topics into the lines of its runs" in message


def test_jobs_at_once_give_the_same_metrics_as_one_after_the_other(tmp_path: Path, experiment: list[str]) -> None:
    assert run(tmp_path / "one", *experiment) == 0
    assert run(tmp_path / "two", *experiment, "jobs=2") == 0
    one, two = ([record["metrics"] for record in load(tmp_path / name)] for name in ("one", "two"))
    assert one == two


def test_table_of_an_experiment_is_made_from_records_and_names_what_is_missing(
    tmp_path: Path, experiment: list[str], capsys, monkeypatch
) -> None:
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    yaml = tmp_path / "configs/experiment/mine.yaml"
    yaml.write_text(yaml.read_text() + "stopping:\n  max_iter: 2\nevaluator:\n  n_init: 1\nthreads: 1\n")
    assert run(tmp_path, "experiment=mine", "dataset=synthetic") == 0
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.setattr("nmfbench.running.measuring.fit", no_fit)
        assert main(["table", "mine", "--results", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "missing: wnnf on digits, all seeds" in printed.err
    assert "mu" in printed.out and not (tmp_path / "tables/mine.md").exists(), "a part would take a whole table's place"
    assert run(tmp_path, "experiment=mine") == 0
    (tmp_path / "tables/mine.md").unlink()
    assert main(["table", f"results_dir='{tmp_path}'", "mine"]) == 0 and (tmp_path / "tables/mine.md").exists()
    capsys.readouterr()
    before = (tmp_path / "tables/mine.md").read_bytes()
    assert main(["table", "mine", "--format", "csv", "--metric", "ari", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("dataset,block,solver,")
    assert (tmp_path / "tables/mine.md").read_bytes() == before, "another metric is not the experiment's table"


def write_experiment(tmp_path: Path, text: str) -> list[str]:
    """Arguments that run the experiment `mine` of that text."""
    (tmp_path / "configs/experiment").mkdir(parents=True)
    (tmp_path / "configs/experiment/mine.yaml").write_text(f"# @package _global_\n{text}")
    return ["--config-dir", str(tmp_path / "configs"), "experiment=mine", "stopping.max_iter=2", "evaluator.n_init=1"]


def test_tuned_experiment_draws_anew_for_each_seed_and_shows_classes_down_and_methods_across(
    tmp_path: Path, data_dir: str, capsys
) -> None:
    arguments = write_experiment(
        tmp_path,
        "seeds: 2\ntable:\n  tuning: {metric: accuracy, seeds: [100], classes: [3]}\nruns:\n"
        "  - solver=mu solver.beta=2,1 dataset=yale dataset.classes=2,3\n"
        "  - solver=dnsnmf solver.ranks=[5,${rank}],[7,${rank}] dataset=yale dataset.classes=2,3\n",
    )
    assert run(tmp_path, *arguments) == 0
    ran = [(r["config"]["dataset"]["classes"], r["seed"], r["config"]["dataset"]["draw"]) for r in load(tmp_path)]
    assert sorted(ran) == sorted(4 * [(2, 0, 0), (2, 1, 1), (3, 0, 0), (3, 1, 1), (3, 100, 100)])
    assert len({r["config"]["dataset"]["sha256"] for r in load(tmp_path)}) == 5, "each draw is other data"
    assert {tuple(r["config"]["solver"]["ranks"]) for r in load(tmp_path) if r["solver"] == "dnsnmf"} == set(
        product((5, 7), (2, 3))
    )
    out = capsys.readouterr().out
    first, second = out.split("# yale, best per cell")
    assert "22 to 33 samples × 1024 features, 2 to 3 classes" in first
    assert "[5 rank]" in first or "[7 rank]" in first
    for metric in ("accuracy", "nmi_max"):
        (heading,) = [line.split() for line in first.splitlines() if line.split()[:1] == [metric]]
        assert heading == [metric, "mu", "dnsnmf"]
    assert "(76.4," not in out and "paper prints" not in out, "two iterations and one start are not the paper's"
    assert "against" in first and "against" not in second, "what is chosen by its score is not tested"
    assert run(tmp_path, *arguments) == 0
    assert "nothing to run; already done: 20" in capsys.readouterr().err


def test_several_experiments_run_one_after_the_other_and_share_their_runs(tmp_path: Path, capsys) -> None:
    arguments = write_experiment(tmp_path, "seeds: 2\nruns:\n  - solver=mu dataset=synthetic rank=3\n")
    other = tmp_path / "configs/experiment/other.yaml"
    other.write_text("# @package _global_\nseeds: 2\nruns:\n  - solver=mu,pca dataset=synthetic rank=3\n")
    both = ["experiment=mine,other" if argument == "experiment=mine" else argument for argument in arguments]
    assert run(tmp_path, *both) == 0
    output = capsys.readouterr()
    assert "already done: 2, to run: 2" in output.err
    assert "mine-" in output.out and output.out.index("tables/mine-") < output.out.index("tables/other-")
    other.write_text("# @package _global_\nruns:\n  - solver=mu dataset=synthetic rank=0\n")
    assert main(["run", f"results_dir='{tmp_path / 'new'}'", *both]) == 2
    assert not list((tmp_path / "new").rglob("*.json")), "a mistake in the last experiment stops the first"


def test_experiment_may_name_its_metric_split_its_blocks_and_divide(tmp_path: Path, capsys) -> None:
    arguments = write_experiment(
        tmp_path,
        "seeds: 2\ntable:\n  metric: error\n  split: [layers]\n"
        "  relative: {metric: layer_error, to: multilayer_kl, name: error_ratio}\n"
        "runs:\n  - solver=deep_kl,multilayer_kl solver.ranks=[3],[4,2] dataset=synthetic evaluator=layers "
        "dataset.n_samples=20\n",
    )
    assert run(tmp_path, *arguments[:-1]) == 0
    out = capsys.readouterr().out
    for block, ratios in (("# synthetic, 1 layer:", 1), ("# synthetic, 2 layers:", 2)):
        table = out.split(block)[1].split("against")[0]
        heading, rows = table.split("---")[0], [line for line in table.splitlines() if line.startswith("deep_kl")]
        assert heading.index("error ") < heading.index("layer_error") < heading.index("error_ratio")
        assert len(rows) == ratios
    assert out.count("against") == 2 and "# all blocks" in out


def test_table_names_missing_data_without_the_paths_of_this_machine(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "nothing here"))
    arguments = write_experiment(tmp_path, "seeds: 1\nruns:\n  - solver=mu dataset=digits,yale rank=2\n")
    assert run(tmp_path, *arguments) == 0
    captured = capsys.readouterr()
    assert "nothing here" in captured.err and "nothing here" not in captured.out
    assert "# yale: –\n\nyale is not here. Download" in captured.out
