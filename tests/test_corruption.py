"""Corruption of any dataset: it is what it says, it is part of a record's name, and fits are held to the clean data."""

import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from shell import load, nmfbench, run

from nmfbench import load_dataset, papers
from nmfbench.datasets.base import Dataset
from nmfbench.datasets.corruption import KINDS, corrupt
from nmfbench.datasets.synthetic import Synthetic
from nmfbench.errors import ConfigError, DataError, NotApplicable
from nmfbench.records import Store
from nmfbench.reports.blocks import split
from nmfbench.reports.selecting import select

RNG = np.random.default_rng(0)
FACES = Dataset("faces", RNG.uniform(0.2, 0.9, (12 * 10, 300)), RNG.integers(3, size=300), shape=(12, 10))
TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["evaluator.n_init=2", "stopping.max_iter=20", "seeds=1"]


@pytest.mark.parametrize("kind", KINDS)
def test_level_0_changes_nothing_and_a_draw_decides_the_rest(kind: str) -> None:
    np.testing.assert_array_equal(corrupt(FACES, kind, 0).X, FACES.X)
    once, again, other = (corrupt(FACES, kind, 0.3, draw) for draw in (0, 0, 1))
    assert once.sha256 == again.sha256 != other.sha256 and once.sha256 != FACES.sha256
    assert once.X.min() >= 0 and once.clean is FACES.X
    np.testing.assert_array_equal(once.y, FACES.y)
    assert once.preprocessing == (f"corrupted by {kind}, level 0.3",)
    assert other.preprocessing == (f"corrupted by {kind}, level 0.3, draw 1",)


def test_salt_and_pepper_hit_their_share_of_the_entries_in_halves() -> None:
    X = corrupt(FACES, "salt_pepper", 0.2).X
    hit = X != FACES.X
    assert hit.mean() == pytest.approx(0.2, abs=0.01)
    assert {*X[hit]} == {FACES.X.min(), FACES.X.max()}
    assert (X[hit] == FACES.X.max()).mean() == pytest.approx(0.5, abs=0.02)
    more = corrupt(FACES, "salt_pepper", 0.4).X
    np.testing.assert_array_equal(more[hit], X[hit])


@pytest.mark.parametrize("colours", [(), (3,)])
def test_occlusion_is_a_block_at_another_place_in_each_image(colours: tuple[int, ...]) -> None:
    shape = (12, 10, *colours)
    images = np.random.default_rng(1).uniform(0, 0.9, (np.prod(shape), 301))
    images[0, 0] = 1  # the largest entry; its image is not looked at
    X = corrupt(Dataset("faces", images, shape=shape), "occlusion", 0.25).X
    corners = []
    for column, before in zip(X.T[1:], images.T[1:], strict=True):
        hit = (column == 1).reshape(shape)
        np.testing.assert_array_equal(column[~hit.ravel()], before[~hit.ravel()])
        rows, columns = (np.flatnonzero(hit.any(tuple({0, 1, 2}.intersection(range(hit.ndim)) - {a}))) for a in (0, 1))
        assert len(rows) == np.ptp(rows) + 1 == 6 and len(columns) == np.ptp(columns) + 1 == 5
        assert hit.sum() == 30 * np.prod(colours, dtype=int)
        corners.append((rows[0], columns[0]))
    assert {*corners} == {(i, j) for i in range(7) for j in range(6)}, "every place of 12 × 10 pixels"
    np.testing.assert_array_equal(corrupt(FACES, "occlusion", 1).X, FACES.X.max())
    with pytest.raises(NotApplicable, match="corrupt=occlusion needs images, and faces has no image shape"):
        corrupt(replace(FACES, shape=None), "occlusion", 0.25)


