"""`nmfbench merge`: records of several folders in one; what disagrees is shown, and nothing is lost or damaged."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from shell import load, nmfbench, run

from nmfbench.endings import temporary_name
from nmfbench.records import Store

TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["evaluator.n_init=1", "stopping.max_iter=3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of mu, with codes, and of hals, with the bases of seed 0."""
    folder = tmp_path_factory.mktemp("made")
    assert (
        run(folder, "solver=mu", *TINY, "seeds=2", "save_codes=true")
        == run(folder, "solver=hals", *TINY, "seeds=2")
        == 0
    )
    return folder


@pytest.fixture
def source(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "source"))


def contents(folder: Path, *kinds: str) -> dict[str, bytes]:
    paths = [path for kind in kinds or ("runs", "cards") for path in (folder / kind).rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def changed(folder: Path, solver: str, seed: int, **changes: Any) -> Path:
    """Change a record of that folder in place."""
    (record,) = (r for r in load(folder) if (r["solver"], r["seed"]) == (solver, seed))
    path = Store(folder).path(record["config"], seed)
    path.write_text(json.dumps(record | changes))
    return path


def test_records_codes_bases_and_cards_are_copied_and_the_source_stays(source: Path, tmp_path: Path, capsys) -> None:
    before = contents(source)
    assert {Path(name).suffix for name in before} == {".json", ".npz", ".npy"}
    stray = next((source / "runs").glob("*/mu")) / temporary_name("record")
    stray.write_text("half a rec")
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 0
    assert contents(tmp_path / "all") == before
    stray.unlink()
    assert contents(source) == before
    assert capsys.readouterr().out == f"{source}: 4 copied, 0 already there, 0 disagreeing, 0 not readable\n"
    assert run(tmp_path / "all", "solver=mu", *TINY, "seeds=2") == 0
    assert "nothing to run; already done: 2" in capsys.readouterr().err


def test_second_merge_copies_nothing(source: Path, tmp_path: Path, capsys) -> None:
    assert nmfbench("merge", source, source, "--results", tmp_path / "all") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "4 copied, 0 already there" in first and "0 copied, 4 already there, 0 disagreeing" in second


def test_finished_record_replaces_a_failed_or_damaged_one_and_not_the_other_way(source: Path, tmp_path: Path) -> None:
    whole = contents(source)
    shutil.copytree(source, tmp_path / "all")
    changed(tmp_path / "all", "mu", 0, status="failed", error="no luck")
    Store(tmp_path / "all").path(next(r for r in load(source) if r["solver"] == "hals")["config"], 0).write_text("{")
    failed = changed(source, "mu", 1, status="failed", error="no luck")
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 0
    assert contents(tmp_path / "all") == whole
    assert json.loads(failed.read_text())["status"] == "failed"


def test_disagreement_shows_run_metric_values_and_machines_and_keeps_the_first(
    source: Path, tmp_path: Path, capsys
) -> None:
    shutil.copytree(source, tmp_path / "all")
    kept = contents(tmp_path / "all")
    record = next(r for r in load(source) if (r["solver"], r["seed"]) == ("mu", 1))
    metrics = [row | ({"value": 0.25} if row["metric"] == "ari" else {}) for row in record["metrics"]]
    (ari,) = (row["value"] for row in record["metrics"] if row["metric"] == "ari")
    path = changed(source, "mu", 1, metrics=metrics, environment=record["environment"] | {"cpu": "Other 9000"})
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"disagree: mu on synthetic, seed 1 ({path.stem}); largest difference")
    assert lines[1] == f"  ari, layer 1, n_clusters 2: kept {ari}, other 0.25"
    assert lines[2].startswith(f"  kept: {record['environment']['cpu']}, threads 1, torch") and "commit" in lines[2]
    assert lines[3].startswith("  other: Other 9000, threads 1, torch")
    assert lines[4] == f"{source}: 0 copied, 4 already there, 1 disagreeing, 0 not readable"
    assert contents(tmp_path / "all") == kept


@pytest.mark.parametrize(
    ("dtype", "factor", "code"), [("float32", 3e-6, 0), ("float32", 3e-5, 1), ("float64", 3e-6, 1)]
)
def test_rounding_is_summed_up_and_is_no_disagreement(
    dtype: str, factor: float, code: int, tmp_path: Path, capsys
) -> None:
    assert run(tmp_path / "a", "solver=mu", *TINY, "seeds=1", f"dtype={dtype}") == 0
    (record,) = load(Path(shutil.copytree(tmp_path / "a", tmp_path / "b")))
    changed(tmp_path / "b", "mu", 0, objective=record["objective"] * (1 + factor))
    capsys.readouterr()
    assert nmfbench("merge", tmp_path / "b", f"results_dir={tmp_path / 'a'}") == code
    expected = f"1 run within rounding of those already there; largest difference {factor:.1e} (final objective)"
    assert (expected in capsys.readouterr().out.splitlines()) == (code == 0)


def test_times_machine_and_words_of_a_table_are_no_disagreement(source: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(source, tmp_path / "all")
    changed(
        source, "mu", 0, seconds=99.0, environment={}, variant={"solver.lam": 1}, setting={}, block="b", footnote="f"
    )
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 0
    assert "within rounding" not in capsys.readouterr().out


def test_fits_that_a_time_limit_ended_are_no_disagreement(source: Path, tmp_path: Path, capsys) -> None:
    shutil.copytree(source, tmp_path / "all")
    changed(source, "mu", 0, status="max_seconds", iterations=2, objective=9.0)
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 0
    assert "different, because a time limit ended the fit: 1 run" in capsys.readouterr().out


def test_unreadable_file_is_named_and_not_copied(source: Path, tmp_path: Path, capsys) -> None:
    path = next((source / "runs").glob("*/mu/*.json"))
    path.write_text('{"schema": 3')
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"not copied: {path}: not JSON")
    assert lines[1] == f"{source}: 3 copied, 0 already there, 0 disagreeing, 1 not readable"
    assert not (tmp_path / "all" / path.relative_to(source)).exists()


def test_name_inside_a_record_leads_nowhere_else(source: Path, tmp_path: Path) -> None:
    record = next(r for r in load(source) if r["solver"] == "mu")
    path = next((source / "runs").glob("*/mu/*.json"))
    hostile = record["config"] | {"dataset": record["config"]["dataset"] | {"name": "../../../elsewhere"}}
    path.write_text(json.dumps(record | {"config": hostile}))
    assert nmfbench("merge", source, f"results_dir={tmp_path / 'all'}") == 0
    assert {path.name for path in tmp_path.iterdir()} == {"source", "all"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "is no folder; name a results folder"),
        ("empty", "no records in"),
        ("source", "is the results folder itself"),
        ("source/../source", "is the results folder itself"),
    ],
)
def test_source_without_records_or_the_folder_itself_is_refused(
    name: str, message: str, source: Path, tmp_path: Path, capsys
) -> None:
    (tmp_path / "empty").mkdir()
    before = contents(source)
    assert nmfbench("merge", tmp_path / name, f"results_dir={source}") == 2
    assert message in capsys.readouterr().err and contents(source) == before


def test_results_folder_alone_is_no_source(tmp_path: Path, capsys) -> None:
    assert nmfbench("merge", f"results_dir={tmp_path}") == 2
    assert "nmfbench merge DIR" in capsys.readouterr().err
