"""Printed numbers stand beside what they were printed for, and beside nothing else."""

import copy
import inspect
from pathlib import Path

import pandas as pd
import pytest

from nmfbench import papers
from nmfbench.papers import Inferred, dnsnmf, printed, survey

CLUSTERING = {"name": "clustering", "n_clusters": [20], "n_init": 10, "select": "inertia", "max_iter": 300}
WNNF = {"name": "wnnf", "rank": 40, "eta": 0.1, "lam": 0.1, "loss": "l1", "curriculum": 0, "lr": 0.001}
MU = {"name": "mu", "rank": 40, "beta": 2.0, "lam": 0.0}
SIZES = {
    "orl": (10304, 400, 40),
    "ar": (59400, 2600, 100),
    "mfeat": (585, 2000, 10),
    "imagenet_cnn": (2048, 50000, 1000),
    "cbcl": (2429, 361, None),
    "hierarchy": (87, 90, 9),
}


def record(dataset: str, solver: dict, size: tuple | None = None, **changes) -> dict:
    """A record of that solver; changes replace what its config says of dataset or evaluator, or are the variant."""
    module = f"nmfbench.datasets.{dataset}.Loader"
    data = {"name": dataset, "_target_": module, "scaling": "max"} | changes.pop("data", {})
    features, samples, classes = size or SIZES[dataset]
    config = {
        "solver": {"version": 1, **solver},
        "dataset": data,
        "evaluator": CLUSTERING | changes.pop("evaluator", {}),
        "stopping": {"max_iter": 1000},
        "dtype": "float32",
        "label_fraction": changes.pop("label_fraction", 0.0),
    }
    return {
        "config": config,
        "variant": changes.pop("variant", {}),
        "data": {"features": features, "samples": samples, "classes": classes, "preprocessing": []},
        "rank": solver.get("rank"),
        "seed": 0,
        "status": "max_iter",
        **changes,
    }


def people(dataset: str, solver: dict, n: int = 4, samples: int = 40, **changes) -> dict:
    """A run on n random people, scaled as the dnsNMF tables are, with as many codes."""
    deep = solver["name"] in ("dnsnmf", "deep_semi")
    solver = {"rank": n, **({"ranks": [2 * n, n]} if deep else {})} | solver
    changes = {"evaluator": {"n_clusters": [n], "n_init": 20}} | changes
    data = {"classes": n, "scaling": "unit_norm"} | changes.pop("data", {})
    return record(dataset, solver, (1024, samples, n), data=data, **changes)


def faces(solver: str, **changes) -> dict:
    ranks = changes.pop("ranks", [80, 40, 20])
    data = {"images": "rows"} | changes.pop("data", {})
    return record("cbcl", {"name": solver, "rank": ranks[-1], "ranks": ranks}, data=data, **changes)


def toy(solver: str, ranks: list[int], label_fraction: float = 0.0, **changes) -> dict:
    level = changes.pop("level", min(ranks))
    node = {"name": solver, "rank": ranks[-1], "ranks": ranks}
    return record("hierarchy", node, (87, 90, level), label_fraction=label_fraction, **changes)


def numbers(of: dict, paper: str) -> dict:
    """Place → what that paper prints there."""
    return {place: value for place, hits in printed(of).items() for p, value in hits if p.name == paper}


