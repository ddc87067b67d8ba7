"""Which tables are written, under which name, and what a results folder shows where its data is not."""

import inspect
import shutil
import subprocess
from pathlib import Path

import pytest

from nmfbench.cli import main
from nmfbench.records import Store
from nmfbench.running import cards, environment, measuring

TINY = ["dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2", "evaluator.n_init=1", "threads=1"]


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data_dir: str) -> Path:
    """The experiment `both` on yale, which does not ship, and on synthetic data; returns a results folder."""
    folder = tmp_path / "configs" / "experiment"
    folder.mkdir(parents=True)
    (folder / "both.yaml").write_text(
        "# @package _global_\n# two datasets\nseeds: 1\nthreads: 1\nstopping:\n  max_iter: 2\nevaluator:\n  n_init: 1\n"
        "runs:\n  - solver=mu,raw dataset=yale,synthetic rank=2\n"
    )
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    return tmp_path / "results"


def run(folder: Path, *words: str) -> int:
    return main(["run", *words, f"results_dir='{folder}'"])


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "tables").glob("*")}


def test_whole_table_stays_whole_when_its_data_has_gone(experiment: Path, monkeypatch, capsys) -> None:
    assert run(experiment, "experiment=both") == 0
    before = tables(experiment)
    assert "both.md" in before
    monkeypatch.setenv("NMFBENCH_DATA", str(experiment / "nothing here"))
    capsys.readouterr()
    assert main(["table", "both", "--results", str(experiment)]) == 0
    assert "# yale: 165 samples × 1024 features" in capsys.readouterr().out
    assert tables(experiment) == before


def test_missing_data_with_records_but_without_its_card_leaves_the_table_alone(
    experiment: Path, monkeypatch, capsys
) -> None:
    assert run(experiment, "experiment=both") == 0
    before = tables(experiment)
    shutil.rmtree(experiment / "cards")
    cards.load.cache_clear()  # as in a new process
    monkeypatch.setenv("NMFBENCH_DATA", str(experiment / "nothing here"))
    assert main(["table", "both", "--results", str(experiment)]) == 0
    after = tables(experiment)
    assert {name: after[name] for name in before} == before, "a part would take a whole table's place"
    assert set(after) - set(before) == {f"both-partial.{kind}" for kind in ("csv", "md", "tex")}


def test_results_folder_is_shown_elsewhere_without_its_data_to_the_letter(
    experiment: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    assert run(experiment, "experiment=both") == 0
    calls = [
        ["table"],
        ["table", "both"],
        ["table", "--format", "csv"],
        ["table", "both", "--format", "md"],
        ["status"],
    ]
    here = []
    for call in calls:
        capsys.readouterr()
        assert main([*call, "--results", str(experiment)]) == 0
        here.append(capsys.readouterr().out)
    elsewhere = tmp_path / "another machine"
    shutil.copytree(experiment, elsewhere)
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "nothing here"))
    for call, shown in zip(calls, here, strict=True):
        assert main([*call, "--results", str(elsewhere)]) == 0
        assert capsys.readouterr().out.replace(str(elsewhere), str(experiment)) == shown, call


@pytest.mark.parametrize("word", ["stopping.max_iter=1", "seeds=2", "solver=mu", "dataset=synthetic", "rank=3"])
def test_experiment_with_an_override_has_a_table_of_another_name(experiment: Path, word: str) -> None:
    assert run(experiment, "experiment=both") == 0
    before = tables(experiment)
    assert run(experiment, "experiment=both", word) == 0
    after = tables(experiment)
    assert {name: after[name] for name in before} == before
    assert f"both-{word}.md" in after


@pytest.mark.parametrize("word", ["jobs=2", "threads=1", "device=cpu", "refit=true"])
def test_override_that_changes_no_number_leaves_the_table_its_name(experiment: Path, word: str) -> None:
    assert run(experiment, "experiment=both", "solver=raw", "dataset=synthetic") == 0
    assert run(experiment, "experiment=both", word) == 0
    assert "both.md" in tables(experiment) and not [name for name in tables(experiment) if word in name]


def test_experiment_with_a_failed_run_is_named_partial(experiment: Path, monkeypatch) -> None:
    monkeypatch.setattr("nmfbench.solvers.mu.MultiplicativeNMF.iterates", lambda *arguments: 1 / 0)
    assert run(experiment, "experiment=both") == 1
    assert {name.partition(".")[0] for name in tables(experiment)} == {"both-partial"}


def test_interrupted_experiment_prints_its_table_and_writes_none(experiment: Path, monkeypatch, capsys) -> None:
    score, scored = measuring.score, []

    def interrupted(*arguments, **options):
        scored.append(1)
        if len(scored) == 3:
            raise KeyboardInterrupt
        return score(*arguments, **options)

    monkeypatch.setattr(measuring, "score", interrupted)
    assert run(experiment, "experiment=both") == 130
    assert "# yale" in capsys.readouterr().out and not tables(experiment)