def test_gaussian_noise_has_its_norm_and_is_cut_only_where_all_was_nonnegative() -> None:
    noise = corrupt(FACES, "gaussian", 0.1).X - FACES.X
    assert np.linalg.norm(noise) / np.linalg.norm(FACES.X) == pytest.approx(0.1, rel=0.01)
    assert abs(noise.mean()) < 0.01 * noise.std() + 3 * noise.std() / np.sqrt(noise.size)
    assert corrupt(FACES, "gaussian", 2.0).X.min() == 0
    signed = replace(FACES, X=FACES.X - 0.5)
    noise = corrupt(signed, "gaussian", 2.0).X - signed.X
    assert np.linalg.norm(noise) / np.linalg.norm(signed.X) == pytest.approx(2.0)


def test_outliers_are_whole_samples_of_uniform_noise() -> None:
    X = corrupt(FACES, "outliers", 0.1).X
    hit = (X != FACES.X).all(0)
    assert hit.sum() == 30 and ((X != FACES.X).any(0) == hit).all()
    low, high = FACES.X.min(), FACES.X.max()
    assert X[:, hit].mean() == pytest.approx((low + high) / 2, abs=0.02)
    assert X[:, hit].std() == pytest.approx((high - low) / np.sqrt(12), rel=0.03)
    more = corrupt(FACES, "outliers", 0.3).X
    np.testing.assert_array_equal(more[:, hit], X[:, hit])


@pytest.mark.parametrize("kind", KINDS)
def test_missing_entries_stay_missing_and_sparse_data_becomes_dense(kind: str) -> None:
    observed = np.random.default_rng(2).uniform(size=FACES.X.shape) > 0.1
    holes = replace(FACES, X=np.where(observed, FACES.X, np.nan), observed=observed)
    np.testing.assert_array_equal(np.isnan(corrupt(holes, kind, 0.2).X), ~observed)
    sparse = replace(FACES, X=scipy.sparse.csc_array(FACES.X))
    np.testing.assert_allclose(corrupt(sparse, kind, 0.2).X, corrupt(FACES, kind, 0.2).X, rtol=1e-12)


def test_sparse_data_that_would_not_fit_is_refused() -> None:
    huge = Dataset("huge", scipy.sparse.csc_array((10**6, 10**6)))
    with pytest.raises(DataError, match="huge, corrupted and so no longer sparse, declares 7,450"):
        corrupt(huge, "outliers", 0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["corrupt=salt_peper"], "no corrupt is called 'salt_peper'; did you mean salt_pepper"),
        (["corrupt=salt_pepper", "corrupt.level=1.5"], r"corrupt: level must lie in \[0, 1\], got 1.5"),
        (["corrupt=gaussian", "corrupt.level=-1"], "corrupt: level must be nonnegative, got -1"),
        (["corrupt=gaussian", "corrupt.draw=-1"], "corrupt: draw must be nonnegative, got -1"),
        (["corrupt.level=0.1"], "unknown key corrupt.level; the corrupt that is chosen has no settings"),
        (["corrupt=occlusion"], "corrupt=occlusion needs images, and synthetic has no image shape"),
    ],
)
def test_what_cannot_be_is_refused_in_words(words: list[str], message: str, tmp_path: Path, capsys) -> None:
    with pytest.raises(ConfigError, match=r"kind must be one of salt_pepper, .*; did you mean outliers"):
        corrupt(FACES, "outlier", 0.1)
    assert run(tmp_path, "solver=mu", *TINY, *words) != 0
    assert re.search(message, capsys.readouterr().err)


