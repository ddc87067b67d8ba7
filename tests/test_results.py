"""Records: where they lie, what they hold, what their name depends on, and that a file is whole or not there."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from nmfbench import records
from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.errors import DataError
from nmfbench.evaluators.base import Fitted
from nmfbench.evaluators.factors import Factors
from nmfbench.evaluators.layers import Layers
from nmfbench.evaluators.topics import Topics
from nmfbench.evaluators.unmixing import Unmixing
from nmfbench.records import REQUIRED, SCHEMA, Store, Unreadable, digest, read
from nmfbench.running.composing import requests
from nmfbench.running.planning import plan

TINY = ["dataset=synthetic", "dataset.n_samples=20", "dataset.n_features=8", "dataset.n_classes=2"]
TINY += ["evaluator.n_init=1", "stopping.max_iter=3"]
CONFIG = {"dataset": {"name": "d"}, "solver": {"name": "s", "eta": 0.1}, "evaluator": {"n_clusters": [2]}}


def run(folder: Path, *arguments: str) -> None:
    assert main(["run", f"results_dir='{folder}'", "threads=1", *TINY, *arguments]) == 0


def paths(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.glob("runs/*/*/*.json"))


def test_record_holds_what_others_rely_on(tmp_path: Path) -> None:
    run(tmp_path, "solver=mu", "seeds=[5]")
    (path,) = tmp_path.glob("runs/synthetic/mu/*.json")
    record = json.loads(path.read_text())
    assert all(isinstance(record[key], kind) for key, kind in REQUIRED.items())
    assert (record["schema"], record["dataset"], record["solver"], record["seed"]) == (SCHEMA, "synthetic", "mu", 5)
    assert record["status"] == "max_iter" and record["iterations"] == 3 and record["error"] is None
    assert [look[0] for look in record["history"]] == [0, 3] and record["history"][-1][1] == record["objective"]
    assert record["rank"] == 2 and record["config"]["solver"]["rank"] == 2, "the resolved number"
    assert record["config"]["evaluator"]["n_clusters"] == [2]
    assert len(record["config"]["dataset"]["sha256"]) == 64
    assert record["batch"] == [5] and record["seconds"] >= 0 and record["cpu_seconds"] >= 0
    assert record["peak_memory_mib"] > 1 and record["data"]["preprocessing"]
    made = record["environment"]
    assert made["threads"] == 1 and made["kmeans_threads"] == 1 and made["device"] == "cpu"
    kept = {
        "nmfbench",
        "commit",
        "dirty",
        "python",
        "torch",
        "numpy",
        "cpu",
        "gpu",
        "load_average",
        "openmp_waits",
        "date",
    }
    assert kept <= {*made}
    nmi = [row for row in record["metrics"] if row["metric"] == "nmi"]
    assert [(row["layer"], row["n_clusters"], len(row["starts"])) for row in nmi] == [(1, 2, 1)]


def test_products_are_of_full_precision_whatever_the_process_was_told(tmp_path: Path) -> None:
    torch.set_float32_matmul_precision("medium")
    run(tmp_path, "solver=mu", "seeds=1")
    (path,) = tmp_path.glob("runs/*/*/*.json")
    assert json.loads(path.read_text())["environment"]["float32_products"] == "highest"
    assert torch.get_float32_matmul_precision() == "highest"


def test_name_is_the_hash_of_config_and_seed(tmp_path: Path) -> None:
    run(tmp_path, "solver=mu", "seeds=1")
    (path,) = tmp_path.glob("runs/*/*/*.json")
    record = json.loads(path.read_text())
    assert path.stem == digest(record["config"] | {"seed": 0})
    assert Store(tmp_path).path(record["config"], 0) == path


@pytest.mark.parametrize(
    "change",
    [
        "solver.lam=0.5",
        "rank=3",
        "seeds=[1]",
        "stopping.max_iter=4",
        "stopping.tol=0.5",
        "dataset.scaling=unit_norm",
        "dataset.seed=1",
        "evaluator.n_clusters=[3]",
        "evaluator.n_init=2",
        "dtype=float64",
    ],
)
def test_changed_parameter_has_another_name(change: str, tmp_path: Path) -> None:
    run(tmp_path / "a", "solver=mu", "seeds=[0]")
    run(tmp_path / "b", "solver=mu", "seeds=[0]", change)
    assert len(paths(tmp_path / "a")) == len(paths(tmp_path / "b")) == 1
    assert paths(tmp_path / "a") != paths(tmp_path / "b")


def test_threads_place_order_and_defaults_leave_the_name_alone(tmp_path: Path) -> None:
    run(tmp_path / "a", "solver=mu", "seeds=1")
    for i, same in enumerate(["threads=2", "rank=2", "solver.lam=0.0", "seeds=[0]", "device=cpu", "save_codes=true"]):
        run(tmp_path / f"b {i}", same, "solver=mu", *(["seeds=1"] if "seeds" not in same else []))
        assert paths(tmp_path / f"b {i}") == paths(tmp_path / "a"), same


def test_device_leaves_the_name_alone(tmp_path: Path) -> None:
    (request,) = requests(["solver=mu", *TINY, "seeds=1", "device=cpu:0", f"results_dir='{tmp_path}'"])
    jobs = plan(request).jobs
    assert "device" not in json.dumps(jobs[0].config) and "threads" not in json.dumps(jobs[0].config)
    assert "results_dir" not in json.dumps(jobs[0].config)


def test_place_of_a_users_file_leaves_the_name_alone_but_its_content_does_not(tmp_path: Path) -> None:
    X = np.random.default_rng(0).uniform(size=(12, 5))
    for folder, values in {"a": X, "b": X, "c": X + 1}.items():
        (tmp_path / folder).mkdir()
        np.save(tmp_path / folder / "mine.npy", values)
        data = ["dataset=file", f"dataset.path='{tmp_path / folder / 'mine.npy'}'"]
        call = ["run", *data, "solver=mu", "rank=2", "seeds=1", "threads=1", "stopping.max_iter=2"]
        assert main([*call, f"results_dir='{tmp_path / folder}'"]) == 0
    assert paths(tmp_path / "a") == paths(tmp_path / "b") != paths(tmp_path / "c")


def test_canonical_hash_does_not_depend_on_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"a": float("nan")})


def test_codes_are_found_by_every_evaluator_and_by_no_other_fit(tmp_path: Path) -> None:
    store, H = Store(tmp_path), np.arange(6.0).reshape(2, 3)
    given = Fitted([H, H[:1]], {"W": H.T}, [H.T, H.T[:, :1]], [H[:1, :2]], "bases", 2 * H)
    store.save_codes(CONFIG, 4, given, {"status": "converged", "fall": 0.0})
    fitted, fit = store.load_codes(CONFIG | {"evaluator": {"n_clusters": [9]}}, 4)
    assert all(map(np.array_equal, fitted.codes, [H, H[:1]])) and fit == {"status": "converged", "fall": 0.0}
    assert np.array_equal(fitted.factors["W"], H.T) and np.array_equal(fitted.label_scores, 2 * H)
    assert all(map(np.array_equal, fitted.bases, given.bases)) and all(map(np.array_equal, fitted.links, given.links))
    assert fitted.layering == "bases" and len(fitted.bases) == 2 and len(fitted.links) == 1
    assert store.load_codes(CONFIG, 5) is None
    assert store.load_codes(CONFIG | {"solver": {"name": "s", "eta": 0.2}}, 4) is None


def older(store: Store, **arrays: np.ndarray) -> Fitted:
    """Codes loaded from a file of a version that saved no bases and knew another `stability`."""
    rows = [{"metric": "rel_error", "value": 0.5}, {"metric": "stability", "value": 1.0}]
    path = store.codes_path(CONFIG, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, fit=np.array(json.dumps({"status": "converged", "fall": 0.0, "metrics": rows})), **arrays)
    fitted, fit = store.load_codes(CONFIG, 0)
    assert fit == {"status": "converged", "fall": 0.0, "metrics": rows[:1]}
    return fitted


def test_older_codes_of_one_product_have_its_bases(tmp_path: Path) -> None:
    W, H = np.arange(8.0).reshape(4, 2), np.arange(6.0).reshape(2, 3)
    fitted = older(Store(tmp_path), layer_1=H, factor_W=W, factor_H=H)
    assert np.array_equal(fitted.bases[0], W) and not fitted.lacks_bases
    assert fitted.hierarchy[0] == fitted.bases and fitted.links == []
    raw = older(Store(tmp_path), layer_1=H)
    assert raw.bases == [] and not raw.lacks_bases


@pytest.mark.parametrize("names", [("Z", "H"), ("W1", "W2", "H"), ("W", "H")])
def test_older_codes_of_other_kinds_load_and_say_that_they_lack_their_bases(names: tuple, tmp_path: Path) -> None:
    factors = {f"factor_{name}": np.ones((4, 2 if name != "H" else 3)) for name in names}
    fitted = older(Store(tmp_path), layer_1=np.ones((2, 3)), **factors)
    assert fitted.lacks_bases and set(fitted.factors) == set(names)
    data = Dataset("d", np.ones((4, 3)), truth={"M": np.ones((4, 1)), "A": np.ones((1, 3))})
    for evaluator in (Topics(words=2), Layers(), Unmixing()):
        with pytest.raises(DataError, match="without their bases"):
            evaluator.evaluate(fitted, data, 0, None)
    with pytest.raises(DataError, match="without their bases"):
        Factors().exhibits(fitted, data)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "flipped"])
def test_damaged_codes_count_as_absent(damage: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_codes(CONFIG, 0, Fitted([np.random.default_rng(0).uniform(size=(20, 30))]), {})
    path = store.codes_path(CONFIG, 0)
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[900:1000] = bytes(100)
    path.write_bytes({"empty": b"", "truncated": whole[: len(whole) // 2], "text": b"no zip"}.get(damage, flipped))
    assert store.load_codes(CONFIG, 0) is None


def test_codes_with_pickled_objects_are_not_loaded(tmp_path: Path) -> None:
    store = Store(tmp_path)
    path = store.codes_path(CONFIG, 0)
    path.parent.mkdir(parents=True)
    np.savez(path, fit=np.array("{}"), layer_1=np.array([{}], dtype=object))
    assert store.load_codes(CONFIG, 0) is None


def test_unfinished_and_foreign_records_are_not_finished(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = {"schema": SCHEMA, "config": CONFIG, "dataset": "d", "solver": "s", "seed": 0, "status": "converged"}
    record |= {"metrics": [], "history": [], "iterations": 1, "seconds": 0.5, "data": {}, "environment": {}}
    assert store.finished(CONFIG, 0) is None
    path = store.save(record)
    assert store.finished(CONFIG, 0) == record and store.finished(CONFIG, 1) is None
    for change in ({"status": "failed"}, {"schema": SCHEMA + 1}, {"schema": None}, {"metrics": None}):
        path.write_text(json.dumps(record | change))
        assert store.finished(CONFIG, 0) is None, change
    assert isinstance(read(path), Unreadable) and "metrics" in read(path).reason


def test_number_that_is_not_finite_never_gets_into_a_record(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        Store(tmp_path).save({"config": CONFIG, "seed": 0, "objective": float("nan")})
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.tmp"))


def test_write_replaces_the_whole_file_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a folder" / "table.md"
    records.write_text(path, "long " * 100)
    records.write_text(path, "ü ± ‖X‖")
    assert path.read_text(encoding="utf-8") == "ü ± ‖X‖"
    assert list(path.parent.iterdir()) == [path]


def test_numbers_that_only_pythons_json_reads_are_read(tmp_path: Path) -> None:
    run(tmp_path, "solver=mu", f"seeds=[{10**30},1]")
    store = Store(tmp_path)
    assert sorted(record["seed"] for record in store.load()[0]) == [1, 10**30]
    assert all(record["seed"] in record["batch"] for record in store.load()[0])
    for path in store.runs.glob("*/*/*.json"):
        path.write_text(path.read_text().replace('"fall": ', '"fall": NaN, "was": '), encoding="utf-8")
    found, unreadable = store.load()
    assert all(np.isnan(record["fall"]) for record in found) and len(found) == 2 and not unreadable


def test_records_for_a_table_lack_histories_and_single_starts_alone(tmp_path: Path) -> None:
    run(tmp_path, "solver=mu", "seeds=3")
    whole, short = Store(tmp_path).load()[0], Store(tmp_path).load(whole=False)[0]
    assert all(record["history"] for record in whole) and any("starts" in row for row in whole[0]["metrics"])
    for record in whole:
        record["history"] = []
        for row in record["metrics"]:
            row.pop("starts", None)
    assert short == whole
    # Seed 0 has no stability. A list for each record would take most of the memory.
    assert len({id(record["declared"]) for record in short}) == 2
