"""Remove from texts all that identifies a person's machine (folders, account, host), before records are shared."""

import getpass
import os
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

_ROOTED = re.compile(r"^(file://|~|[A-Za-z]:)?[/\\]+[^/\\]")
"""Matches the start of a text that is a path as a whole, whose folders may have blanks."""
_QUOTED = re.compile(r"(?<=['\"])(~|[A-Za-z]:)?[/\\]+(?:[^'\"/\\]+[/\\]+)+")
_FOLDERS = re.compile(r"(?<![\w.])(~|[A-Za-z]:)?[/\\]+(?:[^\s'\":,;()<>/\\]+[/\\]+)+")
"""Match the folders of a path within a sentence; only between quotes may they have blanks."""
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def cleaned(value: Any) -> Any:
    """Return the plain value, with this machine's folders, account and host removed from its texts.

    A path keeps its last part. The names of account and host are replaced only in sentences: a single word may be a
    setting (``max``), and a dotted name is a class. Control characters become blanks.
    """
    if isinstance(value, str):
        return _cleaned_text(value)
    if isinstance(value, dict):
        return {_cleaned_text(str(key)): cleaned(item) for key, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, (list, tuple)) else value


def is_clean_text(value: Any) -> bool:
    """Tell whether the value is a text without control characters."""
    return isinstance(value, str) and not _INVISIBLE.search(value)


@lru_cache(maxsize=2**14)  # the records of a sweep repeat a few texts
def _cleaned_text(text: str) -> str:
    text = _INVISIBLE.sub(" ", text)
    if _ROOTED.match(text):
        return re.split(r"[/\\]+", text.rstrip("/\\"))[-1]
    if home := _home():
        text = text.replace(home, "/home")  # its name may have blanks
    text = _FOLDERS.sub("", _QUOTED.sub("", text))
    for name in _names() if re.search(r"[\s@]", text) else ():
        text = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w|\.\w)", "…", text)
    return text


@cache
def _home() -> str:
    home = os.path.expanduser("~")
    return home if len(Path(home).parts) > 2 else ""  # "/" and "/root" name nobody


@cache
def _names() -> tuple[str, ...]:
    """Return the names of the account and of the host, in full and without its domain."""
    try:
        account = getpass.getuser()
    except (OSError, KeyError):  # an account without a name
        account = ""
    host = os.uname().nodename
    names = {account, host, host.partition(".")[0]} - {"root", "localhost"}
    return tuple(sorted((name for name in names if len(name) > 2), key=len, reverse=True))
