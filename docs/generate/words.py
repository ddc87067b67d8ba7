"""Turn text of docstrings into Markdown."""

import re


def escaped(text: str) -> str:
    """Escape < and * outside of code between backticks, so that they make no tags and no emphasis."""
    parts = re.split(r"(`+[^`]*`+)", text)
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;").replace("*", r"\*") for p in parts)


def cell(text: str) -> str:
    """Escape text for a cell of a table."""
    return escaped(text).replace("|", r"\|")
