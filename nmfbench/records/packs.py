"""Read and write packs: a pack is one small file of many records, for sharing. Nothing that is read from it is run.

A pack is a zip archive of

- manifest.json: format, schema, licence, who made it, and a summary of the records (counts, versions, checksums);
- shared.json: the parts that many records share: environments, declarations and names of metrics;
- records.jsonl: a configuration a line, with its runs: seed, status, seconds, values of the metrics, and so on;
- code/CHECKSUM/MODULE.py: the source of methods from outside nmfbench, if its author passes it on.

It holds no codes, no exhibits, no single k-means starts, and at most `POINTS` entries of each history.
The same records make the same bytes, so that two packs can be compared by their checksums.
"""

import hashlib
import io
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from nmfbench import config
from nmfbench.errors import ConfigError, DataError
from nmfbench.records import Record, digest, write_bytes
from nmfbench.records.cleaning import cleaned
from nmfbench.records.summaries import Code, summary
from nmfbench.records.unpacking import LARGEST_FILE, SCHEMA, parsed

SUFFIX = ".nmfbench.zip"
POINTS = 12
LICENCES = ("CC-BY-4.0", "CC0-1.0")
"""The first is the default, because it asks only for the credit that a table of results gives anyway."""
_OF_CONFIG: dict[str, Any] = {"block": "", "variant": {}, "setting": {}, "rank": None, "footnote": "", "layering": None}
"""Fields that all runs of a configuration share, besides the configuration and the data, with their defaults."""
_OF_RUN = ("seed", "status", "iterations", "objective", "fall", "error")
_TIMES = ("seconds", "cpu_seconds", "evaluation_seconds", "peak_memory_mib")
_OF_ENVIRONMENT = (
    *("nmfbench", "commit", "dirty", "python", "torch", "numpy", "scikit-learn"),
    *("cpu", "cores", "gpu", "device", "float32_products", "threads", "openmp_waits", "kmeans_threads"),
)


@dataclass(frozen=True)
class Pack:
    """The content of a pack.

    Parameters
    ----------
    manifest: who made it, under which licence, and the summary of the records.
    records: the records as `Store.load` returns them, without the parts that a pack leaves out.
    code: checksum → module → source of the methods from outside nmfbench that the pack carries; it has not been run.
    """

    manifest: dict[str, Any]
    records: list[Record]
    code: dict[str, dict[str, str]] = field(default_factory=dict)


def write(
    path: Path,
    records: Sequence[Record],
    *,
    licence: str = LICENCES[0],
    name: str = "",
    contact: str = "",
    code: Code | None = None,
) -> dict[str, Any]:
    """Write a pack of these records and return its manifest. Among records of the same run, the newest is kept.

    Folders, account and host are removed from every text (`cleaning`). ``name`` and ``contact`` say who passes the
    records on; ``code`` is the source of methods from outside nmfbench by its checksum. Raises ConfigError for a
    name that does not end in `SUFFIX`, an unknown licence, no records, or records that no pack can hold.
    """
    if not path.name.endswith(SUFFIX) or path.name == SUFFIX:
        raise ConfigError(f"the name of a pack must end in {SUFFIX}, got {path}")
    if licence not in LICENCES:
        raise ConfigError(f"the licence must be one of {', '.join(LICENCES)}, got {licence}")
    if not records:
        raise ConfigError(f"no records to write into {path}")
    shared, lines, packed = _grouped(records)
    author = cleaned({"licence": licence, "name": name, "contact": contact})
    manifest = {"format": "nmfbench pack", "schema": SCHEMA, **author, **summary(packed, code or {})}
    members = {"manifest.json": orjson.dumps(manifest, option=orjson.OPT_INDENT_2), "shared.json": shared}
    members["records.jsonl"] = lines
    for checksum, modules in sorted((code or {}).items()):
        members |= {f"code/{checksum}/{module}.py": text.encode() for module, text in sorted(modules.items())}
    content = _zipped(members)
    try:
        if len(content) > LARGEST_FILE:
            raise DataError(f"they take {len(content)} bytes, more than {LARGEST_FILE}")
        parsed(content)
    except DataError as error:
        raise ConfigError(f"these records cannot be packed: {error}") from error
    write_bytes(path, content)
    return manifest


def read(path: Path) -> Pack:
    """Read a pack and check every part of it. Raises DataError if it is damaged or hostile."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise DataError(f"it has more than {LARGEST_FILE} bytes")
        return Pack(*parsed(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
    except DataError as error:
        raise DataError(f"{path} is not a valid pack: {error}") from error


def published() -> list[Path]:
    """List the packs that ship with nmfbench."""
    return sorted((config.PUBLISHED / "arena").glob(f"*{SUFFIX}"))


def checksum(path: Path) -> str:
    """Return the sha256 of a pack's file. Raises DataError if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from error


