"""Runs, records and solvers as DataFrames."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import nmfbench
from nmfbench import config
from nmfbench.errors import ConfigError, NotApplicable

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
