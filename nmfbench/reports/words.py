"""Settings and numbers in words, as tables show them."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from nmfbench.records import Record

DASH = "–"


def variant_words(record: Record) -> str:
    """The settings of a record that differ from the YAMLs, e.g. "lam=0.5, stopping.max_iter=20"."""
    return ", ".join(parts(record))


def parts(record: Record) -> list[str]:
    """Each of these settings in words, without the group before the dot unless another group has a key of that name.

    A share of the labels stands beside the labels that were seen, where these are another share.
    """
    variant = record.get("variant") or {}
    groups = [node for node in record["config"].values() if isinstance(node, dict)] if variant else []
    words = []
    for key, value in variant.items():
        leaf = key.rpartition(".")[2]
        name = key if [leaf in node for node in groups].count(True) > 1 else leaf
        seen = labels_seen(record) if key == "label_fraction" else ""
        words.append(f"{name}={_value(value)}" + (f" ({seen})" if seen else ""))
    return words


def common_settings(records: Sequence[Record]) -> list[str]:
    """The settings that every method of a block has changed alike. A method that takes no step has no stopping rule."""
    methods = {(r["solver"], tuple(parts(r))): r for r in records}
    if len(methods) < 2:
        return []

    def shares(words: Sequence[str], record: Record, word: str) -> bool:
        key = word.partition("=")[0].removeprefix("stopping.")
        return word in words or (not record["iterations"] and key in ("stopping", *record["config"]["stopping"]))

    longest = max((words for _, words in methods), key=len)
    return [word for word in longest if all(shares(words, record, word) for (_, words), record in methods.items())]


def labels_seen(record: Record) -> str:
    """The number of labels that were seen, in words; empty where it is the share that was set, or not known.

    Each class keeps at least one label, so a small share of small classes is more than was set.
    """
    data, share = record["data"], record["config"].get("label_fraction")
    seen, of = data.get("labels_seen"), data.get("samples")
    if not seen or abs(seen / of - share) <= 0.05 * share:  # classes are rounded one by one
        return ""
    return f"saw {seen} of {of} labels: {100 * seen / of:.1f} %"


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
