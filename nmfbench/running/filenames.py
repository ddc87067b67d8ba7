"""File names in words: any name may be written after ``dataset.path=`` and its like as the shell hands it over.

The value of ``dataset.path``, ``dataset.y`` and ``dataset.vocabulary`` is literal if a file or folder of exactly that
name exists; in a list with commas this holds for each part. Otherwise it means what Hydra makes of it: a quoted string,
a sweep, an interpolation. What Hydra cannot read is literal. The value of ``results_dir`` is literal if a folder of
exactly that name exists, or if it is no quoted string.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from nmfbench.config import escaped

_WORD = re.compile(r"(\+{0,2}(dataset\.path|dataset\.y|dataset\.vocabulary|results_dir)=)(.+)", re.DOTALL)
_QUOTED = re.compile(r"(['\"])((?:\\\\)*|.*?[^\\](?:\\\\)*)\1", re.DOTALL)
_PLAIN = re.compile(r"(?!(null|true|false|inf|nan)$)([A-Za-z_]|\.{0,2}/)[\w./-]*", re.ASCII | re.IGNORECASE)


def literal(words: Sequence[str]) -> list[str]:
    """The words in Hydra's grammar: values that are literal file names are quoted where Hydra needs it."""
    return [_literal(word) for word in words]


def quoted(text: str) -> str:
    """The value of a word that means this very text to Hydra and OmegaConf, quoted if it must be."""
    if _PLAIN.fullmatch(text):
        return text
    body = re.sub(r"(\\*)'", r"\1\1\\'", escaped(text))
    return "'" + re.sub(r"(\\+)\Z", r"\1\1", body) + "'"


def folder(name: str) -> Path:
    """The path of a folder of exactly that name, or of one below ``~/``."""
    return Path(_safe(name))


def results_dir(words: Sequence[str]) -> Path | None:
    """The folder that the last ``results_dir=`` of the words names; None without one."""
    values = [word.partition("=")[2] for word in words if word.startswith("results_dir=")]
    if not values:
        return None
    value = values[-1]
    return folder(value if _existing(value) or not _is_quoted(value) else _unquoted(value))


def _literal(word: str) -> str:
    match = _WORD.fullmatch(word)
    if match is None:
        return word
    start, key, value = match.groups()
    if name := _existing(value):
        return start + quoted(name)
    if key == "results_dir":
        return word if _is_quoted(value) else start + quoted(_safe(value))
    parts = start + ",".join(_parts(value.split(",")))
    return next((readable for readable in (parts, word) if _is_readable(readable)), start + quoted(value))


def _parts(parts: list[str]) -> list[str]:
    """The values between commas, those that exist quoted; a name may hold commas itself."""
    for n in range(len(parts), 0, -1):
        if name := _existing(",".join(parts[:n])):
            return [quoted(name), *_parts(parts[n:])]
    return [parts[0], *_parts(parts[1:])] if parts else []


def _existing(value: str) -> str | None:
    """The path of the file or folder of exactly that name; None if there is none."""
    path = _safe(value)
    try:
        return path if value and Path(path).expanduser().exists() else None
    except (OSError, ValueError):  # longer than a name may be, or no name at all
        return None


def _safe(name: str) -> str:
    """The name, or its absolute path where it would mean a missing value (``???``), a home (``~``) or a quote."""
    own = (
        name == "???"
        or _is_quoted(name)
        or (name.startswith("~") and not name.startswith("~/") and Path(name).exists())
    )
    try:
        Path(name).expanduser()
    except RuntimeError:  # ~somebody has no account here
        own = True
    return str(Path(name).absolute()) if own else name


def _is_readable(word: str) -> bool:
    # Hydra takes a while to import, and most words are no file names.
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    try:
        OverridesParser.create().parse_override(word)
    except HydraException:
        return False
    return True


def _is_quoted(value: str) -> bool:
    match = _QUOTED.match(value)
    return match is not None and match.end() == len(value)


def _unquoted(value: str) -> str:
    mark, body = value[0], value[1:-1]
    body = re.sub(rf"(\\+)({mark}|\Z)", lambda match: match[1][: len(match[1]) // 2] + match[2], body)
    return re.sub(r"(\\+)\$\{", lambda match: match[1][: len(match[1]) // 2] + "${", body)
