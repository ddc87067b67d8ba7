"""`nmfbench export`: what a run found, as CSV."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import normalized_mutual_info_score

from nmfbench.cli import main
from nmfbench.records import Store


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two layers on a table with named columns and three classes, its codes saved."""
    draw = np.random.default_rng(0)
    y = np.arange(30) % 3
    table = pd.DataFrame(draw.uniform(0, 0.3, (30, 6)) + np.eye(3)[y].repeat(2, 1), columns=list("abcdef"))
    table.assign(kind=[f"k{k}" for k in y]).to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    assert main(["data", "import", str(tmp_path / "mine.csv"), "--scaling", "max"]) == 0
    words = ["solver=multilayer", "dataset=mine", "rank=3", "seeds=1", "stopping.max_iter=50", "threads=1"]
    assert main(["run", *words, "save_codes=true", f"results_dir='{tmp_path / 'r'}'"]) == 0
    return tmp_path / "r"


def test_clusters_are_those_that_were_scored(results: Path, tmp_path: Path, capsys) -> None:
    assert main(["export", "solver=multilayer", "--results", str(results)]) == 0
    (folder,) = (results / "export/mine").iterdir()
    assert str(folder) in capsys.readouterr().out
    clusters = pd.read_csv(folder / "clusters.csv")
    assert list(clusters.columns) == ["sample", "cluster of 3", "largest component"]
    ((record,), _) = Store(results).load()
    of_top = [row for row in record["metrics"] if row.get("layer") == 2 and row.get("n_clusters") == 3]
    (nmi,) = [row["value"] for row in of_top if row["metric"] == "nmi"]
    kinds = pd.read_csv(tmp_path / "mine.csv")["kind"]
    assert normalized_mutual_info_score(kinds, clusters["cluster of 3"]) == pytest.approx(nmi)
    assert nmi > 0.9


def test_factors_and_top_features_are_those_of_the_run(results: Path, tmp_path: Path) -> None:
    assert main(["export", "--results", str(results), "--output", str(tmp_path / "out")]) == 0
    (folder,) = (tmp_path / "out/mine").iterdir()
    ((record,), _) = Store(results).load()
    fitted, _ = Store(results).load_codes(record["config"], record["seed"])
    for layer in (1, 2):
        codes, bases = (pd.read_csv(folder / f"{name}_{layer}.csv") for name in ("codes", "bases"))
        np.testing.assert_allclose(codes.filter(like="component").T, fitted.codes[layer - 1], rtol=1e-5)
        np.testing.assert_allclose(bases.filter(like="component"), fitted.bases[layer - 1], rtol=1e-5)
        assert list(bases["feature"]) == list("abcdef")
    top = pd.read_csv(folder / "top_features.csv")
    pairs = [set(of["feature"].iloc[:2]) for _, of in top.groupby("component")]
    assert sorted(map(sorted, pairs)) == [["a", "b"], ["c", "d"], ["e", "f"]]


def test_features_of_a_file_have_their_names(tmp_path: Path) -> None:
    table = pd.DataFrame(np.random.default_rng(0).uniform(size=(9, 4)), columns=["p", "q", "r", "s"])
    table.to_csv(tmp_path / "own.csv", index=False)
    words = ["solver=mu", "dataset=file", f"dataset.path='{tmp_path / 'own.csv'}'", "rank=2", "seeds=1", "threads=1"]
    assert main(["run", *words, "stopping.max_iter=5", "save_codes=true", f"results_dir='{tmp_path / 'r'}'"]) == 0
    assert main(["export", "--results", str(tmp_path / "r")]) == 0
    (bases,) = (tmp_path / "r/export").glob("*/*/bases_1.csv")
    assert list(pd.read_csv(bases)["feature"]) == ["p", "q", "r", "s"]


def test_run_without_saved_codes_says_how_to_save_them(results: Path, capsys) -> None:
    words = ["run", "solver=mu", "dataset=mine", "rank=3", "seeds=1", "stopping.max_iter=5", "threads=1"]
    assert main([*words, f"results_dir='{results}'"]) == 0
    capsys.readouterr()
    assert main(["export", "solver=mu", "--results", str(results)]) == 2
    assert "save_codes=true refit=true" in capsys.readouterr().err
    assert main(["export", "--results", str(results)]) == 0
    printed = capsys.readouterr()
    assert "left out: " in printed.err and "written to" in printed.out


def test_samples_have_the_names_of_their_column_and_the_best_seed_is_named(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.uniform(0.1, 1, (12, 4)), columns=list("pqrs"))
    table.insert(0, "cell", [f"c{i:02}" for i in range(12)])
    table.to_csv(tmp_path / "own.csv", index=False)
    words = ["solver=mu", "dataset=file", f"dataset.path='{tmp_path / 'own.csv'}'", "rank=2", "seeds=2", "threads=1"]
    assert main(["run", *words, "stopping.max_iter=5", "save_codes=true", f"results_dir='{tmp_path / 'r'}'"]) == 0
    assert main(["export", "--results", str(tmp_path / "r")]) == 0
    for name in ("clusters", "codes_1"):
        for path in (tmp_path / "r/export").glob(f"*/*/{name}.csv"):
            assert list(pd.read_csv(path)["sample"]) == list(table["cell"])
    assert "mu on own, rank 2: seed" in (shown := capsys.readouterr().out) and "has the lowest objective" in shown
