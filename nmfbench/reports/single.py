"""A single record, whole or in a line."""

import json
from typing import Any

from tabulate import tabulate

from nmfbench.records import Record
from nmfbench.reports.words import variant_words

_LONG = ("history", "metrics", "declared", "exhibits", "traceback", "config", "environment")


def line(record: Record, name: str) -> str:
    """A record in a line that starts with its name."""
    rank = [] if record.get("rank") is None else [f"rank={record['rank']}"]
    source = record["config"]["solver"].get("source")
    words = [record["solver"], "on", record["dataset"], *rank, f"seed={record['seed']}"]
    words += [f"source={source[:6]}"] if source else []
    return "  ".join([name, " ".join(words), record["status"], variant_words(record)]).rstrip()


def whole(record: Record) -> str:
    """The whole record without the entries of its history and the single k-means starts."""
    plain = {key: value for key, value in record.items() if key not in _LONG}
    pieces = [
        f"# {record['solver']} on {record['dataset']}, seed {record['seed']}",
        _pairs(plain | {"history": f"{len(record['history'])} entries"}),
        *(f"## {key}\n\n{_pairs(value)}" for key, value in _nodes(record).items()),
        "## metrics\n\n" + _metrics(record["metrics"]),
    ]
    if record.get("traceback"):
        pieces.append(f"## traceback\n\n{record['traceback'].rstrip()}")
    return "\n\n".join(pieces)


def _nodes(record: Record) -> dict[str, dict[str, Any]]:
    config = record["config"]
    nodes = {key: value for key, value in config.items() if isinstance(value, dict)}
    rest = {key: value for key, value in config.items() if not isinstance(value, dict)}
    return {**nodes, "numbers": rest, "environment": record["environment"]}


def _pairs(values: dict[str, Any]) -> str:
    def plain(value: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    rows = [[key, plain(value)] for key, value in values.items()]
    return str(tabulate(rows, tablefmt="plain", disable_numparse=True))


def _metrics(rows: list[dict[str, Any]]) -> str:
    keys = ("metric", "layer", "n_clusters", "value")
    cells = [["" if row.get(key) is None else str(row[key]) for key in keys] for row in rows]
    return str(tabulate(cells, keys, disable_numparse=True))
