"""Parse the bytes of a pack from an untrusted source: sizes are bounded, and every name and type is checked."""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import orjson

from nmfbench.errors import DataError
from nmfbench.records.kinds import (
    Check,
    is_count,
    is_name,
    is_number,
    is_object,
    is_plain,
    is_scalar,
    is_seconds,
    is_text,
    list_of,
    or_none,
    require,
)
from nmfbench.records.reading import SCHEMA as RECORD_SCHEMA
from nmfbench.records.reading import Record, no_collection
from nmfbench.records.summaries import summary

SCHEMA = 1
LARGEST = {"manifest.json": 2**22, "shared.json": 2**26, "records.jsonl": 2**27}
"""Maximum unpacked size of each member in bytes; 10,000 records take about 2²⁴, with clusters in shared.json too."""
LARGEST_FILE, LARGEST_MODULE, LARGEST_LINE, LARGEST_DIRECTORY = 2**25, 2**20, 2**22, 2**16
MOST_RECORDS, MOST_VALUES = 100_000, 3_000_000
_TABLES = {"environments": "environment", "declared": "declared", "rows": "rows"}
"""The lists of shared.json, and the keys by which a run refers to an entry of each."""
_CODE = re.compile(r"code/([0-9a-f]{16})/([A-Za-z_][\w.]{0,99})\.py", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_END = 22
"""Bytes of the record that ends a zip archive without a comment."""


def parsed(content: bytes) -> tuple[dict[str, Any], list[Record], dict[str, dict[str, str]]]:
    """Return the manifest, the records and the code of a pack. Raises DataError if a part is missing or wrong."""
    members = _members(content)
    if absent := LARGEST.keys() - members.keys():
        raise DataError(f"{', '.join(sorted(absent))} is missing")
    manifest = _json(members["manifest.json"], "manifest.json")
    schema = manifest.get("schema") if type(manifest) is dict else None
    if type(manifest) is not dict or manifest.get("format") != "nmfbench pack" or type(schema) is not int:
        raise DataError("manifest.json does not describe an nmfbench pack")
    if schema != SCHEMA:
        raise DataError(f"it has schema {schema}, but this version of nmfbench reads schema {SCHEMA}")
    with no_collection():
        shared = _shared(_json(members["shared.json"], "shared.json"))
        records = _records(members["records.jsonl"], shared)
    code = _code(members)
    own = {"format": is_text, "schema": is_count, "licence": is_text, "name": is_text, "contact": is_text}
    derived = summary(records, code)
    require({key: value for key, value in manifest.items() if key not in derived}, own, "manifest.json")
    if differing := [key for key, value in derived.items() if manifest.get(key) != value]:
        raise DataError(f"manifest.json does not describe the records: {', '.join(differing)}")
    return manifest, records, code


def _members(content: bytes) -> dict[str, bytes]:
    """Unpack the members of the archive, after a check of their names and sizes."""
    end = content[-_END:]
    # Without a comment and zip64, the directory's length is at a fixed place, so a huge one is refused unread.
    if len(content) < _END or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0" or content[-_END - 20 :][:4] == b"PK\6\7":
        raise DataError("not a zip archive as nmfbench writes it, or cut off")
    if int.from_bytes(end[12:16], "little") > LARGEST_DIRECTORY:
        raise DataError("it has too many members")
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                name = info.filename
                largest = LARGEST.get(name) or (LARGEST_MODULE if _CODE.fullmatch(name) else 0)
                if not largest or name in members:
                    raise DataError(f"{name[:100]!r} is not a member of a pack, or occurs twice")
                if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise DataError(f"{name} is encrypted, or compressed by another method than deflate")
                if info.file_size > largest:
                    raise DataError(f"{name} has {info.file_size} bytes unpacked, more than {largest}")
                with archive.open(info) as file:
                    members[name] = file.read(largest)
    # zipfile raises a subclass of RuntimeError for strong encryption and patched data, which a member's flags announce.
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
        raise DataError(f"damaged: {error}") from error
    return members


def _json(text: bytes, where: str) -> Any:
    try:
        return orjson.loads(text)  # refuses NaN
    except ValueError as error:
        raise DataError(f"{where} is not JSON: {error}") from error


def _code(members: Mapping[str, bytes]) -> dict[str, dict[str, str]]:
    code: dict[str, dict[str, str]] = {}
    for name, content in members.items():
        if match := _CODE.fullmatch(name):
            try:
                code.setdefault(match[1], {})[match[2]] = content.decode()
            except UnicodeDecodeError as error:
                raise DataError(f"{name} is not UTF-8") from error
    for checksum, modules in code.items():
        texts = "".join(modules[module] for module in sorted(modules))
        if hashlib.sha256(texts.encode()).hexdigest()[:16] != checksum:
            raise DataError(f"code/{checksum} has another checksum than its name")
    return code


def _shared(shared: Any) -> dict[str, list[Any]]:
    lists = dict.fromkeys(_TABLES, list_of(lambda value: True))
    require(shared, lists, "shared.json")
    for environment in shared["environments"]:
        require(environment, {"threads": or_none(is_count)}, "an environment", others=is_scalar)
    for declarations in shared["declared"]:
        _all(list_of(_is_declaration), declarations, "the declarations of metrics")
    for rows in shared["rows"]:
        _all(list_of(_is_row), rows, "the names of metrics")
    return dict(shared)


def _records(text: bytes, shared: Mapping[str, list[Any]]) -> list[Record]:
    records: list[Record] = []
    known: set[tuple[bytes, int]] = set()
    n_values = 0
    for number, line in enumerate(text.splitlines(), start=1):
        where = f"records.jsonl, line {number}"
        if len(line) > LARGEST_LINE:
            raise DataError(f"{where} has more than {LARGEST_LINE} bytes")
        group = _json(line, where)
        require(group, _GROUP, where)
        config = group["config"]
        require(config, _CONFIG, where, optional=("stopping", "label_fraction"), others=is_plain)
        require(group["data"], _DATA, where, optional=("labels_seen", "error_of_mean"), others=is_plain)
        identity = orjson.dumps(config, option=orjson.OPT_SORT_KEYS)
        common = {key: group[key] for key in ("config", "block", "variant", "setting", "rank", "footnote", "layering")}
        for run in group["runs"]:
            require(run, _RUN, where, optional=("rises", "batch"))
            try:
                environment, declared, rows = (shared[table][run.pop(key)] for table, key in _TABLES.items())
            except IndexError:
                raise DataError(f"{where} refers to an entry that shared.json lacks") from None
            if len(run["values"]) != len(rows):
                raise DataError(f"{where}: a run has {len(run['values'])} values for {len(rows)} metrics")
            if (identity, run["seed"]) in known:
                raise DataError(f"{where}: seed {run['seed']} occurs twice")
            known.add((identity, run["seed"]))
            n_values += len(rows)
            if len(known) > MOST_RECORDS or n_values > MOST_VALUES:
                raise DataError(f"more than {MOST_RECORDS} records, or {MOST_VALUES} values")
            records.append(_record(common, run, environment, declared, rows) | {"data": group["data"]})
    return records


def _record(common: Record, run: Record, environment: Record, declared: list[Any], rows: list[Any]) -> Record:
    """Build one record as `Store.load` returns it."""
    kept = {key: value for key, value in run.items() if key not in ("values", "date")}
    return {
        "schema": RECORD_SCHEMA,
        **common,
        "solver": common["config"]["solver"]["name"],
        "dataset": common["config"]["dataset"]["name"],
        "rises": [],
        "batch": [run["seed"]],
        "traceback": None,
        **kept,
        "metrics": [{**row, "value": value} for row, value in zip(rows, run["values"], strict=True)],
        "declared": declared,
        "exhibits": [],
        "environment": environment | {"date": run["date"]},
    }


def _all(is_right: Check, value: Any, what: str) -> None:
    if not is_right(value):
        raise DataError(f"{what} have the wrong type")


def _is_part(value: Any) -> bool:
    """Tell whether the value is the part of a configuration that a solver, dataset or evaluator has."""
    return is_object(value) and is_name(value.get("name")) and is_text(value.get("source", ""))


def _is_data_node(value: Any) -> bool:
    return _is_part(value) and bool(re.fullmatch("[0-9a-f]{64}", str(value.get("sha256"))))


def _is_row(value: Any) -> bool:
    place = (value.get("layer"), value.get("n_clusters")) if type(value) is dict else ("",)
    return is_object(value) and is_text(value.get("metric")) and all(map(or_none(is_count), place))


def _is_declaration(value: Any) -> bool:
    if not (is_object(value) and is_text(value.get("name")) and is_text(value.get("title"))):
        return False
    decimals = value.get("decimals")
    shown = is_text(value.get("unit", "")) and (decimals is None or (is_count(decimals) and decimals < 20))
    return shown and value.get("better", "") in ("", "higher", "lower") and type(value.get("shown", True)) is bool


def _is_history(value: Any) -> bool:
    return type(value) is list and all(
        type(look) is list and len(look) == 3 and all(map(is_number, look)) for look in value
    )


_CONFIG: dict[str, Check] = {
    "solver": _is_part,
    "dataset": _is_data_node,
    "evaluator": _is_part,
    "dtype": is_text,
    "stopping": is_object,
    "label_fraction": is_number,
}
_DATA: dict[str, Check] = {
    "features": is_count,
    "samples": is_count,
    "classes": or_none(is_count),
    "labels_seen": or_none(is_count),
    "preprocessing": list_of(is_text),
    "error_of_mean": or_none(is_number),
}
_GROUP: dict[str, Check] = {
    "config": lambda value: type(value) is dict,
    "data": lambda value: type(value) is dict,
    "block": is_text,
    "variant": is_object,
    "setting": is_object,
    "rank": or_none(is_count),
    "footnote": is_text,
    "layering": or_none(is_text),
    "runs": list_of(lambda value: True),
}
_RUN: dict[str, Check] = {
    "seed": is_count,
    "status": lambda value: type(value) is str and bool(re.fullmatch("[a-z_]{1,20}", value)),
    "iterations": is_count,
    "objective": or_none(is_number),
    "fall": or_none(is_number),
    "error": or_none(is_text),
    "seconds": is_seconds,
    "cpu_seconds": or_none(is_seconds),
    "evaluation_seconds": or_none(is_seconds),
    "peak_memory_mib": or_none(is_seconds),
    "date": lambda value: value is None or (type(value) is str and bool(_DATE.fullmatch(value))),
    "history": _is_history,
    "values": list_of(or_none(is_number)),
    "rises": list_of(is_plain),
    "batch": list_of(is_count),
    "environment": is_count,
    "declared": is_count,
    "rows": is_count,
}
