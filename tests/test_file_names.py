"""Files and folders of any name reach the loader and the store as the shell hands them over."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from shell import nmfbench

from nmfbench.config import escaped
from nmfbench.records import Store
from nmfbench.running import filenames
from nmfbench.running.composer import Composed
from nmfbench.running.composing import requests
from nmfbench.running.settings import Settings

TRICKY = [
    *(
        "iris (1)",
        "a,b",
        "[x]",
        "{y}",
        "it's",
        'say "x"',
        '"',
        "a=b",
        "#1",
        "$x",
        "${x}",
        "\\${x}",
        "\\\\${x}",
    ),
    *(
        "back\\slash",
        "trailing\\",
        "\\'",
        "@me",
        "a~b",
        "~nobody at all",
        "a+b",
        "a:b",
        "*",
        "?",
        "???",
        "ü 数",
        "-dash",
    ),
    *("new\nline", "007", "1e3", "null", "true", "blank ", " blank", "\ttab", "choice(a,b)", "range(3)", "a b,c d"),
    *("${oc.env:HOME}", "${", "}", "%s", "glob(*)", "!", "<>|&;"),
]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0/")) | st.text("ab\\${}'\" ,()[]=:~?\n", max_size=9)
CALL = ["solver=raw", "seeds=1", "evaluator.n_init=1", "threads=1"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def composed(*words: str) -> list[Composed]:
    return [one for request in requests(filenames.literal(words)) for one in request.composed]


def write(name: str) -> None:
    with Path(name).open("wb") as file:
        np.savez(file, X=np.eye(4, 9).T + 1.0, y=np.arange(9) % 3)


def resolved(value: str) -> str:
    return OmegaConf.to_container(OmegaConf.create({"a": value}), resolve=True)["a"]


@settings(max_examples=300, deadline=None)
@given(NAMES.filter(lambda text: text != "???"))
def test_quoted_text_means_itself_to_hydra_and_omegaconf(text: str) -> None:
    assert resolved(escaped(text)) == text
    parsed = OverridesParser.create().parse_override(f"a={filenames.quoted(text)}")
    again = OverridesParser.create().parse_override(f"a={parsed.get_value_element_as_str()}")  # as for composing
    assert resolved(parsed.value()) == resolved(again.value()) == text
    if filenames._is_quoted(quoted := filenames.quoted(text)):
        assert filenames._unquoted(quoted) == text


@settings(max_examples=20, deadline=None)
@given(NAMES.filter(lambda text: text and not text.startswith("~") and not filenames._is_quoted(text)))
def test_any_name_of_a_results_folder_is_literal(text: str) -> None:
    (one,) = composed("dataset=digits", f"results_dir={text}")
    assert Settings.of(one.node).root == Path(text).absolute()
    assert filenames.results_dir([f"results_dir={text}"]).absolute() == Path(text).absolute()
    hint = f"results_dir={filenames.quoted(text)}"
    assert filenames.results_dir(shlex.split(shlex.join([hint]))) in (Path(text), Path(text).absolute())


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES.filter(lambda text: text not in ("", ".", "..") and len(text.encode()) < 200))
def test_any_name_of_a_file_that_exists_is_literal(folder: Path, text: str) -> None:
    path = folder / text
    path.touch()
    try:
        for word in (f"dataset.path={text}", f"dataset.path={folder}/{text}"):
            (one,) = composed("dataset=file", word)
            assert Path(one.plain("dataset")["path"]).absolute() == path
        swept = composed("-m", "dataset=file", f"dataset.path={text},./b.npz")
        assert [Path(each.plain("dataset")["path"]).absolute() for each in swept] == [path, folder / "b.npz"]
    finally:
        path.unlink()


@pytest.mark.parametrize("name", TRICKY)
def test_run_and_table_take_files_and_folders_of_any_name(name: str, folder: Path, capsys) -> None:
    write(f"{name}.npz")
    assert nmfbench("run", "dataset=file", f"dataset.path={name}.npz", "dataset.y=y", *CALL, f"results_dir={name}") == 0
    assert f"{Path(name).absolute()}/tables/" in capsys.readouterr().out
    (record,) = Store(folder / name).load()[0]
    assert record["dataset"] == name
    for where in (f"results_dir={name}", f"--results={name}"):
        assert nmfbench("show", where) == nmfbench("status", where) == 0
        assert "1 finished" in capsys.readouterr().out
    assert nmfbench("table", f"results_dir={name}") == 0
    assert nmfbench("run", "dataset=file", f"dataset.path={name}.npz", "dataset.y=y", *CALL, f"results_dir={name}") == 0
    assert "nothing to run" in capsys.readouterr().err


def test_a_sweep_takes_each_part_that_exists_as_it_is_called(folder: Path) -> None:
    names = ["a (1).npz", "b,2.npz", "${c}.npz", "007.npz"]
    for name in names:
        write(name)
    swept = composed("-m", "dataset=file", f"dataset.path={','.join(names)}")
    assert [one.plain("dataset")["path"] for one in swept] == names
    assert (
        nmfbench("run", "-m", "dataset=file", f"dataset.path={','.join(names)}", *CALL, "rank=2", "results_dir=r") == 0
    )


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("'a b.npz'", ["a b.npz"]),
        ('"it\'s.npz"', ["it's.npz"]),
        ("a.npz,b.npz", ["a.npz", "b.npz"]),
        ("choice(a.npz,b.npz)", ["a.npz", "b.npz"]),
        ("${oc.env:FOLDER}/a.npz", ["there/a.npz"]),
        ("a (1).npz", ["a (1).npz"]),
        ("it's.npz", ["it's.npz"]),
    ],
)
def test_name_of_no_file_means_what_hydra_makes_of_it_or_itself(value, meant, monkeypatch) -> None:
    monkeypatch.setenv("FOLDER", "there")
    assert [one.plain("dataset")["path"] for one in composed("-m", "dataset=file", f"dataset.path={value}")] == meant


@pytest.mark.parametrize("column", ["class (1)", "Species name", "it's", "{a", "x,(y"])
def test_columns_may_be_called_anything(column: str, folder: Path) -> None:
    quoted = column.replace('"', '""')
    Path("a.csv").write_text(f'"{quoted}",u,v\n' + "".join(f"{i % 2},{i}.5,{i * i}\n" for i in range(8)))
    call = ["dataset=file", "dataset.path=a.csv", f"dataset.y={column}", *CALL]
    assert nmfbench("run", *call, "results_dir=r") == 0
    assert Store(folder / "r").load()[0][0]["data"]["classes"] == 2


def test_plain_words_and_other_keys_are_left_alone() -> None:
    words = ["solver=mu", "dataset.path=a/b-1.npz", "results_dir=results/local", "dataset.x=a (1)", "-m", "--cfg"]
    assert filenames.literal(words) == words


@pytest.mark.parametrize(
    "how", [["--results", "it's (1) ${x}"], ["results_dir=it's (1) ${x}"], ["--results='q'"], []], ids=str
)
def test_command_that_makes_what_a_figure_lacks_can_be_copied(how, folder: Path, capsys) -> None:
    assert nmfbench("plot", "wnnf_fig2", *how) == 1
    hint = capsys.readouterr().err.partition("make them with: ")[2].splitlines()[0]
    words = shlex.split(hint)[2:]
    (one, *_) = composed(*words)
    assert Settings.of(one.node).root == folder / (how[-1].rpartition("=")[2] if how else "results/local")


def test_table_of_long_foreign_names_is_written(folder: Path) -> None:
    name = "数" * 70
    write(f"{name}.npz")
    assert nmfbench("run", "dataset=file", f"dataset.path={name}.npz", "dataset.y=y", *CALL, "results_dir=r") == 0
    assert len(list((folder / "r/tables").iterdir())) == 3
