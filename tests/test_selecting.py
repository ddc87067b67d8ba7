"""Records chosen by words: tables of some, sorted; one shown whole; some removed."""

import shutil
from pathlib import Path

import pytest

from nmfbench.cli import main
from nmfbench.errors import ConfigError
from nmfbench.records import Store
from nmfbench.reports.selecting import select

SWEEP = ["-m", "solver=mu,hals,raw", "dataset=digits,synthetic", "rank=3,4", "seeds=2", "stopping.max_iter=4"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("swept")
    assert main(["run", *SWEEP, "evaluator.n_init=1", "threads=1", "save_codes=true", f"results_dir='{folder}'"]) == 0
    return folder


@pytest.fixture
def copied(swept: Path, tmp_path: Path) -> Path:
    shutil.copytree(swept, tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize(
    ("words", "number"),
    [
        (["solver=mu"], 8),
        (["solver=mu,hals", "dataset=digits"], 8),
        (["solver=glob(*l*)"], 8),
        (["solver=NMF"], 8),
        (["rank=3"], 8),
        (["solver.rank=3", "seed=0"], 4),
        (["n_init=1"], 20),
        (["stopping.max_iter=4"], 16),
        (["status=failed"], 0),
        (["seed=range(0,2)"], 20),
    ],
)
def test_words_choose_records(swept: Path, words: list[str], number: int) -> None:
    assert len(select(Store(swept).load()[0], words)) == number


def test_word_that_no_record_knows_is_named_with_the_nearest(swept: Path) -> None:
    records = Store(swept).load()[0]
    with pytest.raises(ConfigError, match=r"no record has a key solvr; did you mean solver"):
        select(records, ["solvr=mu"])
    with pytest.raises(ConfigError, match="records are chosen by key=value"):
        select(records, ["solver=mu", "digits"])
    with pytest.raises(ConfigError, match="no record has a key max_iter"):
        select(records, ["max_iter=4"])  # stopping's or the evaluator's?


def test_table_shows_the_chosen_records_with_the_best_first(swept: Path, capsys) -> None:
    assert main(["table", "dataset=digits", f"results_dir={swept}", "--sort"]) == 0
    shown = capsys.readouterr().out
    assert "synthetic" not in shown
    rows = [line for line in shown.splitlines() if line.startswith(("mu", "hals", "raw"))]
    scores = [float(row.split("±")[0].split()[-1]) for row in rows]
    assert len(rows) == 5 and scores == sorted(scores, reverse=True)
    assert main(["table", "--sort", "error", "solver=mu,hals", "--results", str(swept)]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("mu", "hals"))]
    assert [row[0] for row in rows[:4]] == ["hals", "hals", "mu", "mu"] and rows[0][1] == "4"
    assert main(["table", "solver=pca", f"results_dir={swept}"]) == 2
    assert "no record in" in capsys.readouterr().err


def test_sort_by_something_that_is_no_column_is_refused(swept: Path, capsys) -> None:
    assert main(["table", "--sort", "nonsense", "--results", str(swept)]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_show_lists_what_words_choose_and_one_record_whole(swept: Path, capsys) -> None:
    assert main(["show", "solver=mu", "dataset=digits", f"results_dir={swept}"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(" mu on digits " in line for line in lines) and last.startswith("4 records")
    name = lines[0].split()[0]
    for word in (name, name[:8], str(next(swept.glob(f"runs/*/*/{name}.json")))):
        assert main(["show", word, "--results", str(swept)]) == 0
        shown = capsys.readouterr().out
        for words in ([word, f"results_dir={swept}"], [f"results_dir={swept}", word]):
            assert main(["show", *words]) == 0 and capsys.readouterr().out == shown
        assert shown.startswith("# mu on digits, seed") and "nmi_max" in shown and "torch" in shown
        assert "scaling" in shown and "max_iter" in shown
    assert main(["show", "zzz", "--results", str(swept)]) == 2
    assert "no record in" in capsys.readouterr().err


def test_rm_asks_and_removes_the_chosen_records_with_their_codes(copied: Path, capsys, monkeypatch) -> None:
    n_codes = len(list(copied.glob("runs/*/*/*.npz")))
    assert main(["rm", "--results", str(copied)]) == 2
    assert main(["rm", "solver=mu", f"results_dir={copied}"]) == 2, "nobody is there to confirm"
    assert "add --yes to remove 8 records" in capsys.readouterr().err
    assert main(["rm", next(copied.glob("runs/*/*/*.json")).stem, "solver=mu", "--yes", f"results_dir={copied}"]) == 2
    assert "names one record; leave it out, or leave out solver=mu" in capsys.readouterr().err
    assert len(Store(copied).load()[0]) == 20
    assert main(["rm", "solver=mu", "--yes", f"results_dir={copied}"]) == 0
    assert "removed 8 records" in capsys.readouterr().out
    assert {record["solver"] for record in Store(copied).load()[0]} == {"hals", "raw"}
    assert len(list(copied.glob("runs/*/*/*.npz"))) == n_codes - 8


def test_codes_that_another_record_needs_stay(copied: Path) -> None:
    call = ["solver=hals", "dataset=digits", "rank=3", "seeds=1", "stopping.max_iter=4", "threads=1"]
    assert main(["run", *call, "evaluator.n_init=2", f"results_dir='{copied}'"]) == 0
    assert (
        main(["rm", "solver=hals", "dataset=digits", "rank=3", "seed=0", "n_init=2", "--yes", f"results_dir={copied}"])
        == 0
    )
    (record,) = select(Store(copied).load()[0], ["solver=hals", "dataset=digits", "rank=3", "seed=0"])
    assert Store(copied).codes_path(record["config"], 0).exists()


@pytest.mark.parametrize("command", ["table", "status", "show", "rm", "verify"])
def test_results_dir_is_understood_by_every_command(command: str, tmp_path: Path, capsys) -> None:
    words = {"rm": ["solver=mu", "--yes"]}.get(command, [])
    code = main([command, *words, f"results_dir={tmp_path / 'elsewhere'}"])
    output = capsys.readouterr()
    assert code in (0, 2) and str(tmp_path / "elsewhere") in output.out + output.err
