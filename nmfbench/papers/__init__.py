"""The numbers that papers print, as carried in the CSV files beside this module (their names say which table)."""

import csv
from functools import cache
from pathlib import Path
from typing import Any

# Solver of this suite → method of the WNNF paper's Tables 3a and 3b, at the parameters the paper gives it.
_WNNF_TABLE3: dict[str, tuple[str, dict[str, Any]]] = {
    "mu": ("nmf", {"beta": 2.0, "lam": 0.0}),
    "unfolded": ("unfolded", {}),
    "wnnf": ("wnnf", {"eta": 0.1, "lam": 0.1, "loss": "l1", "curriculum": 0}),
    "deep_mu": ("deep_nmf", {}),
    "wnnf_deep": ("wnnf_deep", {}),
}
# The same for Tables I to III of the dnsNMF paper, and its datasets.
_DNSNMF: dict[str, tuple[str, dict[str, Any]]] = {
    "mu": ("nmf", {"beta": 2.0}),
    "gnmf": ("gnmf", {}),
    "nsnmf": ("nsnmf", {}),
    "deep_semi": ("deep_semi", {}),
    "dnsnmf": ("dnsnmf", {}),
}
_NEURAL: dict[str, tuple[str, dict[str, Any]]] = {
    "neural": ("neural_nmf", {}),
    "hierarchical": ("hierarchical_nmf", {}),
    "deep_mu": ("deep_nmf", {}),
}
_DNSNMF_DATASETS = {"orl32": "orl", "jaffe": "jaffe", "yale": "yale"}


SOURCES = {
    "nmi": "WNNF",
    "nmi_max": "dnsNMF",
    "accuracy": "dnsNMF",
    "error_ratio": "deep KL-NMF",
    "code_sparsity": "deep KL-NMF",
    "error": "Neural NMF",
    "classification": "Neural NMF",
}
"""Metric → the paper that prints it."""


def printed(config: dict[str, Any], layer: int | None, n_clusters: int | None, metric: str) -> float | None:
    """What a paper prints for this run (a record's config), in percent, but for the error; None where none does.

    Which paper that is, `SOURCES` says.
    Only what the papers do print must agree: they are silent on scaling, steps and much else.
    """
    if metric in ("error", "classification"):
        return _neural(config, metric)
    if layer and metric in ("error_ratio", "code_sparsity"):
        return _deep_kl(config, layer, metric)
    if layer and n_clusters and metric == "nmi":
        return _wnnf(config["dataset"]["name"], config["solver"], layer).get(n_clusters)
    if layer and n_clusters and metric in ("nmi_max", "accuracy"):
        return _dnsnmf(config["dataset"], config["solver"], layer, metric).get(n_clusters)
    return None


def _wnnf(dataset: str, solver: dict[str, Any], layer: int) -> dict[int, float]:
    """100·NMI by cluster count in the WNNF paper's Tables 2 to 4."""
    found = {}
    method = _method(_WNNF_TABLE3, solver)
    for row in (*_rows("wnnf_table3a"), *_rows("wnnf_table3b")):
        if (row["method"], row["dataset"]) == (method, dataset) and row["layer"] in ("", str(layer)):
            found[int(row["n_clusters"])] = float(row["nmi_percent"])
    if solver["name"] == "wnnf" and not found:
        for row in _rows("wnnf_table2"):
            start, _, eta = row["eta"].rpartition("->")
            same = (dataset, solver["eta"], solver["lam"], solver["loss"], solver["curriculum"] > 0)
            if same == (row["dataset"], float(eta), float(row["lambda"]), row["loss"], bool(start)):
                found[int(row["n_clusters"])] = float(row["nmi_percent"])
    if solver["name"] == "wnnf_deconv" and dataset == "orl":
        for row in _rows("wnnf_table4"):
            if (row["latent"], row["scale"]) == (solver["latent"], str(solver["stride"])):
                found[int(row["n_clusters"])] = float(row["nmi_percent"])
    return found


def _dnsnmf(dataset: dict[str, Any], solver: dict[str, Any], layer: int, metric: str) -> dict[int, float]:
    """Accuracy and NMI by number of classes, which is that of the clusters: the dnsNMF paper clusters the top layer."""
    if layer != len(solver.get("ranks") or [1]) or not dataset.get("classes"):
        return {}
    wanted = _DNSNMF_DATASETS.get(dataset["name"]), _method(_DNSNMF, solver)
    column = {"nmi_max": "nmi_percent", "accuracy": "accuracy_percent"}[metric]
    return {
        int(row["n_classes"]): float(row[column])
        for row in _rows("dnsnmf_tables")
        if (row["dataset"], row["method"]) == wanted
    }


def _deep_kl(config: dict[str, Any], layer: int, metric: str) -> float | None:
    """Table 2 of the deep KL-NMF paper: CBCL, ranks 80, 40, 20."""
    dataset, solver = config["dataset"], config["solver"]
    if (dataset["name"], dataset.get("images"), solver.get("ranks")) != ("cbcl", "rows", [80, 40, 20]):
        return None
    columns = {
        ("deep_kl", "error_ratio"): "error_deep_over_multilayer_percent",
        ("deep_kl", "code_sparsity"): "hoyer_sparsity_deep_percent",
        ("multilayer_kl", "code_sparsity"): "hoyer_sparsity_multilayer_percent",
    }
    column = columns.get((solver["name"], metric))
    return next((float(row[column]) for row in _rows("deep_kl_table2") if column and row["layer"] == str(layer)), None)


def _neural(config: dict[str, Any], metric: str) -> float | None:
    """Table 1 of the Neural NMF paper: the toy hierarchy, layers of 9, 4 and 2; `deep_mu` stands for its "Deep NMF"."""
    solver, dataset = config["solver"], config["dataset"]
    ranks = sorted(solver.get("ranks") or [], reverse=True)
    setting = {0: "unsupervised", 0.4: "semisupervised", 1: "supervised"}.get(config.get("label_fraction", 0))
    method = _method(_NEURAL, solver)
    if dataset["name"] != "hierarchy" or dataset.get("generate") or ranks != [9, 4, 2][: len(ranks)]:
        return None
    for row in _rows("neural_nmf_table1"):
        if (row["setting"], row["layers"], row["method"]) == (setting, str(len(ranks)), method):
            value = row["reconstruction_error" if metric == "error" else "classification_accuracy"]
            return float(value) * (1 if metric == "error" else 100) if value else None
    return None


def _method(names: dict[str, tuple[str, dict[str, Any]]], solver: dict[str, Any]) -> str | None:
    """The paper's name for this solver at these parameters."""
    name, parameters = names.get(solver["name"], (None, {}))
    return name if all(solver.get(key) == value for key, value in parameters.items()) else None


@cache
def _rows(table: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
