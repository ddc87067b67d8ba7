"""nmfbench as a shell calls it, and the records that it leaves."""

from pathlib import Path

from nmfbench.cli import main
from nmfbench.records import Store


def nmfbench(*words: object) -> int:
    """Call ``nmfbench WORDS``; its exit code."""
    return main(list(map(str, words)))


def run(folder: Path, *words: str) -> int:
    """Call ``nmfbench run`` with one thread and that results folder; its exit code."""
    return nmfbench("run", f"results_dir='{folder}'", "threads=1", *words)


def load(folder: Path) -> list[dict]:
    """The records of a results folder, none of them unreadable."""
    records, unreadable = Store(folder).load()
    assert not unreadable
    return records