def test_record_of_corrupted_data_has_a_name_of_its_own_and_others_keep_theirs(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "solver=mu", *TINY) == 0
    (plain,) = load(tmp_path)
    parameters = {f.name for f in fields(Synthetic)} - {"n_clusters"}
    assert {*plain["config"]["dataset"]} == {"name", "sha256", "_target_"} | parameters, (
        "as before corruption was there"
    )
    assert {*plain["config"]} == {"solver", "dataset", "evaluator", "stopping", "dtype", "label_fraction"}
    assert run(tmp_path, "-m", "solver=mu", *TINY, "corrupt=none,outliers,gaussian", "corrupt.draw=0") != 0
    assert run(tmp_path, "-m", "solver=mu", *TINY, "corrupt=none,outliers,gaussian") == 0
    assert run(tmp_path, "solver=mu", *TINY, "corrupt=outliers", "corrupt.draw=1") == 0
    records = load(tmp_path)
    assert len(records) == 4 and len({r["config"]["dataset"]["sha256"] for r in records}) == 4
    variants = [{k: v for k, v in r["variant"].items() if k.startswith("corrupt")} for r in records]
    assert {"corrupt": "outliers", "corrupt.level": 0.1, "corrupt.draw": 1} in variants
    assert {"corrupt": "gaussian", "corrupt.level": 0.1} in variants and {} in variants
    assert [r["config"]["dataset"]["corrupt"]["kind"] for r in select(records, ["corrupt=gaussian"])] == ["gaussian"]
    assert len(select(records, ["corrupt=none"])) == 1 and len(select(records, ["corrupt.level=0.1"])) == 3
    blocks = {r["block"] for r in split(records, ["corrupt", "corrupt.level"])}
    assert blocks == {"clean", "outliers, level = 0.1", "gaussian, level = 0.1"}
    assert nmfbench("verify", "--sample", "100%", f"results_dir={tmp_path}") == 0
    assert "4 equal" in capsys.readouterr().out


def test_fit_is_held_to_the_data_as_it_was(tmp_path: Path) -> None:
    words = ["corrupt=salt_pepper", "corrupt.level=0.3", "save_codes=true", "dtype=float64"]
    assert run(tmp_path, "solver=mu", *TINY, *words) == 0
    (record,) = load(tmp_path)
    fitted, _ = Store(tmp_path).load_codes(record["config"], 0)
    R = fitted.bases[0] @ fitted.codes[0]
    clean = load_dataset("synthetic", n_samples=20, n_features=8, n_classes=2)
    values = {row["metric"]: row["value"] for row in record["metrics"]}
    X = corrupt(clean, "salt_pepper", 0.3).X
    assert values["error_clean"] == pytest.approx(np.linalg.norm(clean.X - R) / np.linalg.norm(clean.X))
    assert values["error"] == pytest.approx(np.linalg.norm(X - R) / np.linalg.norm(X))
    assert "corrupted by salt_pepper, level 0.3" in record["data"]["preprocessing"]
    assert [d["name"] for d in record["declared"] if d["shown"]][-1] == "error_clean"


def test_entries_that_are_held_out_do_not_count_against_the_clean_data(tmp_path: Path) -> None:
    words = ["corrupt=gaussian", "evaluator=heldout", "save_codes=true", "dtype=float64"]
    assert run(tmp_path, "solver=hals", *[w for w in TINY if "n_init" not in w], *words) == 0
    (record,) = load(tmp_path)
    values = {row["metric"]: row["value"] for row in record["metrics"]}
    assert 0 < values["error_clean"] < 1


def test_users_own_file_is_corrupted_after_scaling_and_curves_are_drawn(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.random.default_rng(3).uniform(0, 50, (30, 9)))
    words = ["dataset=file", f"dataset.path='{tmp_path / 'own.npy'}'", "rank=2", "corrupt=salt_pepper"]
    words += ["corrupt.level=0,0.1,0.4", "stopping.max_iter=20", "seeds=2", "evaluator=heldout"]
    assert run(tmp_path, "-m", "solver=mu,hals", *words) == 0
    records = load(tmp_path)
    assert all(record["data"]["preprocessing"][-2].startswith("divided by the largest") for record in records)
    call = ["plot", "sweep", "--metric", "error_clean", "--results", str(tmp_path)]
    assert nmfbench(*call) == 0
    (numbers,) = (tmp_path / "figures").glob("sweep_*_level.csv")
    lines = [line.split(",")[:2] for line in numbers.read_text().splitlines() if line.startswith(("mu", "hals"))]
    assert sorted(lines) == [[solver, level] for solver in ("hals", "mu") for level in ("0", "0.1", "0.4")]


def test_no_paper_prints_numbers_for_corrupted_data() -> None:
    config = {"solver": {"name": "wnnf"}, "dataset": {"name": "orl", "corrupt": {"kind": "outliers", "level": 0.1}}}
    assert papers.printed({"config": config}) == {}
