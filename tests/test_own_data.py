"""What people's own files hold beside the plain: numbers in other notations, padding, names of rows, odd names."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from files import FRAME, KINDS, WITH_KIND, holds_the_frame, loaded, reading_of
from shell import nmfbench, run

from nmfbench import load_dataset
from nmfbench.errors import ConfigError, DataError

pytestmark = pytest.mark.usefixtures("user")


NOTATIONS = {
    "percent": "{}%",
    "percent behind a blank": "{},5 %",
    "dollars": "${}.50",
    "euros": "{},50 €",
    "German thousands": "1.{:03},5",
    "English thousands": "1,{:03}",
    "Swiss thousands": "1'{:03}.5",
    "French thousands": "1\u00a0{:03},5",
    "narrow blanks": "1\u202f{:03}",
    "Fortran's exponent": "{}.5D+01",
    "complex": "{}+2j",
}


@pytest.mark.parametrize("case", NOTATIONS)
@pytest.mark.parametrize("n", [60, 9])
def test_numbers_in_another_notation_are_no_names_and_no_labels(case: str, n: int, tmp_path: Path) -> None:
    WITH_KIND.assign(price=[NOTATIONS[case].format(i % n) for i in range(60)]).to_csv(tmp_path / "t.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "t.csv") == 3
    with pytest.raises(DataError, match=r"line 2, column 'price': .* is no number, and 59 more in this column"):
        loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(loaded(tmp_path / "t.csv", y="kind", drop=["price"]))
    assert holds_the_frame(loaded(tmp_path / "t.csv", y="kind", names="price" if n == 60 else None, drop=["price"]))


@pytest.mark.parametrize("form", ["2021-01-{:02}", "{:02}:30", "10.0.0.{}", "s{}", "{}-1", "A.{}", "01.02.20{:02}"])
def test_words_with_digits_are_names(form: str, tmp_path: Path) -> None:
    WITH_KIND.assign(name=[form.format(i) for i in range(60)]).to_csv(tmp_path / "t.csv", index=False)
    data = loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(data) and "left out: name (names the samples)" in reading_of(data)


def test_decimal_commas_in_quotes_are_told_with_their_cure(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False, decimal=",")
    with pytest.raises(DataError, match=r"if the comma is a decimal one: decimal=','"):
        loaded(tmp_path / "t.csv")
    assert holds_the_frame(loaded(tmp_path / "t.csv", decimal=","))


def test_minus_of_typesetters_is_read(tmp_path: Path) -> None:
    (FRAME - 0.5).astype(str).map(lambda text: text.replace("-", "−")).to_csv(tmp_path / "t.csv", index=False)
    assert np.array_equal(loaded(tmp_path / "t.csv").X, (FRAME - 0.5).to_numpy().T)


def test_column_with_a_stray_word_can_be_dropped_or_hold_labels(tmp_path: Path) -> None:
    WITH_KIND.assign(dose=["low", *range(59)]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match=r"labels: y='dose'; to leave it out: drop=\['dose'\]"):
        loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(loaded(tmp_path / "t.csv", y="kind", drop=["dose"]))
    assert nmfbench("data", "import", tmp_path / "t.csv", "--drop", "dose") == 0


PADDED = {
    "rows": lambda text: text + ",,,,,,\n" * 3,
    "rows between": lambda text: text.replace("\n", "\n,,,,,,\n", 1),
    "columns": lambda text: text.replace("\n", ",,,\n"),
    "columns and rows": lambda text: (text + ",,,,,,\n").replace("\n", ",,\n"),
    "columns below a shorter header": lambda text: text.replace("\n", ",,\n").replace(",,\n", "\n", 1),
    "columns of the header alone": lambda text: text.replace("\n", ",,,\n", 1),
}


@pytest.mark.parametrize("case", PADDED)
def test_padding_of_spreadsheets_is_dropped_and_said(case: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(PADDED[case](WITH_KIND.to_csv(index=False)))
    data = loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(data) and data.y.tolist() == [0, 1, 2] * 20
    assert ("of empty fields skipped" in reading_of(data)) == ("rows" in case)
    assert ("behind the last separator dropped" in reading_of(data)) == (
        case.startswith("columns") and "alone" not in case
    )


def test_value_behind_the_padding_is_refused_and_so_is_a_named_empty_column(tmp_path: Path) -> None:
    text = pd.concat([FRAME] * 4).to_csv(index=False).replace("\n", ",,\n")
    (tmp_path / "t.csv").write_text(text + "1,2,3,4,5,6,7,\n")
    with pytest.raises(DataError, match="line 242 has '7' behind the last column"):
        loaded(tmp_path / "t.csv")
    FRAME.assign(empty="").to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match="60 values are missing, the first in column 'empty'"):
        loaded(tmp_path / "t.csv")


@pytest.mark.parametrize("drop", [None, [], ["f0"]])
def test_numbers_before_each_row_without_a_name_are_never_features(drop: list[str] | None, tmp_path: Path) -> None:
    shuffled = np.random.default_rng(0).permutation(60) + 1
    FRAME.set_index(shuffled).to_csv(tmp_path / "t.csv")
    lines = (tmp_path / "t.csv").read_text().splitlines()
    (tmp_path / "r.csv").write_text("\n".join([lines[0].lstrip(","), *lines[1:]]))
    for name in ("t.csv", "r.csv"):
        data = loaded(tmp_path / name, drop=drop)
        assert data.feature_names == tuple(FRAME.columns)[1 if drop else 0 :] and "row names" in reading_of(data)


def test_number_that_may_identify_is_named_and_one_that_is_kept_too(tmp_path: Path) -> None:
    WITH_KIND.assign(code=range(7, 607, 10)).to_csv(tmp_path / "t.csv", index=False)
    assert "code holds another whole number in each row" in reading_of(loaded(tmp_path / "t.csv", y="kind"))
    WITH_KIND.assign(Id=range(60)).to_csv(tmp_path / "t.csv", index=False)
    assert "Id kept, since dataset.drop is given (counts" in reading_of(
        loaded(tmp_path / "t.csv", y="kind", drop=["f0"])
    )
    (tmp_path / "i.csv").write_text("a,b\n" + "\n".join(f"{i},{i * i}" for i in range(20)))
    assert nmfbench("data", "import", tmp_path / "i.csv", "--drop", "") == 0
    assert load_dataset("i").X.shape == (2, 20)


def test_file_of_a_header_alone_is_refused_as_such(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,c\n")
    with pytest.raises(DataError, match="holds no row but line 1, which has words alone: a header"):
        loaded(tmp_path / "t.csv")


def test_import_remembers_where_the_file_of_labels_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "x.npy", FRAME.to_numpy())
    pd.Series(KINDS).to_csv(tmp_path / "y.txt", index=False, header=False)
    monkeypatch.chdir(tmp_path)
    assert nmfbench("data", "import", "x.npy", "--y", "y.txt", "--name", "mine") == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert load_dataset("mine").y.tolist() == [0, 1, 2] * 20


def test_file_of_labels_with_row_numbers_is_refused_by_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", FRAME.to_numpy())
    pd.Series(KINDS).to_csv(tmp_path / "y.csv")
    with pytest.raises(DataError, match=r"y\.csv, which must hold one label a line and nothing else: 60 classes among"):
        loaded(tmp_path / "x.npy", y=str(tmp_path / "y.csv"))


def test_name_of_a_file_with_a_line_end_is_imported(tmp_path: Path) -> None:
    WITH_KIND.to_csv(tmp_path / "new\nline.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "new\nline.csv") == 0
    assert holds_the_frame(load_dataset("new_line", scaling="none"))


def test_message_of_import_can_be_pasted_into_a_shell(tmp_path: Path, capsys) -> None:
    WITH_KIND.assign(**{"a b": ""}).to_csv(tmp_path / "t.csv", index=False)
    assert nmfbench("data", "import", tmp_path / "t.csv") == 3
    assert "leave the column out: --drop 'a b'" in capsys.readouterr().err


EMPTY = {
    "rank=": "rank is empty",
    "threads=": "threads is empty",
    "seeds=": "seeds must be a number above 0 or a list of distinct numbers ≥ 0, got ''",
    "device=": "device is empty; device=cpu",
    "dataset.y=": "y is empty; leave it out, or y=null",
    "dataset.sep=": "sep is empty",
    "dataset.n_clusters=": "dataset.n_clusters is empty",
    "dataset.header=perhaps": "dataset.header must be true or false, got 'perhaps'",
    "rank=many": "rank must be a whole number, got 'many'",
}


@pytest.mark.parametrize("setting", EMPTY)
def test_empty_or_wrong_setting_is_refused_in_plain_words(setting: str, tmp_path: Path, capsys) -> None:
    WITH_KIND.to_csv(tmp_path / "t.csv", index=False)
    words = ["dataset=file", f"dataset.path={tmp_path}/t.csv", "dataset.y=kind", "solver=raw", setting]
    assert run(tmp_path / "r", *words) == 2
    assert EMPTY[setting] in capsys.readouterr().err


def test_empty_name_is_refused_in_python(tmp_path: Path) -> None:
    WITH_KIND.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(ConfigError, match="y is empty"):
        loaded(tmp_path / "t.csv", y="")
