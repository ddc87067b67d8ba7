"""Labels reach only solvers that declare it, and those are scored on what they did not see."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from nmfbench import load_dataset
from nmfbench.cli import main
from nmfbench.datasets.base import Dataset, labelled_mask
from nmfbench.numerics.factorization import Product
from nmfbench.reports.blocks import split
from nmfbench.reports.words import variant_words
from nmfbench.running.jobs import labels_seen
from nmfbench.solvers.base import Solver, Stopping


@dataclass(frozen=True, kw_only=True)
class Cheat(Solver):
    """min 0: the codes are the labels that it may see, one-hot; all others are 0."""

    stopping: ClassVar[Stopping] = Stopping(max_iter=1)

    @property
    def uses_labels(self) -> bool:
        return True

    def iterates(self, problem, rng):
        k = 1 if problem.labels is None else int(problem.labels.max()) + 1
        H = problem.X.new_zeros(k, problem.X.shape[1])
        if problem.labels is not None:
            H[problem.labels[problem.labelled], problem.labelled.nonzero().ravel()] = 1
        yield Product(problem.X.new_zeros(len(rng.seeds), len(problem.X), k), H.expand(len(rng.seeds), -1, -1))

    def objective(self, problem, factorization):
        return torch.zeros(len(factorization.H))


@pytest.fixture
def run(tmp_path: Path):
    """`nmfbench run` with a config folder that knows the cheat; returns its records."""
    (tmp_path / "configs/solver").mkdir(parents=True)
    (tmp_path / "configs/solver/cheat.yaml").write_text(f"# a cheat\n_target_: {__name__}.Cheat\n")

    def call(*overrides: str) -> list[dict]:
        fixed = ["dataset=digits", "seeds=1", "threads=1", "stopping.max_iter=2", f"results_dir={tmp_path / 'results'}"]
        assert main(["run", "--config-dir", str(tmp_path / "configs"), *fixed, *overrides]) == 0
        return [json.loads(path.read_text()) for path in (tmp_path / "results/runs").rglob("*.json")]

    return call


def nmi(record: dict) -> float:
    return next(row["value"] for row in record["metrics"] if row["metric"] == "nmi")


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.4, 1.0])
def test_mask_takes_its_fraction_of_every_class(fraction: float) -> None:
    y = load_dataset("digits").y
    counts, expected = np.bincount(y[labelled_mask(y, fraction)], minlength=10), fraction * np.bincount(y)
    assert (np.abs(counts - expected) <= 0.5 + (fraction == 0.01)).all()
    assert (counts > 0).all() == (fraction > 0)
    assert np.array_equal(labelled_mask(y, fraction), labelled_mask(y, fraction))


def test_labels_that_were_seen_are_not_scored(run, capsys: pytest.CaptureFixture) -> None:
    (record,) = run("solver=cheat", "label_fraction=0.4")
    assert nmi(record) == pytest.approx(0, abs=1e-9)
    assert record["variant"]["label_fraction"] == 0.4
    assert "scored on the other samples" in capsys.readouterr().out


def test_all_labels_give_training_scores_that_the_table_marks(run, capsys: pytest.CaptureFixture) -> None:
    (record,) = run("solver=cheat", "label_fraction=1")
    assert nmi(record) == pytest.approx(1)
    assert "training scores" in capsys.readouterr().out


def test_table_says_how_many_labels_were_seen_where_each_class_keeps_one() -> None:
    data = Dataset("mine", np.ones((2, 178)), np.arange(178) % 20)
    assert labels_seen(data, 0.01) == 20 and labels_seen(data, 0.0) is None
    config = {"solver": {"name": "ssnmf"}, "label_fraction": 0.01}
    record = {"config": config, "variant": {"label_fraction": 0.01}, "data": {"samples": 178, "labels_seen": 20}}
    assert variant_words(record) == "label_fraction=0.01 (saw 20 of 178 labels: 11.2 %)"
    assert split([record], ["label_fraction"])[0]["block"] == "saw 20 of 178 labels: 11.2 %"
    as_set = record | {"config": config | {"label_fraction": 0.4}, "variant": {"label_fraction": 0.4}}
    for data in ({"samples": 178, "labels_seen": 71}, {"samples": 178}):  # a record of before has no number
        assert variant_words(as_set | {"data": data}) == "label_fraction=0.4"
        assert split([as_set | {"data": data}], ["label_fraction"])[0]["block"] == "40% of the labels"


def test_method_that_needs_labels_is_checked_with_them_before_it_runs(run) -> None:
    (record,) = run("solver=unfolded", "solver.training=supervised", "evaluator=labels", "label_fraction=0.4")
    assert "classification_unseen" in {row["metric"] for row in record["metrics"]}


def test_no_fraction_gives_no_labels(run) -> None:
    (record,) = run("solver=cheat")
    assert nmi(record) == pytest.approx(0, abs=1e-9)


def test_saved_codes_are_scored_on_the_same_samples(run) -> None:
    run("solver=cheat", "label_fraction=0.4", "save_codes=true")
    records = run("solver=cheat", "label_fraction=0.4", "evaluator.n_clusters=[5]")
    assert len(records) == 2 and all(nmi(record) == pytest.approx(0, abs=1e-9) for record in records)


def test_fraction_means_nothing_to_a_solver_that_uses_no_labels(run) -> None:
    (record,) = run("solver=raw", "evaluator.n_init=1")
    (again,) = run("solver=raw", "evaluator.n_init=1", "label_fraction=0.4")
    assert record == again


@pytest.mark.parametrize("fraction", ["-0.1", "1.5", "some"])
def test_fraction_out_of_range_is_refused(fraction: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["run", "dataset=digits", f"label_fraction={fraction}", f"results_dir={tmp_path}"]) == 2
    assert "label_fraction" in capsys.readouterr().err


def test_more_clusters_than_samples_left_to_score_are_refused_before_the_fit(
    run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    call = ["run", "--config-dir", str(tmp_path / "configs"), "solver=cheat", "dataset=digits", "label_fraction=0.99"]
    assert main([*call, "evaluator.n_clusters=[50]", f"results_dir={tmp_path / 'results'}"]) == 2
    assert "n_clusters has 50, but there are 20 samples" in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.json"))
