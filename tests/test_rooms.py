"""The rooms of the package, and the directions in which they may import each other."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "nmfbench"
HALL = {"config", "endings", "errors", "records", "progress", "trust"}
# What each room may import; itself always.
MAY = {
    "numerics": {"errors"},
    "solvers": {"numerics", "config", "errors", "trust"},
    "adapters": {"numerics", "solvers", "fitting", "config", "errors"},
    "contract": {"numerics", "solvers", "fitting", "config", "errors"},
    "papers": set(),
    "datasets": {"numerics", "papers", "fitting", "solvers", *HALL},
    "evaluators": {"numerics", "datasets", "errors"},
    "reports": {"numerics", "datasets", "evaluators", "papers", *HALL},
    "running": {"numerics", "solvers", "adapters", "contract", "datasets", "evaluators", "reports", "fitting", *HALL},
    "fitting": {"numerics", "solvers", "errors"},
    "config": {"errors"},
    "trust": {"config", "errors"},
    "errors": set(),
    "endings": set(),
    "records": {"numerics", "config", "endings", "errors", "evaluators"},
    "progress": {"fitting"},
}


def imports(path: Path) -> Iterator[str]:
    """The parts of nmfbench that a file imports: "numerics.losses", "errors"."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "nmfbench":
            inside = (node.module or "").partition(".")[2]
            yield from ([inside] if inside else [alias.name for alias in node.names if alias.name != "__version__"])


def files(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]


@pytest.mark.parametrize("room", MAY)
def test_room_imports_only_rooms_below_it(room: str) -> None:
    for path in files(room):
        for imported in imports(path):
            assert imported.partition(".")[0] in {room, *MAY[room]}, f"{path.name} imports {imported}"


def test_running_takes_from_reports_the_schema_of_a_table_and_the_figures_alone() -> None:
    imported = {name for path in files("running") for name in imports(path) if name.startswith("reports")}
    assert imported == {"reports.settings", "reports.figures"}


def test_solver_imports_no_other_method() -> None:
    shared = {"solvers.base", "solvers.started", "solvers.picking", "solvers.weak"}
    for path in files("solvers"):
        own = {name for name in imports(path) if name.startswith("solvers")}
        assert own <= shared, f"{path.name} imports {own - shared}"


def test_hall_has_about_a_dozen_files() -> None:
    assert len([path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]) <= 12


@pytest.mark.parametrize(
    "path",
    sorted([*PACKAGE.rglob("*.py"), *Path(__file__).parent.glob("*.py")]),
    ids=lambda path: str(path.relative_to(PACKAGE.parent)),
)
def test_file_is_short_enough_to_read(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    is_method = path.parent.name == "solvers" and path.name != "base.py"
    assert lines <= (150 if is_method else 320)
