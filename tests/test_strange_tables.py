"""What a table's columns are taken for: features, labels, names and identifiers; through the command line too."""

from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest
from files import FRAME, KINDS, WITH_KIND, holds_the_frame, loaded, reading_of
from shell import load, nmfbench, run

from nmfbench import config, load_dataset
from nmfbench.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("user")
SHORT = ["solver=raw", "seeds=1", "evaluator.n_init=1"]


def with_id(name: str, values: object) -> pd.DataFrame:
    frame = WITH_KIND.copy()
    frame.insert(0, name, values)
    return frame


IDENTIFIERS = {
    "rows counted from 1": ("Id", range(1, 61)),
    "rows counted from 0, as floats": ("run", np.arange(60.0)),
    "numbers that are called id": ("sample_id", np.random.default_rng(0).permutation(10_000)[:60]),
    "patientID": ("patientID", np.random.default_rng(0).permutation(10_000)[:60]),
    "names": ("barcode", [f"b{i}" for i in range(60)]),
}


@pytest.mark.parametrize("case", IDENTIFIERS)
def test_column_that_tells_the_row_is_left_out_and_said(case: str, tmp_path: Path, capsys) -> None:
    name, values = IDENTIFIERS[case]
    with_id(name, values).to_csv(tmp_path / "t.csv", index=False)
    data = loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(data) and f"left out: {name} (" in reading_of(data)
    assert nmfbench("data", "import", tmp_path / "t.csv") == 0
    output = capsys.readouterr().out
    assert f"left out: {name} (" in output and "labels: column kind" in output
    assert holds_the_frame(load_dataset("t", scaling="none"))


def test_features_that_look_like_identifiers_stay_if_a_person_says_so(tmp_path: Path) -> None:
    with_id("Id", range(1, 61)).to_csv(tmp_path / "t.csv", index=False)
    assert loaded(tmp_path / "t.csv", y="kind", drop=[]).X.shape == (7, 60)
    data = loaded(tmp_path / "t.csv", y="kind", drop=["f0", "f1"])
    assert data.X.shape == (5, 60) and data.feature_names == ("Id", "f2", "f3", "f4", "f5")
    with pytest.raises(DataError, match=r"no column 'kinds' for drop; did you mean kind"):
        loaded(tmp_path / "t.csv", drop=["kinds"])


def test_whole_number_that_differs_in_each_row_is_a_feature_and_asked_about(tmp_path: Path) -> None:
    with_id("ticket", np.random.default_rng(0).permutation(10_000)[:60]).to_csv(tmp_path / "t.csv", index=False)
    data = loaded(tmp_path / "t.csv", y="kind")
    assert data.X.shape == (
        7,
        60,
    ) and "ticket holds another whole number in each row; if it identifies them" in reading_of(data)


@pytest.mark.parametrize("word", ["rank=", "seeds=", "dataset.path=", "dataset.sep=", "threads=", "stopping.max_iter="])
def test_setting_without_a_value_is_refused_by_name(word: str, tmp_path: Path, capsys) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    words = ["dataset=file", f"dataset.path={tmp_path}/t.csv", "solver=mu", "rank=2", word]
    assert run(tmp_path / "r", *words) == 2
    key = word.rstrip("=").rpartition(".")[2]
    assert key in capsys.readouterr().err and not (tmp_path / "r").exists()


@pytest.mark.parametrize("name", ["year", "smoking_no", "price_index", "corridor"])
def test_whole_numbers_that_are_all_different_are_features(name: str, tmp_path: Path) -> None:
    with_id(name, np.arange(60) * 3 + 1950).to_csv(tmp_path / "t.csv", index=False)
    assert loaded(tmp_path / "t.csv", y="kind").X.shape == (7, 60)


def test_record_and_screen_say_what_a_file_was_taken_for(tmp_path: Path, capsys) -> None:
    with_id("Id", range(1, 61)).to_csv(tmp_path / "t.csv", index=False)
    assert run(tmp_path / "r", "dataset=file", f"dataset.path={tmp_path}/t.csv", "dataset.y=kind", *SHORT) == 0
    sentence = "fields separated by commas; UTF-8; header in line 1; left out: Id (counts the rows)"
    assert f"t: 60 samples × 6 features, 3 classes; {sentence}" in capsys.readouterr().err
    assert load(tmp_path / "r")[0]["data"]["preprocessing"][0] == sentence


