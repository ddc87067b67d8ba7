"""`nmfbench verify`: records as they should be pass, and whatever was changed, moved or outdated is found."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shell import load, nmfbench, run

from nmfbench.records import Record, Store, digest
from nmfbench.running import agreement, cards
from nmfbench.solvers.mu import MultiplicativeNMF

TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["evaluator.n_init=2", "stopping.max_iter=20"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of one seed, each fitted alone: plain, deep, semi-supervised and raw."""
    folder = tmp_path_factory.mktemp("made")
    assert run(folder, "-m", "solver=mu,deep_kl,raw", *TINY, "seeds=1") == 0
    assert run(folder, "solver=ssnmf", *TINY, "seeds=1", "label_fraction=0.4") == 0
    return folder


@pytest.fixture
def results(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "results"))


def change(folder: Path, edit: Callable[[Record], Record], **which: Any) -> Path:
    """Edit the records of that folder that have these values; the file of the last one."""
    for record in load(folder):
        if all(record[key] == value for key, value in which.items()):
            path = Store(folder).path(record["config"], record["seed"])
            path.write_text(json.dumps(edit(record)))
    return path


def scaled(factor: float, metric: str) -> Callable[[Record], Record]:
    """Multiply a metric."""

    def edit(record: Record) -> Record:
        rows = [
            row | ({"value": row["value"] * factor} if row["metric"] == metric else {}) for row in record["metrics"]
        ]
        return record | {"metrics": rows}

    return edit


def verify(folder: Path, *words: str) -> int:
    return nmfbench("verify", *words, f"results_dir={folder}")


def test_records_of_this_machine_are_repeated_bit_by_bit_and_nothing_is_written(results: Path, capsys) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in results.rglob("*") if path.is_file()}
    assert verify(results) == 0
    sums = f"4 of 4 records in {results / 'runs'} have the right name, data and code"
    assert capsys.readouterr().out == f"{sums}; 4 fitted again: 4 equal, 0 within the tolerance, 0 differing\n"
    after = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in results.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    ("edit", "shown"),
    [
        (lambda r: r | {"objective": r["objective"] * (1 + 1e-6)}, "final objective: record "),
        (lambda r: r | {"iterations": 19}, "iterations: record 19, now 20"),
        (lambda r: r | {"status": "stopped"}, "status: record stopped, now "),
        (scaled(1 + 1e-6, "error"), "error: record "),
        (scaled(0.9, "nmi"), "nmi, layer 1, n_clusters 2: record "),
        (scaled(1 + 1e-6, "sparsity_H"), "sparsity_H: record "),
        (
            lambda r: (
                r | {"metrics": [row | ({"starts": [0.5, 0.5]} if row.get("starts") else {}) for row in r["metrics"]]}
            ),
            "start 1: record 0.5, now ",
        ),
        (lambda r: r | {"metrics": [*r["metrics"], {"metric": "luck", "value": 7}]}, "luck: record 7, now None"),
    ],
)
def test_changed_value_is_found_and_shown_with_the_present_one(edit, shown: str, results: Path, capsys) -> None:
    path = change(results, edit, solver="mu")
    assert verify(results, "solver=mu") == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"differs: mu on synthetic, seed 0 ({path.stem})"
    assert any(line.strip().startswith(shown) or shown in line for line in lines[1:-1])
    assert lines[-1].endswith("1 fitted again: 0 equal, 0 within the tolerance, 1 differing")


@pytest.mark.parametrize(
    "elsewhere", [{"environment": {"cpu": "Other 9000"}}, {"environment": {"torch": "1.0"}}, {"batch": [0, 1]}]
)
@pytest.mark.parametrize(("factor", "code"), [(1.01, 0), (1.1, 1)])
def test_fit_elsewhere_or_in_a_batch_may_differ_within_the_tolerance(
    elsewhere: Record, factor: float, code: int, results: Path, capsys
) -> None:
    def edit(record: Record) -> Record:
        changed = {"environment": record["environment"] | elsewhere.get("environment", {})}
        return scaled(factor, "error")(record) | {"batch": elsewhere.get("batch", record["batch"])} | changed

    change(results, edit, solver="mu")
    assert verify(results, "solver=mu") == code
    out = capsys.readouterr().out
    assert ("1 within the tolerance: another CPU" in out) == (code == 0)
    assert ("furthest apart within it: mu on synthetic, seed 0" in out and "by 9.9e-03\n  error: " in out) == (
        code == 0
    )


