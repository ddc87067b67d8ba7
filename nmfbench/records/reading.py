"""One record from its file, in the present schema: files of older versions are converted as they are read."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from nmfbench.numerics import convergence

SCHEMA = 3
REQUIRED = {
    "schema": int,
    "config": dict,
    "dataset": str,
    "solver": str,
    "seed": int,
    "status": str,
    "metrics": list,
    "history": list,
    "iterations": int,
    "data": dict,
    "seconds": (int, float),
    "environment": dict,
}
Record = dict[str, Any]


@dataclass(frozen=True)
class Unreadable:
    """A file among the records that does not count.

    Parameters
    ----------
    path: the file.
    reason: why it does not count.
    """

    path: Path
    reason: str


def read(path: Path) -> Record | Unreadable:
    """The record in that file, in the present schema, or the reason why it cannot be read."""
    try:
        record = _content(path)
    except (OSError, ValueError) as error:
        return Unreadable(path, "empty file" if path.exists() and not path.stat().st_size else f"not JSON: {error}")
    if not isinstance(record, dict):
        return Unreadable(path, "not a record of nmfbench")
    if isinstance(record.get("schema"), int) and not 1 <= record["schema"] <= SCHEMA:
        return Unreadable(path, f"schema {record['schema']}, this version reads 1 to {SCHEMA}")
    wrong = [key for key, kind in REQUIRED.items() if not isinstance(record.get(key), kind)]  # type: ignore[arg-type]
    if not wrong and not all(isinstance(record["config"].get(key), dict) for key in ("solver", "dataset", "evaluator")):
        wrong = ["config"]
    if not wrong and not all(isinstance(record["config"][key].get("name"), str) for key in ("solver", "dataset")):
        wrong = ["config"]  # the names are those of its folders
    if not wrong and not all(isinstance(row, dict) and "metric" in row and "value" in row for row in record["metrics"]):
        wrong = ["metrics"]
    if wrong:
        return Unreadable(path, f"not a record of nmfbench: {', '.join(wrong)} missing or of the wrong type")
    if record["schema"] == 1:
        record = _of_schema_2(record)
    return record if record["schema"] == SCHEMA else record | {"schema": SCHEMA} | measured_alike(record)


def _content(path: Path) -> Any:
    """Parse a JSON file. Raises OSError or ValueError.

    orjson takes a fifth of json's time, but it refuses NaN and rounds integers beyond 64 bits, which seeds may be.
    """
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError:
        return json.loads(path.read_text(encoding="utf-8"))
    if isinstance(content, dict):
        batch = content.get("batch")
        seeds = [content.get("seed"), *(batch if isinstance(batch, list) else ())]
        if any(isinstance(seed, float) for seed in seeds):
            return json.loads(path.read_text(encoding="utf-8"))
    return content


def shortened(content: Record | Unreadable, declared: list[Any]) -> Record | Unreadable:
    """The record without its history and single k-means starts.

    ``declared`` collects the declarations of metrics that differ: the records of many runs share a few of them.
    """
    if isinstance(content, dict):
        content["history"] = []
        for row in content["metrics"]:
            row.pop("starts", None)
        if own := content.get("declared"):
            content["declared"] = next((known for known in declared if known == own), own)
            if content["declared"] is own:
                declared.append(own)
    return content


def measured_alike(fit: dict[str, Any]) -> dict[str, Any]:
    """The status and the fall that the history of a fit of schema 1 or 2 shows.

    In those schemas, "converged" meant only that the method's own stopping rule ended the fit, however loose it was.
    """
    status = fit["status"]
    if "fall" in fit or status not in ("converged", "max_iter", "max_seconds"):
        return {"status": status, "fall": fit.get("fall")}
    history = fit["history"]
    own = "stopped" if fit["iterations"] else "solved"
    ended = "converged" if history and convergence.has_converged(history) else own if status == "converged" else status
    return {"status": ended, "fall": convergence.fall(history)}


def _of_schema_2(record: Record) -> Record:
    """A record of schema 1 in schema 2.

    Its variant was text, so the values are taken from the config.
    """
    config = record["config"]
    variant = {}
    for part in filter(None, str(record.get("variant") or "").split(", ")):
        leaf, _, text = part.partition("=")
        for group in ("solver", "dataset", "stopping", "evaluator"):
            if leaf in (node := config.get(group) or {}) and _as_schema_1_wrote(node[leaf]) == text:
                variant[f"{group}.{leaf}"] = node[leaf]
                break
        else:
            variant[leaf] = config.get(leaf, text)
    return (
        {"block": "", "setting": {}, "declared": [], "exhibits": []}
        | record
        | {
            "schema": 2,
            "variant": variant,
            "metrics": without_stability(record["metrics"]),
        }
    )


def without_stability(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The metrics that schema 2 keeps of schema 1, whose stability depended on the other seeds of the batch."""
    return [row for row in metrics if row["metric"] != "stability"]


def _as_schema_1_wrote(value: Any) -> str:
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)


@contextmanager
def no_collection() -> Iterator[None]:
    """Pause Python's garbage collector, which would look through the growing heap of records again and again.

    What has been read has no cycles, so later collections leave it out as well.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()