GENES = pd.DataFrame(np.random.default_rng(0).poisson(5, (200, 24))).add_prefix("s")


def test_features_in_rows_take_their_names_from_the_first_column(tmp_path: Path, capsys) -> None:
    genes = GENES.copy()
    genes.insert(0, "gene", [f"g{i}" for i in range(200)])
    genes.to_csv(tmp_path / "genes.csv", index=False)
    (tmp_path / "classes.txt").write_text("\n".join(["a", "b"] * 12))
    assert nmfbench("data", "import", tmp_path / "genes.csv") == 0
    output = capsys.readouterr().out
    assert "left out: gene (names the samples)" in output and "if gene names features: --samples columns" in output
    words = ["--samples", "columns", "--y", tmp_path / "classes.txt", "--name", "turned"]
    assert nmfbench("data", "import", tmp_path / "genes.csv", *words) == 0
    data = load_dataset("turned", scaling="none")
    assert np.array_equal(data.X, GENES) and data.feature_names == tuple(genes["gene"]) and data.n_classes == 2


def test_samples_in_columns_hold_for_a_table_without_names_too(tmp_path: Path) -> None:
    GENES.to_csv(tmp_path / "genes.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "genes.csv", "--samples", "columns") == 0
    assert np.array_equal(load_dataset("genes", scaling="none").X, GENES)
    with pytest.raises(ConfigError, match="no column holds labels"):
        loaded(tmp_path / "genes.csv", samples="columns", y="s1")


NO_CLASSES = {
    "real numbers": np.random.default_rng(1).normal(size=60),
    "a number for each": np.arange(60) + 7,
    "a word for each": [f"w{i}" for i in range(60)],
    "more than half as many": np.arange(60) % 31 * 2,
}


@pytest.mark.parametrize("case", NO_CLASSES)
def test_labels_that_are_no_classes_are_refused_and_never_proposed(case: str, tmp_path: Path, capsys) -> None:
    FRAME.assign(target=NO_CLASSES[case]).to_csv(tmp_path / "t.csv", index=False)
    words = ["dataset=file", f"dataset.path={tmp_path}/t.csv", "dataset.y=target", *SHORT]
    assert run(tmp_path / "r", *words) == 3
    assert "classes" in capsys.readouterr().err and not (tmp_path / "r").exists()
    assert nmfbench("data", "import", tmp_path / "t.csv") == 0
    assert "labels: none found" in capsys.readouterr().out and load_dataset("t").y is None


def test_labels_are_texts_as_they_stand(tmp_path: Path) -> None:
    for labels in (
        ["NA", "None", "nan"],
        ["01", "1", "2"],
        ["a ", " b", "c"],
        ["TRUE", "FALSE", "maybe"],
        ["1.0", "2", "3"],
    ):
        FRAME.assign(kind=labels * 20).to_csv(tmp_path / "t.csv", index=False)
        assert loaded(tmp_path / "t.csv", y="kind").n_classes == 3, labels
    FRAME.assign(kind=["a", "a ", " b"] * 20).to_csv(tmp_path / "t.csv", index=False)
    assert loaded(tmp_path / "t.csv", y="kind").n_classes == 2
    FRAME.assign(kind=["a", "", "b"] * 20).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="20 labels are missing, the first that of sample 1"):
        loaded(tmp_path / "t.csv", y="kind")


def test_large_file_behaves_as_a_small_one(tmp_path: Path) -> None:
    # pandas guesses the types of each part of a large file anew.
    n = 60_000
    labels = np.where(np.arange(n) < n - 3, "1", "x")
    pd.DataFrame({"a": np.arange(n) % 7, "b": 0.5, "kind": labels}).to_csv(tmp_path / "t.csv", index=False)
    assert loaded(tmp_path / "t.csv", y="kind").n_classes == 2
    with pytest.raises(DataError, match="line 59999, column 'kind': 'x' is no number, and 2 more in this column"):
        loaded(tmp_path / "t.csv")