def test_float64_is_held_to_its_rounding_elsewhere(tmp_path: Path) -> None:
    assert run(tmp_path, "solver=mu", *TINY, "seeds=2", "dtype=float64") == 0
    change(tmp_path, lambda r: r | {"batch": [0, 1]} | {"objective": r["objective"] * (1 + 1e-11)})
    assert verify(tmp_path, "--sample", "100%") == 0
    change(tmp_path, lambda r: r | {"objective": r["objective"] * (1 + 1e-7)})
    assert verify(tmp_path, "--sample", "100%") == 1


def test_file_under_another_name_and_unreadable_file_are_found(results: Path, capsys) -> None:
    mu, raw = (next((results / "runs/synthetic" / name).glob("*.json")) for name in ("mu", "raw"))
    mu.rename(moved := mu.with_name(f"{'0' * 16}.json"))
    raw.write_text("{")
    assert verify(results) == 1
    out = capsys.readouterr().out
    assert f"{moved}: its config and seed belong to another file name, synthetic/mu/{mu.name}" in out
    assert f"{raw}: not JSON" in out and "2 of 4 records" in out


def test_changed_config_is_found_by_the_name(results: Path, capsys) -> None:
    path = next((results / "runs/synthetic/mu").glob("*.json"))
    record = json.loads(path.read_text())
    record["config"]["solver"]["lam"] = 0.5
    path.write_text(json.dumps(record))
    assert verify(results, "solver=mu") == 1
    assert "belong to another file name" in capsys.readouterr().out


