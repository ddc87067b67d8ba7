"""Tables in text: each is read as the numbers that it holds, with a report of how, or refused with the reason."""

from pathlib import Path

import numpy as np
import pytest
from files import FRAME, WITH_KIND, holds_the_frame, loaded, reading_of

from nmfbench.errors import ConfigError, DataError

WRITTEN = {
    "commas": ({}, "fields separated by commas"),
    "semicolons": ({"sep": ";"}, "fields separated by semicolons"),
    "tabs": ({"sep": "\t"}, "fields separated by tabs"),
    "bars": ({"sep": "|"}, "fields separated by bars"),
    "blanks": ({"sep": " "}, "fields separated by blanks"),
    "semicolons and a decimal comma": ({"sep": ";", "decimal": ","}, "decimal comma"),
    "tabs and a decimal comma": ({"sep": "\t", "decimal": ","}, "decimal comma"),
    "UTF-16": ({"encoding": "utf-16"}, "UTF-16"),
    "UTF-16 without a mark": ({"encoding": "utf-16-le"}, "UTF-16-LE"),
    "UTF-8 with a mark": ({"encoding": "utf-8-sig"}, "UTF-8"),
    "quoted fields": ({"quoting": 1}, "header in line 1"),
    "line ends of Windows": ({"lineterminator": "\r\n"}, "header in line 1"),
    "line ends of an old Mac": ({"lineterminator": "\r"}, "header in line 1"),
    "pandas' index": ({"index": True}, "left out: row names (counts the rows)"),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_table_is_read_as_it_was_written_and_said_so(case: str, tmp_path: Path) -> None:
    options, sentence = WRITTEN[case]
    WITH_KIND.to_csv(tmp_path / "t.csv", **{"index": False, **options})
    data = loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(data) and sentence in reading_of(data)
    assert data.y.tolist() == [0, 1, 2] * 20 and data.feature_names == tuple(FRAME.columns)


def test_latin_1_is_read_and_said(tmp_path: Path) -> None:
    FRAME.assign(kind=["ä", "b", "ç"] * 20).to_csv(tmp_path / "t.csv", index=False, encoding="latin-1")
    data = loaded(tmp_path / "t.csv", y="kind")
    assert holds_the_frame(data) and data.n_classes == 3 and "CP1252" in reading_of(data)
    with pytest.raises(DataError, match="is not utf-8"):
        loaded(tmp_path / "t.csv", y="kind", encoding="utf-8")
    with pytest.raises(ConfigError, match="encoding 'klingon' is unknown"):
        loaded(tmp_path / "t.csv", y="kind", encoding="klingon")


def rows_of(n: int, text: str) -> str:
    return "\n".join(text.format(a=i % 3, b=i + 0.5, c=i % 7, i=i) for i in range(n)) + "\n"


READ = {
    "a separator behind each row": (
        "x,y,z\n" + rows_of(9, "{a},{b},{c},"),
        "the empty field behind the last separator",
    ),
    "a separator behind each line": ("x,y,z,\n" + rows_of(9, "{a},{b},{c},"), "the empty field behind"),
    "a separator behind the header": ("x,y,z,\n" + rows_of(9, "{a},{b},{c}"), "header in line 1"),
    "row names as R writes them": ('"x" "y" "z"\n' + rows_of(9, '"{i}" {a} {b} {c}'), "taken for the row's name"),
    "comments above": ("# made by\n# a program\nx,y,z\n" + rows_of(9, "{a},{b},{c}"), "2 comment lines skipped"),
    "a header behind a comment mark": ("# x y z\n" + rows_of(9, "{a} {b} {c}"), "behind a comment mark"),
    "a spreadsheet's hint": ("sep=;\nx;y;z\n" + rows_of(9, "{a};{b};{c}"), "semicolons"),
    "columns in line": ("   x     y   z\n" + rows_of(9, "  {a}   {b}   {c}"), "fields separated by blanks"),
    "blanks around fields": ("x , y,z\n" + rows_of(9, "{a} ,  {b}, {c}"), "fields separated by commas"),
    "single quotes": ("'x'\t'y'\t'z'\n" + rows_of(9, "{a}\t{b}\t{c}"), "fields separated by tabs"),
    "a header of numbers that count": ("0,1,2\n" + rows_of(9, "{a},{b},{c}"), "header in line 1"),
    "names and decimal commas": ("n;x;y;z\n" + rows_of(9, "s{i};{a},0;{i},5;{c},0"), "semicolons; UTF-8"),
    "rows that a spreadsheet left empty": (
        "x,y,z\n" + rows_of(9, "{a},{b},{c}") + ",,\n,,\n",
        "2 rows of empty fields",
    ),
    "columns that were emptied": ("x,y,z,,\n" + rows_of(9, "{a},{b},{c},,"), "the 2 empty fields behind the last"),
    "empty lines": ("\n\nx,y,z\n" + rows_of(9, "{a},{b},{c}\n"), "header in line 3"),
}


@pytest.mark.parametrize("case", READ)
def test_strange_layout_is_read_and_said(case: str, tmp_path: Path) -> None:
    text, sentence = READ[case]
    (tmp_path / "t.txt").write_text(text)
    data = loaded(tmp_path / "t.txt", drop=[]) if "row names" not in case else loaded(tmp_path / "t.txt")
    assert np.array_equal(data.X, [[i % 3 for i in range(9)], [i + 0.5 for i in range(9)], [i % 7 for i in range(9)]])
    assert sentence in reading_of(data)


REFUSED = {
    "rows longer than the header": ("y,a,b\n" + rows_of(30, "{a},{b},{c},7"), "line 1 has 3 fields, line 2 has 4"),
    "rows shorter than the header": ("y,a,b,c,d\n" + rows_of(30, "{a},{b},{c},7"), "line 1 has 5 fields, line 2 has 4"),
    "one longer row": ("x,y,z\n" + rows_of(9, "{a},{b},{c}") + "1,2,3,4\n", "line 11 has 4 fields, the others have 3"),
    "one shorter row": ("x,y,z\n" + rows_of(9, "{a},{b},{c}") + "1,2\n", "line 11 has 2 fields, the others have 3"),
    "row names that are numbers with a point": (
        "x,y\n" + rows_of(9, "{b},{a},{c}"),
        "line 1 has 2 fields, line 2 has 3",
    ),
    "another separator in the header": ("x;y;z\n" + rows_of(9, "{a},{b},{c}"), "line 1 has 1 fields, line 2 has 3"),
    "a header for one column": ("x;y\n" + rows_of(9, "{b}"), "line 1 holds semicolons, but the rows are not"),
    "no header": (rows_of(9, "{b},{a},{c}"), "no header, it seems: line 1 holds numbers such as 0.5"),
    "no header, with signs and exponents": (rows_of(9, "-{b}e-3,+{a},{c}"), "no header"),
    "no header, one new word": ("0.5,1,top\n" + rows_of(9, "{b},{a},rest"), "no header"),
    "units": ("x,y\ncm,kg\n" + rows_of(9, "{b},{c}"), r"line 2 holds words above columns of numbers \(cm, kg\)"),
    "marks between thousands": (
        "x,y\n" + rows_of(9, "{b},{c}") + '5,"1,200"\n',
        "line 11, column 'y': '1,200' is no number",
    ),
    "percent": (
        "x,y\n" + rows_of(9, "{b},{c}%"),
        "line 2, column 'y': '0%' is no number, and 8 more.* write it as digits",
    ),
    "a currency": ("x,y\n" + rows_of(9, "{b},€{c}"), "'€0' is no number"),
    "Fortran's exponents": ("x,y\n" + rows_of(9, "{b},{c}.5D+01"), "is no number"),
    "complex numbers": ("x,y\n" + rows_of(9, "{b},{c}+1j"), "is no number"),
    "a header alone": ("x,y\n", "holds no row but line 1, which has words alone"),
    "a title above the header": ("My table\nx,y,z\n" + rows_of(9, "{a},{b},{c}"), "remove titles above the names"),
    "a question mark": (
        "x,y\n" + rows_of(9, "{b},{c}") + "?,4\n",
        r"missing, the first in column 'x' \('\?' in line 11",
    ),
    "an empty field": ("x,y\n" + rows_of(9, "{b},{c}") + ",4\n", "an empty field in line 11"),
    "a word among numbers": ("x,y\n" + rows_of(9, "{b},{c}") + "4,low\n", "line 11, column 'y': 'low' is no number"),
    "an underscore in a number": ("x,y\n" + rows_of(9, "{b},{c}") + "4,1_000\n", "'1_000' is no number"),
    "a decimal comma that may be one of thousands": (
        "x\ty\n" + rows_of(9, "{i}\t1,234"),
        "line 2: is the comma of 1,234",
    ),
    "points and commas": ("x;y\n" + rows_of(9, "{b};{i},5"), "is the comma of 0,5 a decimal one"),
    "a comment that may be a sample": ("x,y\n" + rows_of(9, "{b},{c}") + "#1,2\n", "line 11, begins like a comment"),
    "commas that separate fields or decimals": (
        rows_of(9, "s{i} {i},5"),
        "are the fields separated by commas, or by blanks",
    ),
    "an open quote": ("x,y\n" + rows_of(9, "{b},{c}") + '"1,2\n', "look for a quote that is not closed"),
    "bytes that are no text": ("x,y\n" + rows_of(9, "{b},{c}") + "\x01,2\n", "line 11 holds the byte 0x01"),
    "words that are not all different": (
        "x,city\n" + rows_of(9, "{b},Bonn"),
        "column 'city' holds words, such as 'Bonn'",
    ),
    "nothing": ("", "is empty"),
    "comments alone": ("# nothing\n", "holds comments alone"),
    "scikit-learn's first line with another count": (
        "9,2,no,yes\n" + rows_of(8, "{b},{c},{a}"),
        "announces 9 samples, as scikit-learn's files do, but 8 lines follow",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_told_is_refused_with_the_line_and_a_hint(case: str, tmp_path: Path) -> None:
    text, message = REFUSED[case]
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        loaded(tmp_path / "t.csv")


def test_settings_win_over_rules(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("0.5;1\n1.5;2\n2.5;4\n")
    assert loaded(tmp_path / "t.csv", header=False).X.tolist() == [[0.5, 1.5, 2.5], [1, 2, 4]]
    assert loaded(tmp_path / "t.csv", header=True).feature_names == ("0.5", "1")
    (tmp_path / "t.csv").write_text("x\ty\n1,234\t1\n2,345\t5\n3,456\t2\n")
    assert loaded(tmp_path / "t.csv", decimal=",").X[0].tolist() == [1.234, 2.345, 3.456]
    (tmp_path / "t.csv").write_text("x:y\n1:3\n2:5\n3:1\n")
    assert loaded(tmp_path / "t.csv", sep=":", drop=[]).X.tolist() == [[1, 2, 3], [3, 5, 1]]
    (tmp_path / "t.csv").write_text("x,y\n1,3\n-999,5\n3,1\n")
    assert loaded(tmp_path / "t.csv").X[0].tolist() == [1, -999, 3]
    with pytest.raises(
        DataError, match=r"1 value is missing, the first in column 'x' \('-999' in line 3; feature 0, sample 1"
    ):
        loaded(tmp_path / "t.csv", missing=["-999"])
    for key, value in {"sep": ";;", "decimal": ";"}.items():
        with pytest.raises(ConfigError, match=key):
            loaded(tmp_path / "t.csv", **{key: value})


def test_years_are_a_header_though_names_stand_before_them(tmp_path: Path) -> None:
    rows = "\n".join(f"c{i},x,{i}.5,{i + 1}.5,{i + 2}.5,{i * i}.5" for i in range(5))
    (tmp_path / "t.csv").write_text(f"Country,Code,1960,1961,1962,1963\n{rows}\n")
    assert loaded(tmp_path / "t.csv", drop=["Code"]).feature_names == ("1960", "1961", "1962", "1963")


def test_names_that_occur_twice_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,a\n1.5,2,3\n4,5,6\n")
    data = loaded(tmp_path / "t.csv")
    assert data.feature_names == ("a", "b", "a.1") and "column 3 is called a like another" in reading_of(data)


def test_minus_of_typesetters_is_a_minus(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("x,y\n−1.5,2\n2.5,−3e−2\n")
    assert loaded(tmp_path / "t.csv").X.tolist() == [[-1.5, 2.5], [2, -0.03]]


def test_column_that_is_dropped_may_hold_anything(tmp_path: Path) -> None:
    rows = "".join(f"{i}.5,{'see note' if i == 7 else i},{i * i}.5\n" for i in range(9))
    (tmp_path / "t.csv").write_text(f"x,y,z\n{rows}")
    with pytest.raises(DataError, match=r"line 9, column 'y': 'see note' is no number.*drop=\['y'"):
        loaded(tmp_path / "t.csv")
    assert loaded(tmp_path / "t.csv", drop=["y"]).feature_names == ("x", "z")
