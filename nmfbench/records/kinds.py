"""Check plain values from untrusted files: their types, and that they are finite, short and safe to print."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from nmfbench.errors import DataError
from nmfbench.records.cleaning import is_clean_text

Check = Callable[[Any], bool]
DEEPEST = 12
"""Maximum depth of nested lists and objects."""


def require(
    node: Any, checks: Mapping[str, Check], where: str, optional: tuple[str, ...] = (), others: Check | None = None
) -> None:
    """Raise DataError unless the node has these keys, each of the right type, and no others that fail ``others``."""
    if type(node) is not dict:
        raise DataError(f"{where} is not an object")
    for key, is_right in checks.items():
        if key not in node:
            if key not in optional:
                raise DataError(f"{where} lacks {key}")
        elif not is_right(node[key]):
            raise DataError(f"{where}: {key} has a value of the wrong type")
    for key in node.keys() - checks.keys():
        if others is None or not is_text(key) or not others(node[key]):
            raise DataError(f"{where}: {key[:100]!r} is unknown, or has a value of the wrong type")


def is_text(value: Any) -> bool:
    return is_clean_text(value) and len(value) <= 10_000


def is_number(value: Any) -> bool:
    return (type(value) is int and abs(value) < 2**63) or (type(value) is float and math.isfinite(value))


def is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def is_seconds(value: Any) -> bool:
    return is_number(value) and value >= 0


def or_none(is_right: Check) -> Check:
    return lambda value: value is None or is_right(value)


def list_of(is_right: Check) -> Check:
    return lambda value: type(value) is list and all(map(is_right, value))


def is_scalar(value: Any) -> bool:
    return value is None or type(value) is bool or is_number(value) or is_text(value)


def is_plain(value: Any, depth: int = 0) -> bool:
    """Tell whether the value is made of texts, finite numbers, booleans, null, lists and objects, not nested deeply."""
    if is_scalar(value):
        return True
    if depth == DEEPEST:
        return False
    if type(value) is dict:
        return all(is_text(key) and is_plain(item, depth + 1) for key, item in value.items())
    return type(value) is list and all(is_plain(item, depth + 1) for item in value)


def is_object(value: Any) -> bool:
    return type(value) is dict and is_plain(value)


def is_name(value: Any) -> bool:
    """Tell whether the value can name a solver or dataset, and so a folder of results."""
    return is_text(value) and bool(re.fullmatch(r"(?!\.)[^/\\]{1,200}", value))