def test_record_of_another_version_of_the_code_is_named_and_not_fitted(results: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(MultiplicativeNMF, "version", MultiplicativeNMF.version + 1)
    assert verify(results, "solver=mu") == 1
    out = capsys.readouterr().out
    version = MultiplicativeNMF.version
    assert f"made by version {version - 1} of mu; the code here is version {version}" in out and "0 fitted again" in out


def test_method_from_elsewhere_is_repeated_until_its_source_changes(
    tmp_path: Path, configs: list[str], capsys, monkeypatch
) -> None:
    monkeypatch.setenv("NMFBENCH_CONFIG", configs[1])
    assert run(tmp_path / "results", "solver=troubled", *TINY, "seeds=1") == 0
    assert verify(tmp_path / "results") == 0
    assert "1 equal" in capsys.readouterr().out
    monkeypatch.setattr("nmfbench.running.verifying.source_hash", lambda cls: "another")
    assert verify(tmp_path / "results", "solver=troubled") == 1
    assert "the source of solver troubled has changed since" in capsys.readouterr().out


def test_class_that_nobody_named_is_refused_and_not_imported(results: Path, capsys) -> None:
    path = next((results / "runs/synthetic/mu").glob("*.json"))
    record = json.loads(path.read_text())
    record["config"]["solver"]["_target_"] = "antigravity.Solver"
    path.unlink()
    path.with_name(f"{digest(record['config'] | {'seed': 0})}.json").write_text(json.dumps(record))
    assert verify(results, "solver=mu") == 1
    assert "solver._target_ 'antigravity.Solver' is refused" in capsys.readouterr().out


def test_data_that_has_changed_is_found_and_data_that_is_gone_is_said(tmp_path: Path, capsys) -> None:
    X, path = np.random.default_rng(0).uniform(size=(30, 6)), tmp_path / "mine.npz"
    np.savez(path, X=X, y=np.arange(30) % 3)
    call = ["solver=mu", "dataset=file", f"dataset.path={path}", "dataset.x=X", "dataset.y=y", *TINY[-2:], "seeds=1"]
    assert run(tmp_path / "results", *call) == 0
    assert verify(tmp_path / "results") == 0
    np.savez(path, X=X + 1, y=np.arange(30) % 3)
    cards.load.cache_clear()  # another process would not have the old data in memory
    capsys.readouterr()
    assert verify(tmp_path / "results") == 1
    assert "its data has another sha256 here" in capsys.readouterr().out
    path.unlink()
    cards.load.cache_clear()
    assert verify(tmp_path / "results") == 0
    out = capsys.readouterr().out
    assert "mine: data and fits of 1 record are not checked, because" in out and "0 fitted again" in out


def test_each_seed_with_data_of_its_own_is_checked_on_that_data(data_dir: str, tmp_path: Path, capsys) -> None:
    call = ["solver=mu", "dataset=yale", "dataset.classes=3", *TINY[-2:], "rank=3", "seeds=2"]
    assert run(tmp_path, *call) == 0
    sums = {record["config"]["dataset"]["sha256"] for record in load(tmp_path)}
    assert len(sums) == 2
    assert verify(tmp_path, "--sample", "100") == 0
    assert "2 fitted again: 2 equal" in capsys.readouterr().out


def test_failed_records_and_those_that_time_ended_are_counted(results: Path, capsys) -> None:
    change(results, lambda r: r | {"status": "failed", "error": "no luck"}, solver="mu")
    change(results, lambda r: r | {"status": "max_seconds", "iterations": 3}, solver="deep_kl")
    assert verify(results) == 0
    out = capsys.readouterr().out
    assert "1 failed and not fitted again" in out and "1 ended by a time limit, and not compared" in out
    assert "3 of 4 records" in out and "2 fitted again: 2 equal" in out


def test_stability_is_compared_where_the_bases_of_seed_0_are_here(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "solver=mu", *TINY, "seeds=1") == run(tmp_path, "solver=mu", *TINY, "seeds=2") == 0
    assert verify(tmp_path, "--sample", "100%") == 0
    assert "2 equal" in capsys.readouterr().out
    change(tmp_path, scaled(0.9, "stability"), seed=1)
    assert verify(tmp_path, "--sample", "100%") == 1
    assert "stability: record " in capsys.readouterr().out
    next(tmp_path.rglob("*.bases.npy")).unlink()
    assert verify(tmp_path, "--sample", "100%") == 0
    assert "1 compared without stability, because the bases of seed 0 are not here" in capsys.readouterr().out


def test_sample_is_a_share_of_each_method_and_at_least_one_and_always_the_same(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "-m", "solver=mu,raw", *TINY, "seeds=3", "stopping.max_iter=2") == 0
    first = min((tmp_path / "runs/synthetic/mu").glob("*.json"))
    change(tmp_path, lambda r: r | {"iterations": 9}, solver="mu")
    for words, n, differing in (((), 2, 1), (("--sample", "34%"), 4, 2), (("--sample", "100%"), 6, 3)):
        capsys.readouterr()
        assert verify(tmp_path, *words) == 1
        printed = capsys.readouterr()
        assert f"{n} of 6 records are fitted again" in printed.err and f"{differing} differing" in printed.out
        assert f"({first.stem})" in printed.out


def test_records_of_old_schemas_are_brought_to_the_present_one(results: Path, capsys) -> None:
    def old(record: Record) -> Record:
        return {k: v for k, v in record.items() if k != "fall"} | {"schema": 2, "status": record["status"]}

    change(results, old, solver="mu")
    assert verify(results, "solver=mu") == 0
    assert "1 equal" in capsys.readouterr().out


def test_experiment_chooses_its_own_records(results: Path, capsys, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "configs/experiment").mkdir(parents=True)
    yaml = f"# @package _global_\nseeds: 1\nruns: ['solver=raw {' '.join(TINY)}']\n"
    (tmp_path / "configs/experiment/mine.yaml").write_text(yaml)
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    change(results, lambda r: r | {"iterations": 9}, solver="mu")
    assert verify(results, "mine") == 0
    assert "1 of 1 records" in capsys.readouterr().out
    assert verify(results, "minne") == 2
    assert "did you mean mine?" in capsys.readouterr().err


def test_nothing_to_verify_and_a_wrong_share_are_wrong_use(tmp_path: Path, capsys) -> None:
    assert verify(tmp_path) == 2
    assert "no record in" in capsys.readouterr().err
    for share in ("0%", "101%", "nan", "half"):
        with pytest.raises(SystemExit) as ended:
            verify(tmp_path, "--sample", share)
        assert ended.value.code == 2 and "at most 100%" in capsys.readouterr().err


def test_size_of_a_difference_is_relative_and_of_tiny_metrics_absolute() -> None:
    first = {"objective": 1e-9, "error": 1e-9, "nmi": 0.5, "dead": 1, "here alone": 3}
    second = {"objective": 2e-9, "error": 2e-9, "nmi": 0.4, "dead": None}
    sizes = {d.name: d.size for d in agreement.differences(first, second)}
    assert list(sizes) == ["dead", "objective", "nmi", "error"]
    assert sizes == pytest.approx({"dead": np.inf, "objective": 0.5, "nmi": 0.2, "error": 1e-6})
