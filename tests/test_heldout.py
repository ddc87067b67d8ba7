"""Held-out entries: no fit sees them, the mask is part of what a run is, and the scores are those of plain loops."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
from contract import build, matrix
from shell import load, nmfbench, run

from nmfbench import papers
from nmfbench.datasets.base import Dataset
from nmfbench.errors import ConfigError, NotApplicable
from nmfbench.evaluators import Fitted
from nmfbench.evaluators.heldout import Heldout
from nmfbench.records import Store
from nmfbench.running import executing, measuring
from nmfbench.running.composing import requests
from nmfbench.running.executing import Task
from nmfbench.running.jobs import observed_entries
from nmfbench.running.planning import plan
from nmfbench.solvers.base import Stopping

DATA = Dataset("made", matrix())
TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["stopping.max_iter=5", "seeds=2"]


def values(record: dict, metric: str) -> list[float]:
    return [row["value"] for row in record["metrics"] if row["metric"] == metric]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_share_of_the_entries_is_hidden_and_one_of_each_row_and_column_stays(share: float) -> None:
    hidden = Heldout(share=share).hidden(DATA, 3)
    m, n = hidden.shape
    assert (~hidden).any(0).all() and (~hidden).any(1).all()
    if share < 0.9:
        assert hidden.sum() == round(share * m * n)
    np.testing.assert_array_equal(hidden, Heldout(share=share).hidden(DATA, 3))
    assert not np.array_equal(hidden, Heldout(share=share).hidden(DATA, 4))


def test_only_observed_entries_are_hidden() -> None:
    observed = np.random.default_rng(0).random(DATA.X.shape) > 0.6
    hidden = Heldout(share=0.3).hidden(Dataset("made", np.where(observed, DATA.X, np.nan), observed=observed), 0)
    assert not (hidden & ~observed).any() and hidden.sum() == round(0.3 * observed.sum())
    left = observed & ~hidden
    assert (left.any(0) == observed.any(0)).all() and (left.any(1) == observed.any(1)).all()


def test_what_has_no_entry_to_hide_and_sparse_data_are_refused() -> None:
    with pytest.raises(NotApplicable, match="no entry of made"):
        Heldout().hidden(Dataset("made", DATA.X[:1]), 0)
    with pytest.raises(NotApplicable, match=r"dataset\.dense=true"):
        Heldout().hidden(Dataset("made", scipy.sparse.csc_array(DATA.X)), 0)
    for share in (0.0, 1.0):
        with pytest.raises(ConfigError, match="share"):
            Heldout(share=share)


def test_scores_are_those_of_plain_loops() -> None:
    generator, evaluator = np.random.default_rng(1), Heldout(share=0.2)
    Ws, Hs = [generator.normal(size=(13, r)) for r in (4, 2)], [generator.uniform(size=(r, 29)) for r in (4, 2)]
    rows = evaluator.evaluate(Fitted(codes=Hs, factors={"W": Ws[0]}, bases=Ws), DATA, 5, None)
    out = evaluator.hidden(DATA, 5)
    hidden = np.argwhere(out)
    floor = 1e-7 * np.mean([DATA.X[i, j] for i, j in hidden])
    for layer, (W, H) in enumerate(zip(Ws, Hs, strict=True), start=1):
        pairs = [(DATA.X[i, j], W[i] @ H[:, j]) for i, j in hidden]
        rmse = np.sqrt(sum((x - v) ** 2 for x, v in pairs) / len(pairs))
        kl = sum(x * np.log(x / max(v, floor)) - x + max(v, floor) for x, v in pairs) / len(pairs)
        measured = {row["metric"]: row["value"] for row in rows if row["layer"] == layer}
        means = [np.mean([x for x, o in zip(*row, strict=True) if not o]) for row in zip(DATA.X, out, strict=True)]
        of_means = np.sqrt(sum((DATA.X[i, j] - means[i]) ** 2 for i, j in hidden) / len(hidden))
        assert measured == pytest.approx({"heldout_rmse": rmse, "heldout_ratio": rmse / of_means, "heldout_kl": kl})
    signed = Dataset("made", DATA.X - 0.5)
    assert "heldout_kl" not in {
        row["metric"] for row in evaluator.evaluate(Fitted(codes=Hs, bases=Ws), signed, 5, None)
    }


@pytest.mark.parametrize("name", ["hals", "anls"])
def test_no_fit_sees_what_is_held_out(name: str) -> None:
    evaluator, factors = Heldout(share=0.3), []
    hidden = evaluator.hidden(DATA, 0)
    for X in (DATA.X, np.where(hidden, 100.0, DATA.X)):
        data = Dataset("made", X)
        observed = observed_entries(data, evaluator, 0)
        stopping = Stopping(max_iter=5)
        (outcome,) = measuring.fitted(build(name), data, seeds=[0], stopping=stopping, observed=observed)
        factors.append(outcome.fitted.factors)
        error = values(outcome.fit, "error")[0]
    for letter, factor in factors[0].items():
        np.testing.assert_array_equal(factor, factors[1][letter])
    left = (DATA.X - factors[0]["W"] @ factors[0]["H"])[~hidden]
    assert error == pytest.approx(np.linalg.norm(left) / np.linalg.norm(DATA.X[~hidden]), rel=1e-5)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("held out")
    assert run(folder, "solver=mu", *TINY, "evaluator=heldout", "save_codes=true") == 0
    return folder


def test_record_holds_the_scores_and_each_seed_has_a_mask_of_its_own(results: Path) -> None:
    records = load(results)
    assert [record["config"]["hidden"]["share"] for record in records] == [0.1, 0.1]
    assert len({values(record, "heldout_rmse")[0] for record in records}) == 2
    assert all(record["batch"] == [record["seed"]] for record in records)


def test_codes_of_masked_and_whole_fits_are_not_mistaken_for_each_other(results: Path, capsys) -> None:
    before = {path for path in results.rglob("*.npz")}
    assert run(results, "solver=mu", *TINY, "evaluator.n_init=1", "save_codes=true") == 0
    assert len({*results.rglob("*.npz")} - before) == 2, "clustering fits whole data"
    assert run(results, "solver=mu", *TINY, "evaluator=heldout", "evaluator.share=0.2") == 0
    errors = {(r["config"].get("hidden", {}).get("share"), values(r, "error")[0]) for r in load(results)}
    assert len(errors) == 6
    assert nmfbench("verify", f"results_dir={results}") == 0


def test_second_call_runs_nothing(results: Path, capsys) -> None:
    assert run(results, "solver=mu", *TINY, "evaluator=heldout") == 0
    assert "nothing to run; already done: 2" in capsys.readouterr().err


def test_job_that_travelled_makes_the_same_records(results: Path, tmp_path: Path) -> None:
    words = ["solver=mu", *TINY, "evaluator=heldout", f"results_dir='{tmp_path}'", "threads=1"]
    (job,) = plan(*requests(words)).jobs
    made = executing.run(pickle.loads(pickle.dumps(Task(job, (1, 0)))))
    for seed, record in made.items():
        same = Store(results).finished(record["config"], seed)
        assert same and same["metrics"] == record["metrics"]


def test_no_printed_number_stands_beside_a_fit_with_held_out_entries() -> None:
    whole = {"dataset": {"name": "hierarchy"}, "solver": {"name": "deep_mu", "ranks": [9]}}
    data = {"features": 87, "samples": 90, "classes": 9}
    record = {"config": whole, "data": data, "variant": {}}
    assert papers.printed(record)
    assert not papers.printed(record | {"config": whole | {"hidden": {"name": "heldout"}}})


def test_method_that_draws_nothing_is_fitted_for_each_mask(tmp_path: Path) -> None:
    assert run(tmp_path, "solver=semi", *TINY, "evaluator=heldout") == 0
    first, second = (values(record, "heldout_rmse") for record in load(tmp_path))
    assert first != second


def test_sweep_scores_who_accepts_missing_entries_and_names_the_others(tmp_path: Path, capsys) -> None:
    assert run(tmp_path, "-m", "solver=hals,pca,raw,dnsnmf", *TINY, "evaluator=heldout", "rank=2") == 0
    printed = capsys.readouterr()
    assert {record["solver"] for record in load(tmp_path)} == {"hals", "dnsnmf"}
    assert "left out: pca on synthetic: PCA with these settings needs all entries" in printed.err
    assert "RMSE on held-out entries" in printed.out
    assert run(tmp_path, "solver=pca", *TINY, "evaluator=heldout") == 2


def test_convolution_is_left_out(tmp_path: Path) -> None:
    faces = ["dataset=digits", "seeds=1", "stopping.max_iter=1", "evaluator=heldout"]
    assert run(tmp_path, "solver=wnnf_deconv", "rank=4", *faces) == 0
    (record,) = load(tmp_path)
    assert record["status"] == "max_iter" and values(record, "heldout_rmse") == []
