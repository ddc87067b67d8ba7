"""Summarize records for the manifest of a pack: counts, versions, checksums, machines."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nmfbench.records.reading import Record

Code = Mapping[str, Mapping[str, str]]
"""checksum (`adapters.source.source_hash`) → module → its source."""


def is_own_data(record: Record) -> bool:
    """Tell whether the data of a record is a user's own, rather than a dataset of nmfbench."""
    target = str(record["config"]["dataset"].get("_target_"))
    own = ("file.File", "images.Images", "graph.Graph", "views.Views")
    return target.removeprefix("nmfbench.datasets.") in own or not target.startswith("nmfbench.")


def summary(records: Iterable[Record], code: Code) -> dict[str, Any]:
    """Return the part of a manifest that follows from records and code: counts, versions, checksums, machines."""
    solvers: dict[str, dict[str, Any]] = {}
    datasets: dict[str, dict[str, Any]] = {}
    statuses: Counter[str] = Counter()
    origins: dict[str, set[str]] = {"nmfbench": set(), "commits": set(), "machines": set()}
    newest = ""
    for record in records:
        solver, data, environment = record["config"]["solver"], record["config"]["dataset"], record["environment"]
        of_solver = solvers.setdefault(record["solver"], {"records": 0, "versions": set(), "sources": set()})
        of_data = datasets.setdefault(record["dataset"], {"records": 0, "sha256": set(), "own": False})
        of_solver["records"] += 1
        of_solver["versions"].add(str(solver.get("version", "")))
        of_solver["sources"] |= {str(solver["source"])} if solver.get("source") else set()
        of_data["records"] += 1
        of_data["sha256"].add(str(data.get("sha256", "")))
        of_data["own"] |= is_own_data(record)
        statuses[record["status"]] += 1
        origins["nmfbench"].add(str(environment.get("nmfbench")))
        changed = " with changes" if environment.get("dirty") else ""
        origins["commits"].add(f"{environment.get('commit')}{changed}")
        origins["machines"].add(str(environment.get("gpu") or environment.get("cpu")))
        newest = max(newest, str(environment.get("date") or ""))
    return {
        "records": statuses.total(),
        "statuses": dict(statuses),
        "newest": newest,
        "solvers": {key: {k: _listed(v) for k, v in counts.items()} for key, counts in solvers.items()},
        "datasets": {key: {k: _listed(v) for k, v in counts.items()} for key, counts in datasets.items()},
        **{key: sorted(names) for key, names in origins.items()},
        "code": {checksum: sorted(modules) for checksum, modules in code.items()},
    }


def _listed(value: Any) -> Any:
    return sorted(value) if isinstance(value, set) else value
