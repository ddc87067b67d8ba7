"""What tables warn of: each warning on records that deserve it, and none on records that do not."""

from pathlib import Path

import numpy as np
import pytest
from shell import load, nmfbench
from test_tables import record

from nmfbench import load_dataset
from nmfbench.evaluators.measures import dead_components
from nmfbench.reports.report import build
from nmfbench.reports.warnings import warnings


def method(solver: str, error: float = 0.2, **changes) -> dict:
    """A record of that method with that error; `metrics` are added to it."""
    made = record(solver={"name": solver}, **{key: value for key, value in changes.items() if key != "metrics"})
    metrics = [{"metric": "error", "value": error}, *changes.get("metrics", [])]
    kept = [row for row in made["metrics"] if row["metric"] != "error"]
    return made | {"solver": solver, "metrics": metrics + kept, "objective": changes.get("objective", error)}


FINE = method("mu", status="converged")
TIMED = method("hals", status="max_seconds", seconds=1.0, environment={"device": "cpu", "threads": 1})


@pytest.mark.parametrize(
    ("other", "warning"),
    [
        (method("hals", error=0.29), None),
        (
            method("hals", error=0.32),
            "Error more than 1.5 times that of another method of the same or lower rank: hals 1.6",
        ),
        (method("hals", error=0.31, rank=20), None),  # mu has more components
        (method("raw", error=0.0, iterations=0, status="solved"), None),
        (method("hals", fall=0.009), None),
        (method("hals", fall=0.02), "fell by more than 1% in 100 iterations: hals 2.0%"),
        (method("hals", fall=0.02, status="converged"), None),
        (method("neural", fall=-0.02), "rose by more than 1% in the last 100 iterations: neural 2.0%"),
        (method("wnnf_deconv", error=0.01, layering="convolution"), None),  # more numbers a sample
        (method("wnnf", metrics=[{"metric": "penalty_share", "value": 0.49}]), None),
        (method("wnnf", metrics=[{"metric": "penalty_share", "value": 0.71}]), "objective above 50%: wnnf 71%"),
        (method("hals", metrics=[{"metric": "dead", "layer": 1, "value": 0}]), None),
        (method("hals", metrics=[{"metric": "dead", "layer": 1, "value": 3}]), "hals up to 3 of 40."),
        (method("hals", status="start"), "numbers describe the method's initialization: hals (1 of 1 seeds)"),
        (method("hals", status="failed", error=9), None),
        (TIMED | {"cpu_seconds": 0.85}, "share of the time in which the fit had no core: hals 15%."),
        (TIMED | {"cpu_seconds": 0.95}, None),
        (TIMED | {"cpu_seconds": 0.5, "status": "converged"}, None),
        (TIMED | {"cpu_seconds": 0.1, "environment": {"device": "cuda", "threads": 1}}, None),
    ],
)
def test_warning_names_the_method_that_deserves_it(other: dict, warning: str | None) -> None:
    found = warnings([FINE, other | {"objective": 7.0}])
    assert len(found) == (warning is not None) and (warning is None or warning in found[0])


def test_less_than_the_mean_sample_is_almost_nothing() -> None:
    bad = method("wnnf", error=0.9)
    data = {"error_of_mean": 0.38}
    found = warnings([record | {"data": record["data"] | data} for record in (FINE, bad | {"objective": 7.0})])
    assert (
        "Reconstructs less than the mean sample does; error in excess of that of the mean sample: wnnf 0.52." in found
    )


def test_dead_components_are_counted_layer_by_layer() -> None:
    deep = method("dnsnmf", metrics=[{"metric": "dead", "layer": layer, "value": layer} for layer in (1, 2)])
    deep["config"]["solver"]["ranks"] = [80, 40]
    assert "dnsnmf up to 1 of 80 in layer 1, 2 of 40 in layer 2." in warnings([FINE, deep | {"objective": 7.0}])[0]


