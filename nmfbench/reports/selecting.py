"""Choose records by words: solver=mu,wnnf dataset=orl rank=40 status=failed lam=0.5."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

from nmfbench.config import nearest, resolve_name
from nmfbench.errors import ConfigError
from nmfbench.records import Record

_FIELDS = ("dataset", "solver", "rank", "seed", "status")
_NODES = ("solver", "dataset", "evaluator", "stopping", "timing")


def select(records: Sequence[Record], words: Sequence[str]) -> list[Record]:
    """The records for which all words hold. Raises ConfigError for a malformed word or a key that no record has.

    A word is key=value in Hydra's grammar: several values are separated by commas, glob(…) matches names. Keys are
    dataset, solver, rank, seed, status, corrupt, and every parameter by its dotted key or, where that is unique, its
    last part.
    """
    if not words:  # Hydra takes a moment to import
        return list(records)
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        overrides = OverridesParser.create().parse_overrides(list(words))
    except HydraException:
        raise ConfigError(f"cannot read {' '.join(words)}: records are chosen by key=value, e.g. solver=mu") from None
    for override in overrides:
        key = override.key_or_group
        values = [_value_of(record, key) for record in records]
        if records and all(value is _UNKNOWN for value in values):
            keys = {k for record in records for k in (*_FIELDS, *_dotted(record))}
            leaves = {k.rpartition(".")[2] for k in keys}
            raise ConfigError(f"no record has a key {key}{nearest(key, sorted(keys | leaves), list_all=False)}")
        records = [record for record, value in zip(records, values, strict=True) if _matches(override, value)]
    return list(records)


_UNKNOWN = object()


def _dotted(record: Record) -> dict[str, Any]:
    config = record["config"]
    nodes = {f"{n}.{k}": v for n in _NODES for k, v in (config.get(n) or {}).items() if k != "_target_"}
    corruption = nodes.pop("dataset.corrupt", None) or {"kind": "none"}
    nodes |= {f"corrupt.{k}": v for k, v in corruption.items()}
    return nodes | {"dtype": config.get("dtype"), "label_fraction": config.get("label_fraction")}


def _value_of(record: Record, key: str) -> Any:
    if key in _FIELDS:
        return record.get(key)
    if key == "evaluator":
        return record["config"]["evaluator"]["name"]
    parameters = _dotted(record)
    if key == "corrupt":
        return parameters["corrupt.kind"]
    if key in parameters:
        return parameters[key]
    same_leaf = [value for name, value in parameters.items() if name.rpartition(".")[2] == key]
    return same_leaf[0] if len(same_leaf) == 1 else _UNKNOWN


def _matches(override: "Override", actual: Any) -> bool:
    from hydra.core.override_parser.types import Glob

    wanted = override._value
    if isinstance(wanted, Glob):
        return bool(wanted.filter([str(actual)]))
    values: list[Any] = list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]
    values = [getattr(value, "text", value) for value in values]
    if override.key_or_group.endswith(("source", "sha256")):  # tables show their first letters
        return any(str(actual).startswith(str(value)) for value in values)
    if override.key_or_group in ("solver", "dataset"):
        values = [resolve_name(override.key_or_group, str(value)) for value in values]
    return any(value == actual or str(value) == str(actual) for value in values)
