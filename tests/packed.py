"""Records to pack, made without a fit, and what is in a pack."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from nmfbench.records import Record

TARGET = "nmfbench.solvers.mu.MultiplicativeNMF"


def record(seed: int = 0, solver: str = "mu", **changes: Any) -> Record:
    """A record as a run writes it, with numbers that follow from the seed."""
    rng = np.random.default_rng(seed)
    scores = [float(score) for score in rng.random(3)]
    falling = [[10 * i, 100.0 * 0.7**i + float(rng.random()) * 1e-6, 0.01 * i] for i in range(60)]
    return {
        "schema": 3,
        "config": {
            "solver": {"name": solver, "version": 2, "_target_": TARGET, "rank": 3, "beta": 2.0},
            "dataset": {"name": "digits", "sha256": "ab" * 32, "_target_": "nmfbench.datasets.digits.Digits"},
            "evaluator": {"name": "clustering", "_target_": "nmfbench.evaluators.clustering.Clustering"},
            "stopping": {"max_iter": 600, "tol": 0.0, "max_seconds": None, "check_every": 10},
            "dtype": "float32",
            "label_fraction": 0.0,
        },
        "dataset": "digits",
        "block": "",
        "solver": solver,
        "variant": {"stopping.max_iter": 600, "n_init": 3},
        "setting": {},
        "rank": 3,
        "footnote": "",
        "seed": seed,
        "status": "max_iter",
        "iterations": 600,
        "seconds": 0.123456789012,
        "cpu_seconds": 0.2,
        "objective": falling[-1][1],
        "fall": 0.001,
        "history": falling,
        "rises": [],
        "batch": [seed],
        "peak_memory_mib": 300.25,
        "error": None,
        "traceback": None,
        "layering": "product",
        "evaluation_seconds": 0.5,
        "metrics": [
            {"metric": "error", "value": scores[0]},
            {"metric": "min_W", "value": None},
            {"layer": 1, "n_clusters": 10, "metric": "nmi", "value": scores[1], "starts": scores},
            {"layer": 1, "n_clusters": 10, "metric": "accuracy", "value": scores[2], "starts": scores},
        ],
        "declared": [
            {"name": "nmi", "title": "NMI", "unit": "%", "decimals": 1, "better": "higher", "shown": True},
            {"name": "error", "title": "relative error", "unit": "", "decimals": None, "better": "lower"},
        ],
        "exhibits": [{"title": "words", "columns": ["1", "2"], "rows": [["a", "b"]]}],
        "data": {"features": 64, "samples": 100, "classes": 10, "labels_seen": None, "preprocessing": ["÷ max"]},
        "environment": {
            "nmfbench": "0.1.0",
            "commit": "c0ffee",
            "dirty": False,
            "torch": "2.13.0",
            "cpu": "a CPU",
            "gpu": None,
            "device": "cpu",
            "threads": 1,
            "system": "Linux-6.1-of-somebody",
            "load_average": [0.1, 0.2, 0.3],
            "date": f"2026-11-26T14:57:{seed % 60:02d}Z",
        },
        **changes,
    }


def with_config(made: Record, **nodes: dict[str, Any]) -> Record:
    """The record with these keys of its config's nodes replaced."""
    config = made["config"] | {name: made["config"][name] | node for name, node in nodes.items()}
    return made | {"config": config, "solver": config["solver"]["name"], "dataset": config["dataset"]["name"]}


RECORDS = [record(seed, solver) for solver in ("mu", "hals") for seed in range(3)]


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return buffer.getvalue()