def test_largest_count_of_any_seed_stands_for_a_method() -> None:
    seeds = [method("hals", seed=s, metrics=[{"metric": "dead", "layer": 1, "value": s}]) for s in (0, 2, 1)]
    assert "hals up to 2 of 40." in warnings([FINE | {"seed": 9}, *seeds])[0]


def test_same_fit_under_two_names_is_said() -> None:
    both = [method(solver, seed=s, objective=5.0 + s) for solver in ("multilayer", "hierarchical") for s in (0, 1)]
    assert warnings([FINE, *both])[-1].endswith("for every seed: hierarchical = multilayer.")
    both[-1]["objective"] += 1e-9
    assert not warnings([FINE, *both])


def test_tables_and_their_files_have_the_warnings(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    words = ["dataset=digits", "rank=10", "seeds=2", "stopping.max_iter=10", f"results_dir={tmp_path}"]
    assert nmfbench("run", "-m", "solver=multilayer,hierarchical,mu", *words) == 0
    assert "hierarchical = multilayer" in " ".join(capsys.readouterr().out.split())
    for path in (tmp_path / "tables").iterdir():
        assert "hierarchical = multilayer" in path.read_text(), path
    assert nmfbench("table", "--results", tmp_path) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "hierarchical = multilayer" in shown and "in 100 iterations: " in shown


def test_what_ended_in_its_start_has_a_mark(capsys: pytest.CaptureFixture) -> None:
    report = build([FINE, method("dnsnmf", objective=7.0, status="start")])
    assert ("dnsnmf (its start)",) in [row[0] for row in report.blocks[0].grids[0].rows]


def test_component_is_dead_if_its_product_with_the_codes_vanishes() -> None:
    W, H = np.ones((5, 3)), np.ones((3, 7))
    assert dead_components([W], [H])[0]["value"] == 0
    scaled = [W * [1e-9, 1, 1]], [H * [[1e9], [1], [1]]]  # its scale lies in the codes
    assert dead_components(*scaled)[0]["value"] == 0
    H[2, 1:] = 0  # one entry is enough
    assert dead_components([W], [H])[0]["value"] == 0
    H[2] *= 1e-7
    assert dead_components([W, W], [H, H[:2]]) == [
        {"layer": layer, "n_clusters": None, "metric": "dead", "value": value} for layer, value in ((1, 1), (2, 0))
    ]
    assert dead_components([], [H]) == []


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_error_of_the_mean_sample(scale: float) -> None:
    from dataclasses import replace

    from scipy.sparse import csc_array

    X = np.random.default_rng(0).random((6, 9))
    expected = np.linalg.norm(X - X.mean(1, keepdims=True)) / np.linalg.norm(X)
    data = replace(load_dataset("digits"), X=scale * X)
    assert data.error_of_mean == pytest.approx(expected)
    assert replace(data, X=csc_array(scale * X)).error_of_mean == pytest.approx(expected)


def test_records_hold_what_tables_warn_of(tmp_path: Path) -> None:
    assert nmfbench("run", "solver=mu", "dataset=digits", "seeds=1", "threads=1", f"results_dir={tmp_path}") == 0
    (made,) = load(tmp_path)
    assert 0 < made["fall"] < 0.01 and 0 < made["data"]["error_of_mean"] < 1
    assert {"layer": 1, "n_clusters": None, "metric": "dead", "value": 0} in made["metrics"]


def test_records_of_several_numbers_of_threads_are_never_averaged() -> None:
    def made(seed: int, threads: int) -> dict:
        one = record(seed)
        return one | {"environment": one["environment"] | {"threads": threads}}

    alike = build([made(0, 2), made(1, 2)]).frame
    assert set(alike["n"]) == {2} and set(alike["variant"]) == {""}
    mixed = build([made(0, 1), made(1, 1), made(2, 2)]).frame
    assert dict(zip(mixed["variant"], mixed["n"], strict=True)) == {"threads=1": 2, "threads=2": 1}