@pytest.mark.parametrize(
    ("of", "place", "expected"),
    [
        (record("orl", MU), (1, 20, "nmi"), 67.12),
        (record("orl", WNNF), (1, 20, "nmi"), 78.12),
        (record("orl", WNNF | {"rank": 80}, data={"scaling": "unit_norm"}), (1, 20, "nmi"), 78.12),
        (record("orl", {"name": "unfolded", "rank": 20}), (1, 50, "nmi"), 74.54),
        (record("orl", WNNF | {"eta": 1.0, "lam": 0.0}), (1, 20, "nmi"), 67.57),
        (record("orl", WNNF | {"eta": 0.0, "curriculum": 1000}), (1, 20, "nmi"), 75.24),
        (record("orl", {"name": "wnnf_deep", "rank": 40, "ranks": [20, 40]}), (2, 30, "nmi"), 80.01),
        (record("orl", {"name": "deep_mu", "rank": 40, "ranks": [20, 40]}), (1, 30, "nmi"), 77.99),
        (record("orl", {"name": "wnnf_deconv", "rank": 40, "latent": "raw", "stride": 2}), (1, 40, "nmi"), 85.39),
        (record("orl", {"name": "wnnf_deconv", "rank": 40, "latent": "sum", "stride": 2}), (1, 40, "nmi"), 88.98),
        (record("ar", WNNF | {"rank": 100}), (1, 150, "nmi"), 52.36),
        (record("mfeat", MU | {"rank": 10}, data={"scaling": ["min_max", "unit_norm"]}), (1, 5, "nmi"), 43.73),
        (record("imagenet_cnn", MU | {"rank": 1000}, data={"scaling": "none"}), (1, 500, "nmi"), 75.63),
        (people("yale", {"name": "gnmf"}, 10, 110), (1, 10, "accuracy"), 35.09),
        (people("orl32", {"name": "dnsnmf"}, 2, 20), (2, 2, "nmi_max"), 76.1),
        (people("orl32", {"name": "dnsnmf"}, variant={"stopping.check_every": 5}), (2, 4, "accuracy"), 80.0),
        (
            people("orl32", {"name": "dnsnmf"}, variant={"stopping.tol": 2e-3, "stopping.check_every": 5}),
            (2, 4, "accuracy"),
            80.0,
        ),
        (people("jaffe", {"name": "deep_semi", "ranks": [15, 4]}, 4, 85), (2, 4, "accuracy"), 88.28),
        (
            people("jaffe", {"name": "mu", "beta": 2.0}, 4, 85, evaluator={"n_init": 20, "select": "best"}),
            (1, 4, "accuracy"),
            89.54,
        ),
        (faces("deep_kl"), (2, None, "error_ratio"), 26.8),
        (faces("deep_kl", variant={"stopping.max_iter": 500}), (1, None, "code_sparsity"), 70.1),
        (faces("multilayer_kl"), (3, None, "code_sparsity"), 22.1),
        (toy("neural", [9, 4]), (None, None, "error"), 0.31),
        (toy("neural", [9, 4], level=9), (None, None, "error"), 0.31),
        (toy("neural", [9, 4], 0.4), (2, None, "classification"), 100.0),
        (toy("hierarchical", [9, 4, 2], 1.0), (3, None, "classification"), 100.0),
        (toy("deep_mu", [2, 4, 9]), (None, None, "error"), 0.838),
        (toy("deep_mu", [2, 4, 9], 0.4, level=2), (3, None, "classification"), 93.0),
        (toy("deep_mu", [9], 1.0), (None, None, "error"), 0.042),
    ],
)
def test_number_that_a_paper_prints_for_a_run(of: dict, place: tuple, expected: float) -> None:
    ((_, value),) = printed(of)[place]
    assert value == pytest.approx(expected)


@pytest.mark.parametrize(
    "of",
    [
        # Other data under the paper's name: a file of two columns, a file of the right size, another view of the set.
        record("imagenet_cnn", MU | {"rank": 1000}, (2, 100, 1000), data={"scaling": "none"}),
        record("orl", WNNF, data={"_target_": "nmfbench.datasets.file.File"}),
        record("orl", WNNF, data={"_target_": "nmfbench.datasets.images.Images"}),
        record("orl", WNNF, (644, 400, 40), data={"shrink": 4}),
        record("orl_28x23", WNNF, (644, 400, 40), data={"shrink": 4}),
        record("orl", WNNF, (10304, 400, 20)),
        record("orl", WNNF, (10304, 390, 40)),
        record("ar", WNNF | {"rank": 100}, (2200, 1400, 100)),
        record("mfeat", MU | {"rank": 10}, (216, 2000, 10), data={"scaling": "min_max"}),
        people("yale", {"name": "gnmf"}, 4, 40),
        people("orl32", {"name": "gnmf"}, 11, 110),
        record("orl32", {"name": "gnmf", "rank": 40}, (1024, 400, 40), data={"classes": None}),
        faces("deep_kl", data={"images": "columns"}),
        toy("neural", [9, 4], data={"generate": True}),
        toy("neural", [9, 4], level=3),
        toy("neural", [9, 4], 0.4, level=9),
        # Another preprocessing.
        record("orl", WNNF, data={"scaling": "min_max"}),
        record("mfeat", MU | {"rank": 10}),
        people("orl32", {"name": "dnsnmf"}, data={"scaling": "lee_seung"}),
        faces("deep_kl", data={"scaling": "unit_norm"}),
        toy("neural", [9, 4], data={"scaling": "min_max"}),
        # Another rank.
        record("orl", MU | {"rank": 25}),
        record("orl", {"name": "wnnf_deep", "rank": 40, "ranks": [80, 40]}),
        record("orl", {"name": "deep_mu", "rank": 40, "ranks": [10, 20, 40]}),
        people("orl32", {"name": "dnsnmf", "rank": 5, "ranks": [8, 5]}),
        people("orl32", {"name": "mu", "beta": 2.0, "rank": 8}),
        faces("deep_kl", ranks=[8, 4, 2]),
        toy("neural", [9, 5]),
        toy("neural", [2, 4, 9]),
        # Another protocol.
        record("orl", WNNF, variant={"stopping.max_iter": 5}),
        record("orl", WNNF, variant={"stopping.tol": 1e-5}),
        record("orl", WNNF, evaluator={"n_init": 1}),
        record("orl", WNNF, evaluator={"max_iter": 1}),
        record("orl", WNNF, evaluator={"select": "best"}),
        record("orl", {"name": "wnnf_deconv", "rank": 40, "latent": "raw", "stride": 4}),
        people("orl32", {"name": "mu"}, variant={"stopping.tol": 1e-5}),
        people("orl32", {"name": "dnsnmf"}, variant={"stopping.tol": 1e-2}),
        people("orl32", {"name": "dnsnmf"}, variant={"stopping.tol": 2e-3, "stopping.max_iter": 5}),
        people("orl32", {"name": "dnsnmf"}, evaluator={"n_init": 20, "select": "mean"}),
        people("orl32", {"name": "deep_semi"}, label_fraction=0.4),
        faces("deep_kl", variant={"stopping.max_iter": 1000}),
        toy("neural", [9, 4], variant={"stopping.max_iter": 5}),
        toy("neural", [9, 4], 0.3),
        toy("deep_mu", [9, 4], 0.4),
        # Another method.
        record("orl", MU | {"beta": 1.0}),
        record("orl", WNNF | {"eta": 0.2}),
        record("orl", WNNF | {"optimizer": "sgd"}),
        record("orl", {"name": "hals", "rank": 40}),
        record("orl", {"name": "wnnf_deep", "rank": 40, "ranks": [20, 40], "lam": 0.5}),
        record("mfeat", WNNF | {"eta": 1.0}, data={"scaling": "min_max"}),
    ],
)
def test_run_that_differs_from_the_papers_has_no_number(of: dict) -> None:
    assert printed(of) == {}


