"""The scaling of a user's own data: what is proposed for which table and why, what decides instead, and the sweep."""

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import images_in
from shell import load, nmfbench, run
from sklearn import datasets as sklearn_data

from nmfbench import config, load_dataset
from nmfbench.datasets import guess
from nmfbench.datasets.scaling import SCALINGS, proposed, scale_sparse
from nmfbench.errors import ConfigError

pytestmark = pytest.mark.usefixtures("user")
README = Path(__file__).parents[1] / "README.md"


def table_of(loader: Callable[..., Any]) -> pd.DataFrame:
    """A data set of scikit-learn as people keep it: rows that are counted, labels in words."""
    data = loader()
    frame = pd.DataFrame(data.data, columns=data.feature_names)
    return frame.assign(target=np.array([f"class {k}" for k in data.target]))


def counts(n_features: int) -> pd.DataFrame:
    """Counts of genes whose means differ by orders of magnitude, 30 samples in rows."""
    rng = np.random.default_rng(0)
    means = rng.lognormal(1, 2, n_features)
    return pd.DataFrame(rng.negative_binomial(2, 2 / (2 + means), (30, n_features))).add_prefix("g")


def spectra() -> pd.DataFrame:
    """Reflectance of 30 mixtures of two materials in 40 bands."""
    bands = np.linspace(0, 1, 40)
    materials = np.stack([0.1 + 0.8 * bands, 0.5 + 0.4 * np.sin(6 * bands)])
    return pd.DataFrame(np.random.default_rng(0).dirichlet([1, 1], 30) @ materials).add_prefix("band")


def unlike() -> pd.DataFrame:
    """Age, income and a balance of either sign."""
    rng = np.random.default_rng(0)
    columns = {"age": rng.uniform(18, 90, 30), "income": rng.uniform(1e4, 9e4, 30), "change": rng.normal(size=30)}
    return pd.DataFrame(columns).round(2)


TABLES = {
    "wine": (
        lambda: table_of(sklearn_data.load_wine),
        "column_max",
        "proline reaches 1680 and the median feature 5.08",
    ),
    "cancer": (lambda: table_of(sklearn_data.load_breast_cancer), "column_max", "worst area reaches 4254 and"),
    "iris": (lambda: table_of(sklearn_data.load_iris), "max", "similar values, 4.4 in the median and 7.9 at most"),
    "digits": (lambda: table_of(sklearn_data.load_digits), "max", "similar values, 16 in the median and 16 at most"),
    "genes": (lambda: counts(101), "max", "whole numbers in 101 features are taken for counts, which share a unit"),
    "few counts": (lambda: counts(100), "column_max", "g47 reaches 638 and the median feature 12"),
    "shares of counts": (lambda: counts(101) / 1000, "column_max", "reaches"),
    "spectra": (spectra, "max", "similar values"),
    "units": (
        lambda: unlike().drop(columns="change"),
        "column_max",
        "income reaches 8[0-9.]+ and the median feature 8",
    ),
    "units and signs": (unlike, "min_max", "income reaches .* and it makes negative entries ≥ 0"),
    "standardised": (lambda: unlike().apply(lambda c: (c - c.mean()) / c.std()), "max", "similar values"),
}


@pytest.mark.parametrize("name", TABLES)
def test_import_proposes_a_scaling_says_why_and_writes_both(name: str, tmp_path: Path, capsys) -> None:
    make, scaling, reason = TABLES[name]
    make().to_csv(tmp_path / "own.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "own.csv") == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("scaling: ")]
    hint = "; if all features share a unit: --scaling max" if scaling != "max" else ""
    assert re.fullmatch(f"scaling: {scaling}, because .*{reason}.*{hint}", line)
    why = line.removeprefix(f"scaling: {scaling}, because ").removesuffix(hint)
    assert f"scaling: {scaling}   # {why}" in config.text("dataset", "own").splitlines()
    assert load_dataset("own").preprocessing[-1] == SCALINGS[scaling][1]


@pytest.mark.parametrize(("name", "scaling"), [("orl", "max"), ("ratings", "max"), ("mfeat", "column_max")])
def test_scaling_proposed_for_shipped_data(name: str, scaling: str) -> None:
    assert proposed(load_dataset(name, scaling="none").X).scaling == scaling


def test_sparse_counts_are_never_mapped_and_a_full_sparse_matrix_is_a_table(tmp_path: Path, capsys) -> None:
    table = np.array(counts(60), dtype=float)
    table[np.random.default_rng(1).uniform(size=table.shape) < 0.7] = 0
    scipy.sparse.save_npz(tmp_path / "few.npz", scipy.sparse.csr_array(table))
    assert nmfbench("data", "import", tmp_path / "few.npz") == 0
    assert "scaling: max, because most entries of this sparse matrix are zero, as of" in capsys.readouterr().out
    full = np.random.default_rng(0).uniform(0.5, 1, (30, 4)) * [1, 1, 1, 1000]
    assert proposed(scipy.sparse.csc_array(full.T)).scaling == "column_max"
    assert proposed(scipy.sparse.csc_array(-full.T)).scaling == "column_max", "min_max would fill in the zeros"
    assert nmfbench("data", "import", tmp_path / "few.npz", "--name", "mapped", "--scaling", "min_max") == 2
    assert "moves the zeros of sparse X" in capsys.readouterr().err
    assert not (config.user_dir() / "dataset/mapped.yaml").exists()


# Zero and constant features, both signs, subnormals, and up to the largest float64.
ANY = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)