def test_lines_of_a_spreadsheet_are_its_rows(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    # The second row is empty, and a cell of the third holds a line separator of Unicode.
    for row in (["x", "name"], [], [1.5, "a\u2028b"], [2.5, "c"], ["low", "d"]):
        book.active.append(row)
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(DataError, match="line 5, column 'x': 'low' is no number"):
        loaded(tmp_path / "t.xlsx")


UNUSED = {
    "npz": {"sep": ",", "drop": ["a"], "header": True, "missing": ["?"], "names": "a", "decimal": ","},
    "parquet": {"x": "X", "sep": ",", "header": True, "encoding": "utf-8", "samples": "pixels"},
    "csv": {"x": "X", "samples": "pixels"},
}


@pytest.mark.parametrize(("suffix", "key"), [(suffix, key) for suffix, keys in UNUSED.items() for key in keys])
def test_setting_that_a_format_cannot_honour_is_refused(suffix: str, key: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"
    match suffix:
        case "npz":
            np.savez(path, X=FRAME)
        case "parquet":
            FRAME.to_parquet(path)
        case _:
            FRAME.to_csv(path, index=False)
    with pytest.raises(ConfigError, match=rf"{key}.* has no meaning for \.{suffix}"):
        loaded(path, **{key: UNUSED[suffix][key]})


def test_two_files_of_one_name_become_two_datasets(tmp_path: Path, capsys) -> None:
    for folder, frame in {"one": FRAME, "two": FRAME * 2}.items():
        (tmp_path / folder).mkdir()
        frame.to_csv(tmp_path / folder / "data of mine.csv", index=False)
        assert nmfbench("data", "import", tmp_path / folder / "data of mine.csv") == 0
    assert "dataset=data_of_mine_2" in capsys.readouterr().out
    assert (
        load_dataset("data_of_mine_2", scaling="none").X.max()
        == 2 * load_dataset("data_of_mine", scaling="none").X.max()
    )
    assert nmfbench("data", "import", tmp_path / "one/data of mine.csv") == 2
    assert "--force replaces it" in capsys.readouterr().err


def test_message_of_import_names_its_own_flags(tmp_path: Path, capsys) -> None:
    FRAME.assign(city="Bonn").to_csv(tmp_path / "t.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "t.csv") == 3
    assert (
        "labels: --y city; if they name the samples: --names city; to leave them out: --drop city"
        in capsys.readouterr().err
    )
    assert nmfbench("data", "import", tmp_path / "t.csv", "--y", "citi") == 3
    assert "has no column 'citi' for --y; did you mean city?" in capsys.readouterr().err
    assert nmfbench("data", "import", tmp_path / "t.csv", "--drop", "city") == 0
    assert holds_the_frame(load_dataset("t", scaling="none")) and config.defaults("dataset", "t")["drop"] == ["city"]
    FRAME.assign(kind=KINDS).to_csv(tmp_path / "u.csv", index=False, header=False)
    assert nmfbench("data", "import", tmp_path / "u.csv", "--header", "true") == 0


@pytest.mark.parametrize("bad", ["?", "n/a", "", "1,200", "12%"])
def test_run_and_import_refuse_alike(bad: str, tmp_path: Path, capsys) -> None:
    frame = WITH_KIND.astype(str)
    frame.iloc[4, 2] = bad
    frame.to_csv(tmp_path / "t.csv", index=False)
    assert run(tmp_path / "r", "dataset=file", f"dataset.path={tmp_path}/t.csv", "dataset.y=kind", *SHORT) == 3
    of_run = capsys.readouterr().err
    assert nmfbench("data", "import", tmp_path / "t.csv") == 3
    of_import = capsys.readouterr().err
    assert "line 6" in of_run and "f2" in of_run and of_run.split(";")[0].split("Remove")[0] in of_import


def test_two_files_of_one_name_have_a_heading_each(tmp_path: Path, capsys) -> None:
    for folder, factor in {"one": 1, "two": 3}.items():
        (tmp_path / folder).mkdir()
        changed = FRAME.copy()
        changed.iloc[0, 0] *= factor
        changed.assign(kind=KINDS).to_csv(tmp_path / folder / "data.csv", index=False)
        words = ["dataset=file", f"dataset.path={tmp_path}/{folder}/data.csv", "dataset.y=kind", *SHORT]
        assert run(tmp_path / "r", *words) == 0
    checksums = {record["config"]["dataset"]["sha256"][:6] for record in load(tmp_path / "r")}
    capsys.readouterr()
    assert nmfbench("table", "--results", tmp_path / "r") == 0
    output = capsys.readouterr().out
    assert len(checksums) == 2
    for checksum in checksums:
        assert f"data ({checksum}): 60 samples × 6 features, 3 classes" in output
