"""Runs, records and solvers as DataFrames."""

import ast
import re
import sys
import types
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import nmfbench
from nmfbench import config, progress
from nmfbench.errors import ConfigError, DataError, NotApplicable, in_python
from nmfbench.numerics.factorization import Factorization

SHORT = {"dataset": "synthetic", "dataset.n_samples": 20, "seeds": 2, "stopping.max_iter": 5, "threads": 1}


def test_run_returns_the_long_form_and_a_second_call_only_reads(tmp_path: Path, capsys) -> None:
    first = nmfbench.run("solver=mu,hals", **SHORT, rank=[2, 3], results_dir=tmp_path / "r")
    assert set(zip(first["solver"], first["rank"], strict=True)) == {(s, r) for s in ("mu", "hals") for r in (2, 3)}
    assert first.loc[first["metric"] == "nmi", "mean"].between(0, 100).all()
    assert capsys.readouterr().out == ""
    again = nmfbench.run("solver=mu,hals", **SHORT, rank=[2, 3], results_dir=tmp_path / "r")
    assert "nothing to run" in capsys.readouterr().err
    assert again.equals(first)


def test_load_records_chooses(tmp_path: Path) -> None:
    nmfbench.run(solver=["mu", "pca"], rank=2, results_dir=tmp_path / "r", **SHORT)
    assert set(nmfbench.load_records(tmp_path / "r")["solver"]) == {"mu", "pca"}
    assert set(nmfbench.load_records(tmp_path / "r", solver="mu")["solver"]) == {"mu"}
    with pytest.raises(ConfigError, match="no records in"):
        nmfbench.load_records(tmp_path / "absent")


def test_run_that_is_refused_raises(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no solver is called 'muu'"):
        nmfbench.run(solver="muu", results_dir=tmp_path)
    with pytest.raises(NotApplicable, match="PCA has at most"):
        nmfbench.run(solver="pca", rank=50, results_dir=tmp_path, **SHORT)


def test_list_solvers_has_every_yaml() -> None:
    listed = nmfbench.list_solvers()
    assert list(listed.index) == config.options("solver") and listed.loc["mu", "monotone"] == "yes"


def test_result_is_shown_in_a_line() -> None:
    (result,) = nmfbench.fit(nmfbench.HALS(rank=2), np.ones((5, 7)), stopping=nmfbench.Stopping(max_iter=3))
    assert len(repr(result)) < 150 and "W 5 × 2, H 2 × 7" in repr(result) and "after 3 iterations" in repr(result)


def test_table_of_pandas_is_asked_which_way_round_it_is() -> None:
    X, y = np.random.default_rng(0).uniform(size=(5, 12)), np.arange(12) % 3
    with pytest.raises(ConfigError, match=r"X\.T\.to_numpy\(\) for samples in rows"):
        nmfbench.fit(nmfbench.HALS(rank=2), pd.DataFrame(X))
    # The codes' samples are as many as the labels, so they are taken.
    assert nmfbench.evaluate(pd.DataFrame(X), y, 3, n_init=1) == nmfbench.evaluate(X, y, 3, n_init=1)


def test_fit_takes_a_number_of_seeds_and_of_iterations() -> None:
    X = np.random.default_rng(0).uniform(size=(6, 9))
    results = nmfbench.fit(nmfbench.HALS(rank=2), X, seeds=3, max_iter=4)
    assert [(result.seed, result.iterations) for result in results] == [(0, 4), (1, 4), (2, 4)]
    budget = nmfbench.Stopping(max_iter=7, max_seconds=60.0)
    assert nmfbench.fit(nmfbench.HALS(rank=2), X, stopping=budget, max_iter=3)[0].iterations == 3
    with pytest.raises(ConfigError, match="max_iter must be an integer"):
        nmfbench.fit(nmfbench.HALS(rank=2), X, max_iter=2.5)


def cells(table: str) -> list[list[str]]:
    """The cells of a table of HTML, row by row."""
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall("<tr>(.*?)</tr>", table)]