def test_sweeps_over_other_values_keep_both_their_tables(tmp_path: Path) -> None:
    for rank in ("rank=4,6", "rank=5"):
        assert run(tmp_path, "-m", "solver=mu,raw", "dataset=synthetic", "stopping.max_iter=2", "seeds=1", rank) == 0
    names = {name for name in tables(tmp_path) if name.endswith(".md")}
    assert len(names) == 2 and any("rank=4,6" in name for name in names) and any("rank=5" in name for name in names)


def test_checkout_is_clean_for_results_and_dirty_for_code_and_configs(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True)

    for folder in ("nmfbench", "configs", "results/tables"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.txt").write_text("1")
    assert environment.git_state(tmp_path) == {"commit": None, "dirty": None}
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "first")
    (tmp_path / "results/tables/a.txt").write_text("2")
    (tmp_path / "notes.md").write_text("2")
    assert environment.git_state(tmp_path)["dirty"] is False
    (tmp_path / "configs/new.yaml").write_text("2")
    assert environment.git_state(tmp_path)["dirty"] is True
    (tmp_path / "configs/new.yaml").unlink()
    (tmp_path / "nmfbench/a.txt").write_text("2")
    assert environment.git_state(tmp_path)["dirty"] is True


def test_default_results_folder_is_one_that_git_ignores(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["run", "solver=raw", "dataset=synthetic", *TINY, "seeds=1"]) == 0
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*")] == ["results/local"]
    ignored = (Path(__file__).parents[1] / ".gitignore").read_text().splitlines()
    assert "/results/local/" in ignored


def test_planning_reads_no_data_where_nothing_has_to_run(experiment: Path, monkeypatch) -> None:
    assert run(experiment, "experiment=both") == 0

    def read(*arguments: object) -> None:
        pytest.fail("data was read")

    monkeypatch.setattr("nmfbench.datasets.base.Loader.load", read)
    assert run(experiment, "experiment=both") == 0
    assert main(["table", "both", "--results", str(experiment)]) == 0
    assert main(["table", "topics", "--results", str(experiment)]) == 1, "nothing of it was ever run here"


def test_changed_file_is_read_again_and_its_runs_are_other_runs(tmp_path: Path) -> None:
    data = tmp_path / "mine.csv"
    call = ["dataset=file", f"dataset.path='{data}'", "solver=raw", "rank=1", "seeds=1", "threads=1"]
    for number in (1, 2):
        cards.load.cache_clear()  # as in a new process
        data.write_text("a,b\n" + f"{number},2\n3,4\n" * 6)
        assert run(tmp_path / "results", *call) == 0
    assert len(Store(tmp_path / "results").load()[0]) == 2
    assert len(list((tmp_path / "results" / "cards").glob("*.json"))) == 1


def test_solver_that_refuses_data_is_known_from_the_card(tmp_path: Path, monkeypatch, capsys) -> None:
    call = ["-m", "solver=raw,wnnf_deconv", "dataset=synthetic", *TINY, "seeds=1"]
    assert run(tmp_path, *call) == 0
    first = capsys.readouterr().out
    monkeypatch.setattr("nmfbench.datasets.base.Loader.load", lambda *a: pytest.fail("data was read"))
    assert run(tmp_path, *call) == 0
    assert "wnnf_deconv" in first and capsys.readouterr().out == first


def test_refusal_is_asked_again_once_its_check_has_changed(tmp_path: Path, monkeypatch, capsys) -> None:
    call = ["-m", "solver=raw,wnnf_deconv", "dataset=synthetic", "dataset.n_samples=20", *TINY, "seeds=1"]
    assert run(tmp_path, *call) == 0
    assert "left out: wnnf_deconv" in capsys.readouterr().err
    monkeypatch.setattr("nmfbench.solvers.wnnf_deconv.DeconvWNNF.check", lambda *a: None)
    assert run(tmp_path, "--dry-run", *call) == 0
    assert "left out: wnnf_deconv" in capsys.readouterr().err
    mended = {"wnnf_deconv.py": "# mended"}
    monkeypatch.setattr(inspect, "getsource", lambda module: mended.get(Path(module.__file__).name, ""))
    assert run(tmp_path, "--dry-run", *call) == 0
    output = capsys.readouterr()
    assert "left out" not in output.err and "wnnf_deconv" in output.out


