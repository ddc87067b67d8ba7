"""Questions of the papers' modules to a record: is this the paper's data, scaling, protocol and method?

A parameter that a record lacks counts as unchanged, because the solver's YAML fills it in.
"""

import csv
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]
_USERS_OWN = ("nmfbench.datasets.file.", "nmfbench.datasets.images.")


@cache
def rows(table: str) -> list[dict[str, str]]:
    """The rows of a CSV file beside this module."""
    with (Path(__file__).parent / f"{table}.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_data(record: Record, name: str, features: int, samples: int, classes: int | None) -> bool:
    """Whether this is the dataset of that name and size, read by its own loader.

    A file or a folder of images of the same name is a user's own data.
    """
    data = record["data"]
    same = (data["features"], data["samples"], data["classes"]) == (features, samples, classes)
    return same and is_named(record, name)


def is_named(record: Record, name: str) -> bool:
    """Whether the dataset has this name and is read by its own loader."""
    dataset = record["config"]["dataset"]
    return dataset["name"] == name and not str(dataset.get("_target_", "")).startswith(_USERS_OWN)


def scaling(record: Record) -> tuple[str, ...]:
    """The scalings of the data, in the order in which they were applied."""
    steps = record["config"]["dataset"].get("scaling", "max")
    return (steps,) if isinstance(steps, str) else tuple(steps)


def changed(record: Record, group: str) -> dict[str, Any]:
    """The part of the variant that belongs to "solver", "dataset", "stopping" or "evaluator", without that prefix.

    Keys without a prefix are parameters of the solver, except for the settings that belong to no group.
    """
    values = {}
    for key, value in record["variant"].items():
        prefix, _, name = key.rpartition(".")
        if (prefix or "solver") == group and key not in ("dtype", "label_fraction", "stopping"):
            values[name] = value
    return values


def stops_as(record: Record, rule: Mapping[str, float] | None = None) -> bool:
    """Whether the run stops by its solver's own rule, or by that rule with these changes."""
    own = "stopping" not in record["variant"]
    return own and all((rule or {}).get(key) == value for key, value in changed(record, "stopping").items())


def clusters_with(record: Record, n_init: int, select: Collection[str]) -> bool:
    """Whether k-means ran at least ``n_init`` starts to the end and chose among them by a rule in ``select``.

    The rules are those of `Clustering`. "best" uses labels, so only a paper that does so itself may accept it.
    """
    evaluator = record["config"]["evaluator"]
    ended = evaluator.get("n_init", 0) >= n_init and evaluator.get("max_iter", 300) >= 300
    return ended and evaluator.get("select", "inertia") in select


def has(record: Record, parameters: Mapping[str, Any]) -> bool:
    """Whether the solver has these parameters."""
    solver = record["config"]["solver"]
    return all(solver.get(key, value) == value for key, value in parameters.items())


def is_unsupervised(record: Record) -> bool:
    """Whether the method saw no label."""
    return not record["config"].get("label_fraction")


def ranks(record: Record) -> list[int]:
    """The ranks of all layers, r_1 first; empty where the record holds none."""
    solver = record["config"]["solver"]
    rank = solver.get("rank", record.get("rank"))
    return list(solver.get("ranks") or ([] if rank is None else [rank]))