@settings(max_examples=100, deadline=None, derandomize=True)
@example(X=np.array([[-1.7e308, 1.7e308], [1e-200, 2e-200], [5e-324, 0], [0, 0]]))
@example(X=np.array([[5e-324, 5e-324], [0, 0]]))
@given(X=ANY)
def test_scaling_proposed_for_any_finite_matrix_can_be_applied(X: np.ndarray) -> None:
    assert np.isfinite(SCALINGS[proposed(X).scaling][0](X)).all()
    sparse = scipy.sparse.csc_array(X)
    assert np.isfinite(scale_sparse(sparse, proposed(sparse).scaling).data).all()


def test_scaling_that_is_given_is_not_guessed(tmp_path: Path, capsys) -> None:
    table_of(sklearn_data.load_wine).to_csv(tmp_path / "wine.csv", index=False)
    for words, line, written in [
        (["max"], "scaling: max, as asked", "max"),
        (["column_max", "--scaling", "unit_norm"], "scaling: column_max, then unit_norm, as asked", None),
    ]:
        assert nmfbench("data", "import", tmp_path / "wine.csv", "--force", "--scaling", *words) == 0
        assert line in capsys.readouterr().out.splitlines()
        assert config.defaults("dataset", "wine")["scaling"] == (written or ["column_max", "unit_norm"])
    assert np.linalg.norm(load_dataset("wine").X, axis=0) == pytest.approx(1)
    assert nmfbench("data", "import", tmp_path / "wine.csv", "--force", "--scaling", "colum_max") == 2
    assert "got 'colum_max'; did you mean column_max" in capsys.readouterr().err
    assert config.defaults("dataset", "wine")["scaling"] == ["column_max", "unit_norm"], "it is as it was"


def test_folder_of_images_is_divided_as_a_whole_or_scaled_as_asked(tmp_path: Path) -> None:
    images_in(tmp_path / "zoo")
    assert guess.look_at(tmp_path / "zoo").lines[-1] == "scaling: max, because pixels share a unit"
    assert guess.look_at(tmp_path / "zoo", scaling="unit_norm").node["scaling"] == "unit_norm"
    with pytest.raises(ConfigError, match="a folder of images, for which sep, y has no meaning"):
        guess.look_at(tmp_path / "zoo", scaling="max", y="y", sep=",")


def test_import_names_the_solvers_that_take_negative_entries(tmp_path: Path, capsys) -> None:
    unlike().apply(lambda c: (c - c.mean()) / c.std()).to_csv(tmp_path / "own.csv", index=False)
    call = ["run", "-m", "solver=glob(*)", "dataset=own", "rank=2", "seeds=1", "stopping.max_iter=1", "threads=1"]
    assert nmfbench("data", "import", tmp_path / "own.csv") == 0
    said = re.search(r"% of it negative: only (.*) take that; with --scaling min_max all do\n", capsys.readouterr().out)
    assert said
    nmfbench(*call, f"results_dir='{tmp_path}/r'")
    ran = {record["solver"] for record in load(tmp_path / "r")}
    assert {*ran, "wnnf_deconv"} == {*said[1].split(", ")}, "that one needs images as well"
    assert nmfbench("data", "import", tmp_path / "own.csv", "--force", "--scaling", "min_max") == 0
    assert "only" not in capsys.readouterr().out


def test_name_of_a_feature_cannot_break_the_yaml(tmp_path: Path) -> None:
    table = unlike()[["age", "income"]].rename(columns={"income": "in\ncome\u2028: #"})
    table.to_csv(tmp_path / "own.csv", index=False)
    seen = guess.look_at(tmp_path / "own.csv")
    assert "\u2028: # reaches" in seen.comments["scaling"]
    written = guess.save(seen, tmp_path / "own.csv")[0].read_text()
    assert yaml.safe_load(written)["scaling"] == "column_max" and "scaling: column_max   # in come : # re" in written


