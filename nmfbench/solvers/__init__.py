"""The solvers: one file and one YAML each."""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nmfbench import config, trust

if TYPE_CHECKING:
    from nmfbench.solvers.base import Solver


def built(folders: Sequence[Path] | None = None) -> Iterator[tuple[str, "Solver"]]:
    """Each solver by its name, at the parameters of its YAML and rank 4; ``folders``: those of the YAMLs."""
    from nmfbench.solvers.base import Solver  # here, because importing torch takes a second

    for name in config.options("solver", folders):
        node = {k: 4 if value == "${rank}" else value for k, value in config.defaults("solver", name, folders).items()}
        trust.check_class(node, "solver", name)
        yield name, config.build(node, Solver, f"solver {name}")


def table() -> list[dict[str, str]]:
    """A row for each solver at the parameters of its YAML: first and last line of its docstring, and its properties."""
    from nmfbench.solvers.base import DeepSolver

    nonnegative = {"all": "all factors", "codes": "codes", "weak": "weakly", "none": ""}
    rows = []
    for name, solver in built():
        lines = inspect.cleandoc(type(solver).__doc__ or "").splitlines()
        rows.append(
            {
                "solver": f"`{name}`",
                "problem": lines[0].rstrip("."),
                "paper": lines[-1].rstrip(".") if len(lines) > 1 else "",
                "non-negative": nonnegative[solver.nonnegative],
                "layers": "several" if isinstance(solver, DeepSolver) else "one",
                "monotone": "yes" if solver.monotone else "",
                "labels": "can use" if solver.uses_labels else "",
                "sparse X": "yes" if solver.accepts_sparse else "",
                "missing": "yes" if solver.accepts_missing else "",
            }
        )
    return rows


def markdown() -> str:
    """`table` as Markdown, for the README."""
    rows = table()
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
