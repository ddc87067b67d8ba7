"""Which fields of a table are numbers, which are none but look like one, and which mark a missing one."""

import re

MISSING = ("", "na", "n/a", "#n/a", "nan", "null", "none", "?", "-", ".")
"""Texts that mark a missing number, in any case."""
_CURRENCY = "[$€£¥]"
_WRITTEN = re.compile(
    rf"[<>~]?[+-]?{_CURRENCY}?[+-]?(\d{{1,3}}([ .,'’\u00a0\u202f]\d{{3}})+|\d+)([.,]\d*)?"
    rf"(d[+-]?\d+|[+-]\d+(\.\d*)?[ij])?\s*([%‰]|{_CURRENCY})?",
    re.IGNORECASE,
)
"""A number with a currency, a percent sign, marks between thousands, another decimal mark, Fortran's exponent, or an
imaginary part."""


def is_written(text: str) -> bool:
    """Whether a field holds a number, though perhaps in a notation that is not read."""
    return _WRITTEN.fullmatch(text.replace("−", "-")) is not None


def number(text: str, decimal: str = ".") -> float | None:
    """The number that a field holds; None if it holds none."""
    text = text.replace("−", "-")  # the minus of typesetters
    if decimal == ",":
        if "." in text:
            return None
        text = text.replace(",", ".")
    if "_" in text:  # Python reads 1_000 as a number
        return None
    try:
        return float(text)
    except ValueError:
        return None
