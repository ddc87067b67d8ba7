"""The ways in which a run can be refused before it starts. The command line maps each to an exit code."""

import re
from collections.abc import Iterable
from typing import Any

_PLAIN = {"true": "True", "false": "False", "null": "None"}


class ConfigError(ValueError):
    """Wrong use or configuration: nothing was run (exit code 2)."""


class NotApplicable(ConfigError):
    """This solver cannot take this data, by its nature. Alone: exit code 2; in a sweep: skipped and named."""


class DataError(Exception):
    """Data that is corrupt or not fit for any solver (exit code 3)."""


class DataMissing(DataError):
    """Data that is not on this machine. Alone: exit code 3; in a sweep: skipped and named.

    ``anywhere`` says it without this machine's paths, for tables that travel.
    """

    def __init__(self, message: str, anywhere: str = ""):
        super().__init__(message)
        self.anywhere = anywhere or message

    def __reduce__(self) -> tuple[type["DataMissing"], tuple[str, str]]:
        return DataMissing, (str(self), self.anywhere)


def in_python(message: str, group: str, keys: Iterable[str]) -> str:
    """Rewrite a message for Python: ``group.key=value``, a word of the command line, becomes ``key=value``."""

    def argument(match: re.Match[str]) -> Any:
        key, value = match[1], match[2]
        return key if value is None else f"{key}={_literal(value)}"

    return re.sub(rf"\b{group}\.({'|'.join(keys)})\b(?:=(\[[^]]*\]|'[^']*'|[^\s,;:)]+))?", argument, message)


def _literal(word: str) -> str:
    """Write a value of the command line as a Python literal; "…" stays."""
    if word.startswith("["):
        return f"[{', '.join(_literal(item.strip()) for item in word[1:-1].split(',') if item.strip())}]"
    is_plain = word.startswith(("'", '"')) or word == "…" or re.fullmatch(r"-?[\d.]+(e-?\d+)?", word)
    return word if is_plain else _PLAIN.get(word, f'"{word}"')