def test_row_of_table_4_that_our_copy_lost_is_inferred_from_its_distance_to_the_scores_here() -> None:
    def numbers_of(latent: str, stride: int) -> dict[int, float]:
        of = record("orl", {"name": "wnnf_deconv", "rank": 40, "latent": latent, "stride": stride})
        return {k: value for (_, k, _), ((_, value),) in printed(of).items()}

    inferred = numbers_of("sum", 2)
    assert all(isinstance(value, Inferred) for value in inferred.values())
    assert not any(
        isinstance(value, Inferred) for value in (*numbers_of("sum", 4).values(), *numbers_of("raw", 2).values())
    )
    table = pd.read_csv(Path(__file__).parents[1] / "results" / "tables" / "wnnf_table4.csv", comment="#")
    table = table[(table["solver"] == "wnnf_deconv") & (table["metric"] == "nmi")].fillna({"variant": ""})

    def distance(variant: str) -> float:
        ours = table[table["variant"] == f"{variant}, lam=0.1, reading=penalty"].set_index("n_clusters")["mean"]
        return sum(abs(ours[k] - value) for k, value in inferred.items()) / 4

    assert (round(distance("stride=2"), 1), round(distance("latent=raw"), 1)) == (0.4, 4.8)


def test_settings_that_a_paper_does_not_print_are_free() -> None:
    solver = WNNF | {"batch_size": 8}
    variants = {"batch_size": 8}, {"solver.batch_size": 8, "dtype": "float64", "evaluator.n_init": 20}
    for variant in variants:
        assert printed(record("orl", solver, variant=variant, evaluator={"n_init": 20})) == printed(record("orl", WNNF))


def test_only_the_top_layer_of_as_many_clusters_as_people_is_printed() -> None:
    places = {*printed(people("orl32", {"name": "dnsnmf"}))}
    assert places == {(2, 4, "nmi_max"), (2, 4, "accuracy")}


def test_record_that_merges_numbers_of_people_has_the_numbers_of_all() -> None:
    merged = people("yale", {"name": "gnmf", "rank": None}, data={"classes": "2 to 10"})
    merged["data"] |= {"classes": "2 to 10", "samples": "22 to 110"}
    found = numbers(merged, "dnsnmf")
    assert {k for _, k, _ in found} == set(range(2, 11)) and found[1, 10, "accuracy"] == 35.09
    merged["config"]["dataset"]["classes"] = "4 to 7"
    assert {k for _, k, _ in numbers(merged, "dnsnmf")} == {4, 5, 6, 7}


NEW = """
from nmfbench.papers import Paper

PAPER = Paper("new", "New", "Somebody, Something", 2030)


def printed(record):
    return {(1, 20, "nmi"): 99.0} if record["config"]["dataset"]["name"] == "orl" else {}
"""


@pytest.fixture
def new_paper(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a_new_paper.py").write_text(NEW)
    (tmp_path / "helper.py").write_text("'''No paper.'''\n")
    monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path)])


@pytest.mark.usefixtures("new_paper")
def test_paper_is_found_by_its_module_alone_and_two_may_print_the_same_metric_for_a_run() -> None:
    hits = printed(record("orl", WNNF))[1, 20, "nmi"]
    assert [(paper.title, value) for paper, value in hits] == [("New", 99.0), ("WNNF", 78.12)]
    assert [paper.title for paper, _ in printed(record("orl", WNNF))[1, 30, "nmi"]] == ["WNNF"]


def test_papers_are_named_after_their_modules_and_cited() -> None:
    assert [paper.name for paper in papers.papers()] == ["deep_kl", "dnsnmf", "neural", "wnnf"]
    assert all(paper.title and "," in paper.reference for paper in papers.papers())
    # Where the numbers apply is written down, in sentences.
    assert "Preprocessing:" in inspect.getdoc(dnsnmf)
    assert not hasattr(survey, "PAPER")


def test_asking_changes_no_record() -> None:
    of = people("orl32", {"name": "dnsnmf"}, variant={"stopping.tol": 1e-5, "theta": [0.1, 0.5]})
    before = copy.deepcopy(of)
    assert printed(of) and of == before
