"""Missing numbers in a user's data: refused by default, and on request a mask that every later step respects."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from shell import load, nmfbench, run

from nmfbench import load_dataset
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.scaling import SCALINGS
from nmfbench.errors import ConfigError, DataError

ROWS = np.random.default_rng(0).uniform(0.5, 9, (11, 7))
ROWS[[0, 2, 2, 10], [3, 0, 5, 6]] = np.nan


def table(folder: Path, mark: str = "") -> Path:
    path = folder / "t.csv"
    pd.DataFrame(ROWS, columns=[f"f{j}" for j in range(7)]).to_csv(path, index=False, na_rep=mark)
    return path


def loaded(path: Path, **settings: object) -> Dataset:
    return load_dataset("file", path=str(path), **{"scaling": "none", **settings})


def as_read(data: Dataset) -> None:
    np.testing.assert_allclose(data.X, ROWS.T, rtol=1e-15)
    np.testing.assert_array_equal(data.observed, ~np.isnan(ROWS.T))


@pytest.mark.parametrize("missing", ["nan", "NaN", float("nan"), ["nan"]])
@pytest.mark.parametrize("mark", ["", "NA", "nan", "?"])
def test_missing_numbers_of_a_table_are_a_mask_on_request_and_else_refused(mark: str, missing, tmp_path: Path) -> None:
    path = table(tmp_path, mark)
    with pytest.raises(DataError, match=r'4 values are missing, .* out of the fit: missing="nan"'):
        loaded(path)
    data = loaded(path, missing=missing)
    as_read(data)
    assert data.preprocessing[-2:] == ("5.2% of the entries missing", "no scaling")


def test_texts_of_a_users_own_are_missing_entries_beside_nan(tmp_path: Path) -> None:
    path = table(tmp_path, "-99")
    with pytest.raises(DataError, match="4 values are missing"):
        loaded(path, missing=["-99"])
    as_read(loaded(path, missing=["nan", -99]))
    with pytest.raises(ConfigError, match="missing must be nan or a list"):
        loaded(path, missing="-99")


@pytest.mark.parametrize("kind", ["npy", "npz", "parquet", "xlsx"])
def test_NaN_is_missing_in_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    path, frame = tmp_path / f"t.{kind}", pd.DataFrame(ROWS, columns=[f"f{j}" for j in range(7)])
    write = {
        "npy": lambda: np.save(path, ROWS),
        "npz": lambda: np.savez(path, X=ROWS),
        "parquet": lambda: frame.to_parquet(path),
        "xlsx": lambda: frame.to_excel(path, index=False),
    }
    write[kind]()
    with pytest.raises(DataError, match=r'missing="nan"'):
        loaded(path)
    as_read(loaded(path, missing="nan"))


def test_infinite_numbers_and_NaN_in_a_sparse_matrix_are_refused_as_ever(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.where(np.arange(7) == 2, np.inf, ROWS))
    with pytest.raises(DataError, match="11 NaN or infinite entries, the first at feature 2, sample 0"):
        loaded(tmp_path / "t.npy", missing="nan")
    scipy.sparse.save_npz(tmp_path / "s.npz", scipy.sparse.csr_array(ROWS))
    with pytest.raises(DataError, match="4 NaN or infinite entries"):
        loaded(tmp_path / "s.npz", missing="nan")
    as_read(loaded(tmp_path / "s.npz", missing="nan", dense=True))


@pytest.mark.parametrize("axis", [0, 1])
def test_feature_or_sample_of_which_nothing_is_there_is_refused_by_name(axis: int, tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[(slice(None), 4) if axis == 0 else (slice(8, 10), slice(None))] = np.nan
    pd.DataFrame(rows, columns=[f"f{j}" for j in range(7)]).to_csv(tmp_path / "t.csv", index=False, na_rep="NA")
    words = r"1 features have no observed entry, the first feature 4 \(f4\)" if axis == 0 else "2 samples .* sample 8,"
    with pytest.raises(DataError, match=words):
        loaded(tmp_path / "t.csv", missing="nan")


@pytest.mark.parametrize("scaling", SCALINGS)
def test_scalings_use_the_observed_entries_alone(scaling: str) -> None:
    X, scaled = ROWS.T, SCALINGS[scaling][0](ROWS.T)
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(X))
    for i, feature in enumerate(X):
        seen = feature[~np.isnan(feature)]
        if scaling in ("column_max", "min_max"):
            low, by = (0, seen.max()) if scaling == "column_max" else (seen.min(), np.ptp(seen))
            np.testing.assert_allclose(scaled[i][~np.isnan(feature)], (seen - low) / by, rtol=1e-12)
    for j, sample in enumerate(X.T):
        seen = sample[~np.isnan(sample)]
        if scaling in ("unit_norm", "lee_seung"):
            standard = 0.25 + 0.25 * (seen - seen.mean()) / seen.std()
            expected = seen / np.linalg.norm(seen) if scaling == "unit_norm" else standard.clip(0, 1)
            np.testing.assert_allclose(scaled[:, j][~np.isnan(sample)], expected, rtol=1e-12)
    if scaling == "max":
        np.testing.assert_allclose(scaled, X / X[~np.isnan(X)].max())


def test_error_of_the_mean_sample_and_checksum_are_those_of_the_observed_entries(tmp_path: Path) -> None:
    data = loaded(table(tmp_path), missing="nan")
    left = data.X - np.nanmean(data.X, 1, keepdims=True)
    expected = np.sqrt(np.nansum(left**2) / np.nansum(data.X**2))
    assert data.error_of_mean == pytest.approx(expected, rel=1e-12)
    other = np.where(np.isnan(ROWS), -np.nan, ROWS)
    np.save(tmp_path / "t.npy", other)
    assert loaded(tmp_path / "t.npy", missing="nan").sha256 == data.sha256
    other[4, 4] = np.nan
    np.save(tmp_path / "t.npy", other)
    assert loaded(tmp_path / "t.npy", missing="nan").sha256 != data.sha256


def test_run_reads_missing_entries_from_the_command_line_and_leaves_out_who_needs_all(tmp_path: Path, capsys) -> None:
    words = [f"dataset.path={table(tmp_path)}", "dataset=file", "rank=2", "seeds=2", "stopping.max_iter=5"]
    assert run(tmp_path, "-m", "solver=mu,pca,anls", *words) == 3
    assert "dataset.missing=nan" in capsys.readouterr().err
    assert run(tmp_path, "-m", "solver=mu,pca,anls", *words, "dataset.missing=nan") == 0
    printed = capsys.readouterr()
    assert "left out: pca on t: PCA with these settings needs all entries of X, and 4 are missing" in printed.err
    records = load(tmp_path)
    assert {record["solver"] for record in records} == {"mu", "anls"} and len(records) == 4
    assert "5.2% of the entries missing" in records[0]["data"]["preprocessing"]
    X = ROWS.T / np.nanmax(ROWS)
    assert records[0]["data"]["error_of_mean"] == pytest.approx(
        np.sqrt(np.nansum((X - np.nanmean(X, 1, keepdims=True)) ** 2) / np.nansum(X**2))
    )
    assert nmfbench("verify", f"results_dir={tmp_path}") == 0


def test_import_reads_missing_entries(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    path = table(tmp_path, "NA")
    assert nmfbench("data", "import", path) == 3
    assert "--missing nan" in capsys.readouterr().err
    assert nmfbench("data", "import", path, "--missing", "nan") == 0
    assert "0.5" in capsys.readouterr().out
    as_read(load_dataset("t", scaling="none"))


@pytest.mark.parametrize("evaluator", ["topics", "factors"])
def test_evaluator_that_reads_all_of_X_refuses_missing_entries(evaluator: str, tmp_path: Path, capsys) -> None:
    words = [f"dataset.path={table(tmp_path)}", "dataset=file", "dataset.missing=nan", "rank=2", "seeds=1"]
    assert run(tmp_path, "solver=mu", *words, f"evaluator={evaluator}") == 2
    assert f"evaluator={evaluator} reads all entries of X" in capsys.readouterr().err


def test_synthetic_ratings_are_as_rare_and_as_uneven_as_asked() -> None:
    data = load_dataset("ratings_synthetic", scaling="none")
    assert data.X.shape == (200, 400) and data.y is None
    assert data.observed.mean() == pytest.approx(0.2, abs=1e-4)
    of_films, of_users = data.observed.sum(1), data.observed.sum(0)
    assert of_films.min() >= 1 and of_users.min() >= 1
    assert np.sort(of_films)[-20:].sum() > 0.3 * of_films.sum() and np.sort(of_users)[-40:].sum() > 0.2 * of_users.sum()
    truth = data.truth["WH"]
    assert np.linalg.matrix_rank(truth) == 5
    noise = (data.X - truth)[data.observed]
    assert noise.std() == pytest.approx(0.1, rel=0.05) and abs(noise.mean()) < 0.01
    np.testing.assert_array_equal(data.X, load_dataset("ratings_synthetic", scaling="none").X)
    assert not np.array_equal(data.X, load_dataset("ratings_synthetic", scaling="none", seed=1).X, equal_nan=True)
    assert load_dataset("ratings_synthetic", missing=0.0).observed is None


@pytest.mark.parametrize(("key", "value"), [("missing", 1.0), ("noise", -1.0), ("n_films", 0), ("seed", -1)])
def test_impossible_ratings_are_refused(key: str, value: float) -> None:
    with pytest.raises(ConfigError, match=key):
        load_dataset("ratings_synthetic", **{key: value})