def line_of_run(folder: Path, capsys, *words: str) -> str:
    assert run(folder, "solver=raw", "seeds=1", "evaluator.n_init=1", *words) == 0
    return next(line for line in capsys.readouterr().err.splitlines() if line.startswith("wine: "))


def test_run_of_a_file_proposes_a_scaling_unless_one_is_chosen_and_records_the_one_used(tmp_path: Path, capsys) -> None:
    table_of(sklearn_data.load_wine).to_csv(tmp_path / "wine.csv", index=False)
    words = ["dataset=file", f"dataset.path={tmp_path}/wine.csv", "dataset.y=target"]
    proposal = (
        "; divided by the largest absolute value; better dataset.scaling=column_max, because proline reaches 1680"
    )
    for folder in (tmp_path / "first", tmp_path / "first", tmp_path / "again"):  # also from the card
        assert proposal in line_of_run(folder, capsys, *words)
        assert {record["config"]["dataset"]["scaling"] for record in load(folder)} == {"max"}
    for chosen in ("max", "column_max", "min_max"):
        assert "better" not in line_of_run(tmp_path / "first", capsys, *words, f"dataset.scaling={chosen}")
    assert nmfbench("data", "import", tmp_path / "wine.csv", "--scaling", "max") == 0
    assert "better" not in line_of_run(tmp_path / "first", capsys, "dataset=wine"), "its owner chose it"
    assert {record["config"]["dataset"]["scaling"] for record in load(tmp_path / "first")} == {
        *("max", "column_max", "min_max")
    }


def rows_of(table: str) -> list[tuple[str, str, float]]:
    """Solver, scaling and score of each row: the scaling stands below the solver."""
    lines = table.partition("Cells:")[0].splitlines()
    return [
        (line.split()[0], below.strip().removeprefix("scaling="), float(line.split(" ± ")[0].split()[-1]))
        for line, below in pairwise(lines)
        if below.startswith("scaling=")
    ]


def test_scalings_of_a_sweep_stand_beside_each_other_each_with_its_name(tmp_path: Path, capsys) -> None:
    table_of(sklearn_data.load_wine).to_csv(tmp_path / "wine.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "wine.csv") == 0
    scalings = ["none", "max", "column_max", "min_max", "[column_max,unit_norm]"]
    sweep = ["-m", "solver=pca,raw", "dataset=wine", f"dataset.scaling={','.join(scalings)}", "seeds=2"]
    capsys.readouterr()
    assert run(tmp_path / "r", *sweep, "evaluator.n_init=2") == 0
    shown = capsys.readouterr()
    assert "pca on wine rank=3 dataset.scaling=[column_max,unit_norm], evaluator.n_init=2: " in shown.err
    assert shown.out.count("# wine: 178 samples × 13 features, 3 classes") == 1
    named = [scaling.replace(",", " ") for scaling in scalings]
    assert sorted(row[:2] for row in rows_of(shown.out)) == sorted((s, n) for s in ("pca", "raw") for n in named)
    (data,) = [line for line in shown.out.splitlines() if line.startswith("Data: ")]
    assert data.count("fields separated by commas") == 1 and data.count(" | ") == 4

    def table(*words: str) -> str:
        assert nmfbench("table", *words, f"results_dir={tmp_path}/r") == 0
        return capsys.readouterr().out

    by_score = rows_of(table("dataset=wine", "--sort"))
    assert sorted(by_score) == sorted(rows_of(shown.out))
    assert [row[2] for row in by_score] == sorted((row[2] for row in by_score), reverse=True)
    pair = table("solver=raw", "scaling=column_max,[column_max,unit_norm]")
    assert [row[1] for row in rows_of(pair)] == ["[column_max unit_norm]", "column_max"]
    assert "its largest absolute value; nothing more | each sample divided by its Euclidean norm." in pair
    assert rows_of(table("scaling=column_max")) == [], "one scaling needs no name"


def test_readme_shows_what_import_prints_for_wine(tmp_path: Path, capsys) -> None:
    frame = table_of(sklearn_data.load_wine)
    frame.insert(0, "Id", range(1, len(frame) + 1))
    frame.to_csv(tmp_path / "wine.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "wine.csv") == 0
    *printed, wrote = capsys.readouterr().out.splitlines()
    sample = README.read_text().partition("$ nmfbench data import wine.csv")[2].partition("\n\n")[0]
    assert sample.splitlines()[1:] == printed and wrote.startswith("wrote ")
