"""`nmfbench rank`: it makes ordinary runs, finds a planted rank, and says what it cannot do."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from shell import load, nmfbench

import nmfbench as package
from nmfbench.commands import rank
from nmfbench.evaluators import Fitted
from nmfbench.reports import ranks
from nmfbench.reports.renderers import csv

PLANTED = [
    "dataset=planted_parts",
    "dataset.components=4",
    "dataset.side=6",
    "dataset.samples=40",
    "dataset.noise=0.05",
]
SHORT = ["solver=hals", "seeds=3", "stopping.max_iter=40", "threads=1", "jobs=1"]
TINY = ["dataset=synthetic", "dataset.n_samples=16", "dataset.n_features=9", "stopping.max_iter=3", "threads=1"]


def test_planted_rank_is_recommended_and_nothing_runs_twice(tmp_path: Path, capsys) -> None:
    words = ["rank", *PLANTED, *SHORT, "ranks=3:5", f"results_dir={tmp_path}"]
    assert nmfbench(*words) == 0
    shown = capsys.readouterr().out
    assert "Recommended rank: 4, chosen by held-out entries, BIC and stability." in shown
    records = load(tmp_path / "rank")
    assert len(records) == 3 * 3 * 3
    assert {record["config"]["evaluator"]["name"] for record in records} == {"information", "heldout", "bicross"}
    assert nmfbench(*words) == 0
    again = capsys.readouterr()
    assert again.out == shown and again.err.count("nothing to run") == 3

    for kind in ("png", "pdf", "svg"):
        assert (tmp_path / "rank" / "figures" / f"rank_planted_parts_hals.{kind}").stat().st_size > 1000
    header, table = csv.read(tmp_path / "rank" / "figures" / "rank_planted_parts_hals.csv")
    assert header[0].startswith("Recommended rank: 4") and table.loc[table["recommended"], "rank"].tolist() == [4]
    # The numbers are those of the records.
    of_rank = [r for r in records if r["rank"] == 3 and r["config"]["evaluator"]["name"] == "heldout"]
    rmse = [row["value"] for r in of_rank for row in r["metrics"] if row["metric"] == "heldout_rmse"]
    row = table.set_index("rank").loc[3]
    assert row["heldout"] == pytest.approx(np.mean(rmse), rel=1e-5)
    assert row["heldout_sd"] == pytest.approx(np.std(rmse, ddof=1), rel=1e-5)

    frame = package.rank(*PLANTED, *SHORT, ranks=range(3, 6), results_dir=tmp_path)
    assert frame.index[frame["recommended"]].tolist() == [4] and "rank: 4" in frame.attrs["recommendation"]
    pd.testing.assert_series_equal(frame["bic"].reset_index(drop=True), table["bic"], rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["ranks=5"], "one rank, and a choice needs two"),
        (["ranks=0:3"], "numbers ≥ 1"),
        (["ranks=4:2"], "numbers ≥ 1"),
        (["ranks=-1,2"], "FROM:TO, FROM:TO:STEP or A,B,C"),
        (["ranks=two"], "FROM:TO, FROM:TO:STEP or A,B,C"),
        (["solver=mu"], "ranks must be given once"),
        (["ranks=2:3", "ranks=2:4"], "ranks must be given once"),
        (["ranks=2:10"], "9 features × 16 samples"),
        (["ranks=2:3", "rank=4"], "here it is ranks=2:10"),
        (["ranks=2:3", "evaluator.share=0.2"], "chooses the evaluators itself"),
        (["ranks=2:3", "solver=raw"], "no rank to choose"),
        (["ranks=2:3", "solver=mu,hals"], "these words name 2"),
        (["ranks=2:3", "solver=multilayer", "solver.ranks=[4,2]"], "leave out solver.ranks"),
        (["ranks=2:3", "dataset=planted_deep", "~dataset.n_samples"], "dataset.draw=0"),
        (["ranks=2:3", "solver=pca", "dataset.n_features=2"], "PCA has at most"),
    ],
)
def test_what_cannot_be_chosen_is_refused_with_the_way_out(words: list[str], message: str, tmp_path: Path, capsys):
    if "dataset=planted_deep" in words:
        given = ["stopping.max_iter=3", "ranks=2:3", "dataset=planted_deep", "solver=mu"]
    else:
        given = [*TINY, *(["solver=mu"] if not any("solver=" in word for word in words) else []), *words]
    assert nmfbench("rank", *given, f"results_dir={tmp_path}") == 2
    assert message in capsys.readouterr().err
    assert (
        not list(tmp_path.rglob("*.json")) or not (tmp_path / "rank" / "runs").exists() or not load(tmp_path / "rank")
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("2:5", [2, 3, 4, 5]), ("5:30:10", [5, 15, 25]), ("5,2,3,3", [2, 3, 5]), ("[2,4]", [2, 4])]
)
def test_ranks_are_ranges_with_both_ends_or_lists(text: str, expected: list[int]) -> None:
    assert rank._ranks(text) == expected


def test_sparse_data_has_the_criteria_that_need_no_hidden_entries(tmp_path: Path, capsys) -> None:
    X = scipy.sparse.random_array((20, 30), density=0.4, rng=np.random.default_rng(0))
    scipy.io.mmwrite(tmp_path / "x.mtx", X)
    words = ["dataset=file", f"dataset.path={tmp_path / 'x.mtx'}", "solver=mu", "seeds=2", "stopping.max_iter=5"]
    assert nmfbench("rank", *words, "ranks=2,3,4", "threads=1", f"results_dir={tmp_path}") == 0
    shown = capsys.readouterr()
    assert "BIC" in shown.out and "stability" in shown.out and "held-out" not in shown.out
    assert "evaluator=heldout needs a dense X" in shown.err


def test_method_that_draws_nothing_is_not_called_stable(tmp_path: Path, capsys) -> None:
    assert nmfbench("rank", *TINY, "solver=pca", "ranks=2:4", "seeds=2", f"results_dir={tmp_path}") == 0
    shown = capsys.readouterr().out
    assert "BIC" in shown and "stability" not in shown and "cophenetic" not in shown


def records(values: dict[int, dict[int, float | None]], metric: str) -> dict[int, list[dict]]:
    """Rank → seed → value, as records."""
    return {
        rank: [{"seed": seed, "metrics": [{"metric": metric, "value": v}]} for seed, v in of.items()]
        for rank, of in values.items()
    }


def test_splits_that_failed_at_one_rank_count_at_none() -> None:
    held = records(
        {2: {0: 3.0, 1: 3.0, 2: 9.0}, 3: {0: 1.0, 1: 1.5, 2: None}, 4: {0: 2.0, 1: 2.0, 2: 0.0}}, "heldout_rmse"
    )
    found = ranks.study({}, held, {})
    assert found.choices["heldout"].rank == 3 and "bicross" not in found.choices
    assert found.curves["heldout"][4].tolist() == [2.0, 2.0]
    assert "only held-out entries could be computed" in found.recommendation.sentence


def test_consensus_does_not_depend_on_the_factor_that_holds_the_scale() -> None:
    generator = np.random.default_rng(0)
    pairs = []
    for seed in range(3):
        W, H = generator.uniform(size=(7, 3)), generator.uniform(size=(3, 11))
        pairs.append(({"seed": seed, "objective": 1.0 + seed, "metrics": []}, W, H))
    scale = np.array([1.0, 100.0, 0.01])
    plain, scaled = (
        {
            r: [(record, Fitted(codes=[H[:r] / s[:r, None]], bases=[W[:, :r] * s[:r]])) for record, W, H in pairs]
            for r in (2, 3)
        }
        for s in (np.ones(3), scale)
    )
    curves = [ranks.study(fits, {}, {}).frame for fits in (plain, scaled)]
    pd.testing.assert_frame_equal(*curves)


def test_page_on_ranks_says_what_was_measured() -> None:
    root = Path(__file__).parents[1]
    page, measured = (
        (root / path).read_text(encoding="utf-8") for path in ("docs/choosing-a-rank.md", "results/rank/planted.md")
    )
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in measured.splitlines()]
    rows = [row for row in rows if len(row) == 5 and "%" in row[1]]
    assert len(rows) == 8
    for row in rows:
        assert f"| {' | '.join(row[:4])} |" in page
    of = csv.read(root / "results" / "rank" / "planted.csv")[1]
    exact, named = of["recommendation"] == of["truth"], of["recommendation"].notna()
    assert f"{exact.sum()} of {named.sum()} were exact" in page
    assert f"in {(~named).sum()} of {len(of)} problems no rank was recommended" in page
    correlated = of["correlation"] > 0
    by_correlation = [f"{exact[at].sum()} of {at.sum()} with" for at in (correlated, ~correlated)]
    assert f"{by_correlation[0]} correlation, {by_correlation[1]}out" in page
    for name, words in {"heldout": "held-out entries", "bic": "BIC", "bicross": "bi-cross-validation"}.items():
        below, above = (of[name] < of["truth"]).sum(), (of[name] > of["truth"]).sum()
        assert f"{words} {below} and {above}" in measured


def test_runs_of_rank_stand_in_no_other_table(tmp_path: Path, capsys) -> None:
    assert (
        nmfbench("run", *TINY, "solver=hals", "seeds=2", "rank=2", "stopping.max_iter=5", f"results_dir={tmp_path}")
        == 0
    )
    capsys.readouterr()
    assert nmfbench("table", f"results_dir={tmp_path}") == 0
    before = capsys.readouterr().out
    assert nmfbench("rank", *TINY, "solver=hals", "ranks=2:3", "seeds=2", f"results_dir={tmp_path}") == 0
    capsys.readouterr()
    assert nmfbench("table", f"results_dir={tmp_path}") == 0
    assert capsys.readouterr().out == before
