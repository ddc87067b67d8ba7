"""Settings and numbers in words, as tables show them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nmfbench.records import Record

DASH = "–"


def variant_words(record: Record) -> str:
    """The settings of a record that differ from the YAMLs, e.g. "lam=0.5, stopping.max_iter=20"."""
    return ", ".join(parts(record.get("variant") or {}, record["config"]))


def parts(variant: Mapping[str, Any], config: Mapping[str, Any]) -> list[str]:
    """Each setting in words, without the group before the dot unless another group has a key of that name."""
    groups = [node for node in config.values() if isinstance(node, Mapping)]

    def short(key: str) -> str:
        leaf = key.rpartition(".")[2]
        return key if sum(leaf in node for node in groups) > 1 else leaf

    return [f"{short(key)}={_value(value)}" for key, value in variant.items()]


def _value(value: Any) -> str:
    words = f"[{' '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    return words.replace("${rank}", "rank")


def number(value: Any, spec: str) -> str:
    """The value in that format; a dash for a missing one."""
    return DASH if value is None or pd.isna(value) else format(int(value) if spec == "d" else value, spec)


def four_digits(size: float) -> str:
    """A format that shows four digits of a number of that size, with at most four decimals."""
    return f".{min(4, max(0, 3 - math.floor(math.log10(abs(size)))))}f" if 1e-3 <= abs(size) < 1e6 else ".4g"


def ranges(numbers: Sequence[int]) -> str:
    """0, 1, 2, 3, 7 as "0 to 3, 7"."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a} to {b}" if b > a else str(a) for a, b in zip(starts, ends, strict=True))
