"""Text of docstrings as Markdown."""

import re


def escaped(text: str) -> str:
    """Text whose < and * are no tags and no emphasis, outside code between backticks."""
    parts = re.split(r"(`+[^`]*`+)", text)
    return "".join(p if p.startswith("`") else p.replace("<", "&lt;").replace("*", r"\*") for p in parts)


def cell(text: str) -> str:
    """Text for a cell of a table."""
    return escaped(text).replace("|", r"\|")
