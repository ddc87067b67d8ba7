"""Bad data, through the command line: exit codes, what a message says, and that nothing was recorded."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from troubled import SHORT, SYNTHETIC, records, run

from nmfbench.cli import main


def csv(path: Path, X: np.ndarray, y: list | None = None) -> list[str]:
    """The arguments that make a dataset of samples in rows."""
    table = pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])
    if y is not None:
        table["label"] = y
    table.to_csv(path, index=False)
    return ["dataset=file", f"dataset.path='{path}'", *(["dataset.y=label"] if y is not None else [])]


@pytest.fixture
def samples() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.1, 1, (12, 5))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_entries_that_are_not_finite_are_refused_with_their_place(bad, samples, tmp_path, capsys) -> None:
    samples[7, 2] = samples[9, 4] = bad
    data = csv(tmp_path / "mine.csv", samples)
    assert run(tmp_path, *data, "solver=mu", "rank=2") == 3
    output = capsys.readouterr().err
    assert "mine" in output and "2 " in output and "feature 2, sample 7" in output and "Traceback" not in output
    assert not (tmp_path / "results").exists()


def test_negative_entries_are_refused_alone_and_left_out_of_a_sweep(samples, tmp_path, capsys) -> None:
    samples[0, 0] = -3
    data = [*csv(tmp_path / "mine.csv", samples, ["a", "b"] * 6), "dataset.scaling=none", "seeds=1", *SHORT]
    assert run(tmp_path, *data, "solver=mu") == 2
    output = capsys.readouterr().err
    assert "X ≥ 0" in output and "-3" in output and "min_max" in output
    assert not records(tmp_path)
    assert run(tmp_path, "-m", *data, "solver=mu,wnnf,raw") == 0
    assert "left out: mu on mine" in capsys.readouterr().err
    assert {record["solver"] for record in records(tmp_path)} == {"wnnf", "raw"}


DEGENERATE = {
    "a zero row and a zero column": lambda X: X * (np.arange(5) != 1) * (np.arange(12) != 4)[:, None],
    "one sample": lambda X: X[:1],
    "all zero": lambda X: X * 0,
    "constant": lambda X: X * 0 + 2,
}


@pytest.mark.parametrize("case", DEGENERATE)
@pytest.mark.parametrize("labelled", [True, False])
def test_degenerate_data_gives_finite_numbers_and_no_failure(case, labelled, samples, tmp_path, capsys) -> None:
    X = DEGENERATE[case](samples)
    data = csv(tmp_path / "mine.csv", X, (["a", "b"] * 6)[: len(X)] if labelled else None)
    assert run(tmp_path, "-m", *data, "solver=mu,wnnf,raw", "rank=1", "seeds=2", *SHORT) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed.lower() and "inf " not in printed
    for record in records(tmp_path):
        assert record["status"] in ("max_iter", "converged", "solved", "stopped")
        values = [row["value"] for row in record["metrics"] if row.get("n_clusters") is None or case != "one sample"]
        assert values and np.isfinite(values).all()
        assert any(row["metric"] == "nmi" for row in record["metrics"]) == labelled


@pytest.mark.parametrize("rank", ["0", "-1", "1.5", "many", "99999999999999999999"])
def test_rank_that_is_no_positive_integer_is_refused(rank, tmp_path, capsys) -> None:
    assert run(tmp_path, *SYNTHETIC, "solver=mu", f"rank={rank}") == 2
    output = capsys.readouterr().err
    assert "rank" in output and rank in output and "Traceback" not in output
    assert not records(tmp_path)


def test_rank_above_the_sides_of_X_is_refused_by_methods_that_cannot_reach_it_alone(tmp_path, capsys) -> None:
    big = [*SYNTHETIC, "rank=9", "seeds=1", *SHORT]
    assert run(tmp_path, *big, "solver=mu") == 0
    assert run(tmp_path, *big, "solver=pca") == 2
    assert "at most 8" in capsys.readouterr().err
    assert run(tmp_path, *big, "solver=mu", "solver.init=nndsvd") == 2
    assert "nndsvd starts reach rank 8" in (output := capsys.readouterr().err) and "init=uniform" in output
    assert [r["solver"] for r in records(tmp_path) if r["status"] != "failed"] == ["mu"]


def test_fewer_samples_than_clusters_is_refused_and_one_class_has_a_dash(samples, tmp_path, capsys) -> None:
    data = csv(tmp_path / "mine.csv", samples, ["a"] * len(samples))
    assert run(tmp_path, *data, "solver=mu", "seeds=1", *SHORT, "evaluator.n_clusters=[13]") == 2
    assert "n_clusters has 13, but there are 12 samples" in capsys.readouterr().err and not records(tmp_path)
    assert run(tmp_path, *data, "solver=mu", "seeds=2", *SHORT, "evaluator.n_clusters=[1,3,12]") == 0
    printed = capsys.readouterr().out
    header, _, row = printed.splitlines()[2:5]
    assert "k = 1" in header and "k = 12" in header and row.split().count("–") == 3 and "100.0" not in printed
    assert "one class, so no clustering of them has a score" in printed
    for record in records(tmp_path):
        scores = [row["value"] for row in record["metrics"] if row.get("n_clusters")]
        assert scores == [None] * 3 * 6
    for form in ("csv", "latex", "md"):
        assert main(["table", "--results", str(tmp_path / "results"), "--format", form]) == 0


def test_missing_data_stops_a_single_run_and_is_left_out_of_a_sweep(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "empty"))
    for name in ("ar", "imagenet_cnn"):
        assert run(tmp_path, f"dataset={name}", "solver=raw", "rank=2") == 3
        assert f"nmfbench data fetch {name}" in capsys.readouterr().err
    assert not records(tmp_path)
    several = ["-m", "dataset=ar,digits,imagenet_cnn", "solver=raw", "seeds=1", "evaluator.n_init=1"]
    assert run(tmp_path, *several) == 0
    output = capsys.readouterr().err
    assert "left out: raw on ar" in output and "left out: raw on imagenet_cnn" in output
    assert [record["dataset"] for record in records(tmp_path)] == ["digits"]
    assert run(tmp_path, "-m", "dataset=ar,imagenet_cnn", "solver=raw") == 3


def test_without_labels_the_fit_runs_and_the_table_shows_its_objective(samples, tmp_path, capsys) -> None:
    data = csv(tmp_path / "mine.csv", samples)
    assert run(tmp_path, *data, "solver=mu", "seeds=2", *SHORT) == 2
    assert "rank must be given" in capsys.readouterr().err
    assert run(tmp_path, *data, "solver=mu", "rank=2", "seeds=2", *SHORT) == 0
    capsys.readouterr()
    assert main(["table", "--results", str(tmp_path / "results")]) == 0
    header, _, row = capsys.readouterr().out.splitlines()[2:5]
    shown = dict(zip(header.split(), row.split(), strict=False))
    (first, second) = records(tmp_path)
    assert "nmi" not in shown, "a column that is empty says nothing"
    assert float(shown["objective"]) == pytest.approx((first["objective"] + second["objective"]) / 2, rel=1e-4)


@pytest.mark.parametrize("kind", ["int64", "uint8", "float16"])
def test_real_numbers_of_every_kind_give_the_same_metrics(kind, samples, tmp_path) -> None:
    X = (samples * 9).astype(kind)
    for name, array in {"given": X, "plain": X.astype(float)}.items():
        np.savez(tmp_path / f"{name}.npz", X=array, y=np.arange(12) % 2)
        path = f"dataset.path='{tmp_path / f'{name}.npz'}'"
        assert run(tmp_path, "dataset=file", path, "dataset.y=y", "solver=mu", "seeds=1", *SHORT) == 0
    given, plain = records(tmp_path)
    assert given["metrics"] == plain["metrics"] and {given["dataset"], plain["dataset"]} == {"given", "plain"}


@pytest.mark.parametrize("kind", ["complex128", "object"])
def test_what_is_no_real_number_is_refused(kind, samples, tmp_path, capsys) -> None:
    np.savez(tmp_path / "mine.npz", X=samples.astype(kind))
    assert run(tmp_path, "dataset=file", f"dataset.path='{tmp_path / 'mine.npz'}'", "solver=mu", "rank=2") == 3
    assert "mine" in (output := capsys.readouterr().err) and "Traceback" not in output
    assert not records(tmp_path)


@pytest.mark.parametrize("beta", [1, 2])
@pytest.mark.parametrize("scale", [1e38, 1e30, 1e-38])
def test_overflow_never_shows_as_a_number(scale, beta, samples, tmp_path, capsys) -> None:
    data = [*csv(tmp_path / "mine.csv", samples * scale, ["a", "b"] * 6), "dataset.scaling=none"]
    assert run(tmp_path, *data, "solver=mu", f"solver.beta={beta}", "rank=2", "seeds=1", *SHORT) == 0
    printed = capsys.readouterr().out
    assert "nan" not in printed.lower() and "inf " not in printed
    (record,) = records(tmp_path)
    assert record["status"] in ("max_iter", "converged", "solved", "stopped") or "at iteration" in record["error"]