def thinned(history: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return at most `POINTS` entries (iteration, objective, seconds) of a history, with seven digits.

    Keeps the first and the last entry, then adds one by one the entry that a line through the kept ones misses most.
    Both axes are logarithmic: seconds, and the objective's distance from its smallest value, down to 1e-4 of that at
    the start. For five methods, interpolation gave the time to 1 % above the last value within 13 %.
    """
    import numpy as np  # most commands pack nothing

    if len(history) <= POINTS:
        return [[_short(number) for number in look] for look in history]
    _, objective, seconds = np.asarray(history, dtype=float).T
    gap = objective - objective.min()
    y = np.log(np.maximum(gap, 1e-4 * gap[0] or 1.0))
    x = np.log(np.maximum(seconds, seconds[seconds > 0].min(initial=1.0)))
    kept = [0, len(history) - 1]
    while len(kept) < POINTS:
        missed = np.abs(y - np.interp(x, x[kept], y[kept]))
        missed[kept] = -1.0
        kept = sorted([*kept, int(missed.argmax())])
    return [[_short(number) for number in history[i]] for i in kept]


def _short(number: Any) -> Any:
    """Round to seven digits, which is all that float32 has and more than a time means."""
    return float(f"{number:.7g}") if isinstance(number, float) and math.isfinite(number) else number


class _Table:
    """A list of the values that many records share, each stored once."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[bytes, int] = {}

    def place(self, value: Any) -> int:
        """Return the index of the value, adding it if it is new."""
        key = orjson.dumps(value)  # keys are not sorted, because tables show settings in their order
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(value)
        return self._places[key]


def _grouped(records: Sequence[Record]) -> tuple[bytes, bytes, list[Record]]:
    """Return shared.json, records.jsonl, and their records in the order of dataset, solver and name."""
    newest: dict[str, tuple[tuple[str, ...], Record]] = {}
    for record in sorted(records, key=lambda record: str(record["environment"].get("date"))):
        config = cleaned(record["config"])
        name = digest(config | {"seed": record["seed"]})
        place = (config["dataset"]["name"], config["solver"]["name"], digest(config), name)
        newest[name] = place, record | {"config": config}
    tables = {"environments": _Table(), "declared": _Table(), "rows": _Table()}
    groups: dict[bytes, tuple[dict[str, Any], list[dict[str, Any]]]] = {}
    try:
        packed = [record for _, record in sorted(newest.values(), key=lambda pair: pair[0])]
        for record in packed:
            node = _group(record)
            key = orjson.dumps(node)
            groups.setdefault(key, (node, []))[1].append(_run(record, tables))
        lines = [orjson.dumps(node | {"runs": runs}) for node, runs in groups.values()]
    except TypeError as error:  # orjson refuses integers of more than 64 bits, and values that are not plain
        raise ConfigError(f"these records cannot be packed: {error}") from error
    shared = orjson.dumps({key: table.values for key, table in tables.items()})
    return shared, b"\n".join(lines) + b"\n", packed


def _group(record: Record) -> dict[str, Any]:
    return {
        "config": record["config"],
        "data": cleaned(record["data"]),
        **{key: cleaned(record.get(key, default)) for key, default in _OF_CONFIG.items()},
    }


def _run(record: Record, tables: dict[str, _Table]) -> dict[str, Any]:
    seed, environment = record["seed"], record["environment"]
    rows = [{k: v for k, v in row.items() if k not in ("value", "starts")} for row in record["metrics"]]
    return {
        **{key: cleaned(record.get(key)) for key in _OF_RUN},
        **{key: _short(record.get(key)) for key in _TIMES},
        "date": environment.get("date"),
        "history": thinned(record["history"]),
        "values": [row["value"] for row in record["metrics"]],
        **({"rises": record["rises"][:1]} if record.get("rises") else {}),
        **({"batch": record["batch"]} if record.get("batch", [seed]) != [seed] else {}),
        "environment": tables["environments"].place(cleaned({key: environment.get(key) for key in _OF_ENVIRONMENT})),
        "declared": tables["declared"].place(cleaned(record.get("declared") or [])),
        "rows": tables["rows"].place(cleaned(rows)),
    }


def _zipped(members: Mapping[str, bytes]) -> bytes:
    """Make a zip archive whose bytes depend on its members alone."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            info.compress_type, info.create_system, info.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()
