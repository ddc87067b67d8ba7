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


def printed_nmi(dataset: str, solver: dict[str, Any], layer: int) -> dict[int, float]:
    """100·NMI by cluster count, as printed for this method on this dataset; empty where none is.

    ``solver`` is the solver's part of a record's config. Only what the paper does print must agree: it is silent on
    the rank, the scaling of X, the batch size and the number of steps.
    """
    found = {}
    method, parameters = _WNNF_TABLE3.get(solver["name"], ("", {}))
    if all(solver.get(key) == value for key, value in parameters.items()):
        for row in (*_rows("wnnf_table3a"), *_rows("wnnf_table3b")):
            if (row["method"], row["dataset"]) == (method, dataset) and row["layer"] in ("", str(layer)):
                found[int(row["n_clusters"])] = float(row["nmi_percent"])
    if solver["name"] == "wnnf" and not found:
        for row in _rows("wnnf_table2"):
            start, _, eta = row["eta"].rpartition("->")
            same = (dataset, solver["eta"], solver["lam"], solver["loss"], solver["curriculum"] > 0)
            if same == (row["dataset"], float(eta), float(row["lambda"]), row["loss"], bool(start)):
                found[int(row["n_clusters"])] = float(row["nmi_percent"])
    return found


@cache
def _rows(table: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