def test_results_and_factors_show_themselves_as_tables() -> None:
    X = np.random.default_rng(0).uniform(size=(6, 9))
    results = nmfbench.fit(nmfbench.DeepMU(rank=2, ranks=[3, 2]), X, seeds=2, max_iter=4)
    heads, *rows = cells(results._repr_html_())
    assert heads == ["seed", "status", "iterations", "seconds", "objective"]
    assert [(row[0], row[2]) for row in rows] == [("0", "4"), ("1", "4")]
    assert [float(row[4]) for row in rows] == pytest.approx([result.objective for result in results], rel=1e-5)
    made = results[1].factorization
    assert repr(made) == "<Stack of 2 layers: W2 6 × 2, W1 2 × 3, H 3 × 9>"
    _, *rows = cells(made._repr_html_())
    assert [row[:2] for row in rows] == [["W2", "6 × 2"], ["W1", "2 × 3"], ["H", "3 × 9"]]
    assert [float(row[3]) for row in rows] == pytest.approx([float(f.max()) for f in made.factors.values()], rel=1e-3)
    assert made._repr_html_() in results[1]._repr_html_() and "Seed 1" in results[1]._repr_html_()
    failed = nmfbench.FitResult(0, "failed", 0, 0.0, (0,), error="ValueError: <b>")
    assert failed._repr_html_() == "<p>Seed 0: ValueError: &lt;b&gt;.</p>"


@pytest.mark.parametrize("factorization", Factorization.__subclasses__(), ids=lambda kind: kind.__name__)
def test_every_factorization_has_the_short_repr(factorization: type[Factorization]) -> None:
    assert factorization.__repr__ is Factorization.__repr__


def test_errors_about_data_speak_python(tmp_path: Path) -> None:
    (tmp_path / "dataset.csv").write_text("a,b,c\n" + "1,?!,x y\n2,3,z\n" * 3)
    with pytest.raises(DataError, match=r"missing=\['\?!'\].* to leave it out: drop=\['b'\]$") as raised:
        nmfbench.load_dataset("file", path=tmp_path / "dataset.csv")
    assert "dataset.csv" in str(raised.value) and "dataset.drop" not in str(raised.value)
    with pytest.raises(ConfigError, match="path must be given: add path=…"):
        nmfbench.load_dataset("file")
    words = "dataset.header=true, dataset.drop=[a,b], dataset.size=[2,3]: dataset.y=… /dataset.csv dataset.decimal=','"
    assert in_python(words, "dataset", ["header", "drop", "size", "y", "decimal"]) == (
        'header=True, drop=["a", "b"], size=[2, 3]: y=… /dataset.csv decimal=\',\''
    )


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that takes itself for the kernel of a notebook, without ipywidgets."""
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython.version_info = (9, 0)
    monkeypatch.setitem(sys.modules, "IPython", ipython)


def test_progress_is_a_bar_in_a_notebook_without_a_terminal(kernel: None, capsys) -> None:
    with progress.FitProgress("hals") as bar:
        nmfbench.fit(nmfbench.HALS(rank=2), np.ones((5, 7)), max_iter=30, on_look=bar)
        assert type(bar.bar).__module__ in ("tqdm.asyncio", "tqdm.notebook") and bar.bar.total == 30
    assert "hals" in capsys.readouterr().err
    with progress.Overall(3, {"mu": 1.0}) as overall:
        assert overall.bar is not None


CELLS = [
    "import nmfbench\nimport numpy as np",
    "nmfbench.list_solvers().head()",
    "table = nmfbench.run('solver=mu,hals', dataset='uci_iris', rank=[2, 3, 4], seeds=2, results_dir=folder,\n"
    "                     **{'stopping.max_iter': 5})\ntable.head()",
    "ax = nmfbench.plot.scores(table)\nax.set_title('iris')\nax",
    "nmfbench.plot.sweep(table, 'rank', metric='error')",
    "iris = nmfbench.load_dataset('uci_iris')\n"
    "results = nmfbench.fit(nmfbench.HALS(rank=3), iris.X, seeds=2, max_iter=5)\nresults",
    "results[0]",
    "results[0].factorization",
    "nmfbench.plot.confusion(results[0], iris.y)",
    "nmfbench.evaluate(results[0].factorization.H, iris.y, n_clusters=3)",
]


def test_notebook_shows_every_cell_briefly(tmp_path: Path) -> None:
    matplotlib.use("agg")
    plt.close("all")
    names = {"folder": tmp_path / "r"}
    kinds = []
    for cell in CELLS:
        *before, last = ast.parse(cell).body
        exec(compile(ast.Module(before, []), "cell", "exec"), names)
        if not isinstance(last, ast.Expr):
            exec(compile(ast.Module([last], []), "cell", "exec"), names)
            continue
        value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
        html = getattr(value, "_repr_html_", lambda: None)()
        kinds.append("table" if html else type(value).__name__)
        assert len(repr(value)) < 3000 and (html is None or html.count("<tr") <= 8)
    assert kinds == ["table", "table", "Axes", "Axes", "table", "table", "table", "Axes", "dict"]
    assert len(plt.get_fignums()) == 3
    plt.close("all")