def test_edited_method_of_an_author_is_run_again_and_told_apart(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "configs" / "solver").mkdir(parents=True)
    (tmp_path / "configs/solver/mine.yaml").write_text("_target_: method_of_mine.Mine\nrank: ${rank}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    call = ["--config-dir", str(tmp_path / "configs"), "solver=mine", "dataset=synthetic", *TINY, "seeds=1"]
    source = (Path(__file__).parents[1] / "nmfbench/solvers/semi.py").read_text().replace("SemiNMF", "Mine")
    for edit in ("", "# another step\n"):
        forget("method_of_mine")
        (tmp_path / "method_of_mine.py").write_text(source + edit)
        assert run(tmp_path / "results", *call, "stopping.max_iter=3") == 0
        assert "code from outside nmfbench" in capsys.readouterr().out
    assert len(Store(tmp_path / "results").load()[0]) == 2
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    assert capsys.readouterr().out.count("source=") >= 2


def forget(module: str) -> None:
    """As a new process would, which imports the module anew."""
    import importlib
    import linecache
    import sys

    from nmfbench.adapters.source import source_hash

    sys.modules.pop(module, None)
    importlib.invalidate_caches()
    linecache.clearcache()
    source_hash.cache_clear()


def test_refit_runs_again_what_is_finished(tmp_path: Path, capsys) -> None:
    call = ["solver=mu", "dataset=synthetic", *TINY, "seeds=2", "stopping.max_iter=3"]
    assert run(tmp_path, *call, "save_codes=true") == 0
    (path, _) = sorted(tmp_path.glob("runs/*/*/*.json"))
    path.write_text(path.read_text().replace('"max_iter"', '"max_iter"').replace('"iterations": 3', '"iterations": 99'))
    assert run(tmp_path, *call) == 0
    assert any(record["iterations"] == 99 for record in Store(tmp_path).load()[0])
    assert run(tmp_path, *call, "refit=true") == 0
    assert [record["iterations"] for record in Store(tmp_path).load()[0]] == [3, 3]


def test_run_that_can_no_longer_be_made_leaves_the_whole_table_alone(experiment: Path, monkeypatch, capsys) -> None:
    assert run(experiment, "experiment=both") == 0
    before = tables(experiment)
    shutil.rmtree(experiment / "runs/yale/raw")
    cards.load.cache_clear()  # as in a new process
    monkeypatch.setenv("NMFBENCH_DATA", str(experiment / "nothing here"))
    capsys.readouterr()
    assert run(experiment, "experiment=both") == 0
    assert capsys.readouterr().out.count("# yale") == 1, "its records are shown, and nothing says that it is absent"
    after = tables(experiment)
    assert {name: after[name] for name in before} == before and "both-partial.md" in after


def test_heading_of_a_block_spans_the_sizes_of_its_data(tmp_path: Path, capsys) -> None:
    call = ["-m", "solver=raw", "dataset=synthetic", "dataset.n_classes=3,4", "dataset.n_samples=20,30", "seeds=1"]
    assert run(tmp_path, *call, "threads=1") == 0
    assert "# synthetic: 20 to 30 samples × 100 features, 3 to 4 classes" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["metric: accurcy", "tuning: {metric: accurcy, seeds: [9], classes: [2]}"])
def test_misspelt_metric_of_an_experiment_is_refused_before_anything_runs(
    text: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    (tmp_path / "experiment").mkdir()
    runs = "runs:\n  - solver=raw dataset=synthetic\n"
    (tmp_path / "experiment/mine.yaml").write_text(f"# @package _global_\ntable:\n  {text}\n{runs}")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path))
    assert run(tmp_path / "results", "experiment=mine") == 2
    assert "did you mean accuracy" in capsys.readouterr().err
    assert not list(tmp_path.glob("results/runs/*"))


@pytest.mark.parametrize("width", [60, 80, 100])
def test_table_is_no_wider_than_the_terminal(width: int, tmp_path: Path, monkeypatch, capsys) -> None:
    call = ["-m", "solver=mu,multilayer", "dataset=orl_28x23", "seeds=2", "stopping.max_iter=2", "threads=1"]
    assert run(tmp_path, *call, "evaluator.n_init=1") == 0
    monkeypatch.setenv("COLUMNS", str(width))
    capsys.readouterr()
    assert main(["table", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("solver") for line in lines) > 1, "columns are shown in blocks"


def test_names_that_a_file_cannot_have_stay_distinct(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    for separator in ("/", "//"):
        path.write_text("a,b\n" + "1,2\n3,4\n" * 6)
        data = ["dataset=file", f"dataset.path='{tmp_path}{separator}mine.csv'", "solver=raw", "rank=1", "seeds=1"]
        assert run(tmp_path, *data, "threads=1") == 0
    assert len([name for name in tables(tmp_path) if name.startswith("mine-raw") and name.endswith(".md")]) == 2
