"""Renderers: each turns a report into the text of one format. A new one is a function and a line here."""

from collections.abc import Callable

from nmfbench.reports.renderers import csv, latex, markdown, text
from nmfbench.reports.report import Report

RENDERERS: dict[str, Callable[[Report], str]] = {
    "text": text.render,
    "csv": csv.render,
    "md": markdown.render,
    "latex": latex.render,
}
FILES = {"csv": "csv", "md": "md", "latex": "tex"}
"""Formats that a table is written in → the suffix of the file."""
