"""The wheel: its files, and that they suffice without a checkout."""

import csv
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packed import RECORDS

from nmfbench.records import packs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
FACES = [f"orl/att_faces/s{subject}/{image}.pgm" for subject in range(1, 41) for image in range(1, 11)]
VIEWS = [f"mfeat/mfeat-{view}.csv" for view in ("fac", "fou", "kar", "mor", "pix", "zer")]
SHIPPED = [*FACES, *VIEWS, "ratings/ratings.csv", "README.md", "SHA256SUMS"]
PACK = "results/arena/tiny.nmfbench.zip"
# A user's data, in the places where it is wont to lie and in others, and what an editor or a desktop leaves behind.
STRAYS = [
    "datasets/ar/secret.bmp",
    "datasets/ar/AR_55_40.mat",
    "datasets/cnn.parquet",
    "datasets/orl/ORL_32x32.mat",
    "datasets/orl/att_faces/secret.pgm",
    "datasets/orl/att_faces/s1/1.png",
    "datasets/orl/att_faces/s1/Thumbs.db",
    "datasets/mfeat/mfeat-own.csv",
    "datasets/mfeat/handwritten.mat",
    "datasets/secret.md",
    "configs/solver/.mu.yaml.swp",
    "configs/secret.bmp",
    "nmfbench/data/ar/secret.bmp",
    "nmfbench/configs/old.yaml",
    "nmfbench/__pycache__/stale.pyc",
    "results/runs/secret.json",
    "results/arena/secret.csv",
    "nmfbench/results/arena/old.nmfbench.zip",
    "secret.bmp",
]


def tree(folder: str, pattern: str = "*") -> set[str]:
    """The files below a folder of the checkout, relative to the checkout, without compiled ones."""
    files = (path for path in (ROOT / folder).rglob(pattern) if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in files}


def not_copied(folder: str, names: list[str]) -> set[str]:
    """Left out of a copy of the tree, because the data of a developer's checkout may be many gigabytes."""
    if Path(folder) == ROOT:
        return {name for name in names if name.startswith(".") or name in ("build", "datasets", "dist", "results")}
    return {"__pycache__"}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree, of its data only what is shipped, with strays planted, under a path with a space."""
    copy = tmp_path_factory.mktemp("a copy") / "nmfbench"
    shutil.copytree(ROOT, copy, ignore=not_copied)
    for name in SHIPPED:
        (copy / "datasets" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "datasets" / name, copy / "datasets" / name)
    (copy / PACK).parent.mkdir(parents=True, exist_ok=True)
    packs.write(copy / PACK, RECORDS)
    for stray in STRAYS:
        (copy / stray).parent.mkdir(parents=True, exist_ok=True)
        (copy / stray).write_bytes(b"not to be passed on")
    return copy


def build(kind: str, copy: Path) -> Path:
    command = [sys.executable, "-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(copy.parent / kind)]
    done = subprocess.run([*command, str(copy)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = (copy.parent / kind).iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(copy: Path) -> Path:
    return build("wheel", copy)


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel alone is installed into; what it depends on comes from the tests' environment."""
    site = tmp_path_factory.mktemp("site packages")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, "--target", str(site), str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return site


def run(site: Path, folder: Path, *arguments: str) -> str:
    """The output of a Python command in a folder that is not the checkout, with the installed wheel on the path.

    PYTHONPATH stands before the checkout that an editable install adds, and -P keeps the folder itself out.
    """
    environment = {name: value for name, value in os.environ.items() if name != "NMFBENCH_DATA"}
    environment["PYTHONPATH"] = str(site)
    done = subprocess.run(
        [sys.executable, "-P", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_wheel_holds_the_package_the_configs_and_the_shipped_data_alone(wheel: Path) -> None:
    expected = tree("nmfbench") - tree("nmfbench/data") - tree("nmfbench/configs")
    expected |= {f"nmfbench/{name}" for name in tree("configs", "*.yaml")}
    expected |= {f"nmfbench/data/{name}" for name in SHIPPED} | {f"nmfbench/{PACK}"}
    with zipfile.ZipFile(wheel) as archive:
        files = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert "nmfbench/py.typed" in files
        assert not [name for name in archive.namelist() if archive.read(name) == b"not to be passed on"]
    assert files == expected


def test_sdist_holds_no_stray_and_all_that_a_build_needs(copy: Path) -> None:
    with tarfile.open(build("sdist", copy)) as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        contents = {member.name.partition("/")[2]: archive.extractfile(member) for member in members}
        strays = [name for name, file in contents.items() if file and file.read() == b"not to be passed on"]
    assert not strays
    needed = {"pyproject.toml", "LICENSE", "README.md", "Makefile", "constraints.txt", "tests/test_package.py"}
    needed |= {PACK} | {f"datasets/{name}" for name in SHIPPED} | tree("configs", "*.yaml")
    needed |= tree("nmfbench") - tree("nmfbench/data") - tree("nmfbench/configs")
    assert needed <= set(contents)


def test_installed_package_is_found_without_the_checkout(site: Path, tmp_path: Path) -> None:
    found = run(site, tmp_path, "-c", "import nmfbench; print(nmfbench.__file__)").strip()
    assert Path(found).is_relative_to(site)


def test_installed_package_reads_the_published_results(site: Path, tmp_path: Path) -> None:
    code = "import nmfbench; print(sorted(set(nmfbench.load_results(dataset='digits')['solver'])))"
    assert run(site, tmp_path, "-c", code).strip() == "['hals', 'mu']"


def test_installed_command_lists_the_solvers_of_the_checkout(site: Path, tmp_path: Path) -> None:
    listed = run(site, tmp_path, "-m", "nmfbench", "list", "solvers", "--plain").split("\n")
    names = {line.split()[0] for line in listed if line.strip()}
    assert names >= {path.stem for path in (ROOT / "configs" / "solver").glob("*.yaml")}


def test_installed_command_runs_on_the_shipped_faces_and_makes_a_table(site: Path, tmp_path: Path) -> None:
    results = tmp_path / "my results"
    short = ["solver=mu", "dataset=orl", "rank=5", "seeds=1", "stopping.max_iter=3", "threads=1"]
    script = str(site / "bin" / "nmfbench")
    run(site, tmp_path, script, "run", *short, f"results_dir='{results}'")
    table = run(site, tmp_path, script, "table", "--format", "csv", "--results", str(results))
    rows = list(csv.DictReader(io.StringIO(table)))
    assert {(row["dataset"], row["solver"]) for row in rows} >= {("orl", "mu")}
    assert any(row["metric"] == "nmi" and 0 < float(row["mean"]) <= 100 for row in rows)


PAGE = (ROOT / "docs" / "own-method.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)


def user_files(folder: Path) -> Path:
    """A user's folder with the files that the page about one's own method shows, and nothing else."""
    for _, code in BLOCK.findall(PAGE):
        if named := re.match(r"# ([\w./]+\.(py|yaml))\n", code):
            (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / named[1]).write_text(code)
    return folder


def section(heading: str) -> list[tuple[str, str]]:
    """(language, code) of the blocks below a heading of that page."""
    return BLOCK.findall(PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0])


def command(site: Path, folder: Path, line: str) -> str:
    """The output of a line of the shell that starts with nmfbench."""
    program, *words = shlex.split(line)
    assert program == "nmfbench"
    return run(site, folder, str(site / "bin" / "nmfbench"), *words)


@pytest.mark.parametrize(
    ("heading", "methods"),
    [
        ("A numpy function", {"my_nmf", "my_steps", "mu"}),
        ("A scikit-learn estimator", {"minibatch", "Extremes", "mu"}),
        ("A torch module", {"Sparse"}),
        ("A solver like nmfbench's own", {"my_nmf", "mu"}),
    ],
)
def test_users_own_method_runs_on_the_installed_wheel(
    heading: str, methods: set[str], site: Path, tmp_path: Path
) -> None:
    folder = user_files(tmp_path)
    for language, code in section(heading):
        if language == "sh":
            for line in code.splitlines():
                command(site, folder, line)
        elif language == "python" and "import fit" in code:
            objective = float(run(site, folder, "-c", code).split()[0])
            assert 0 < objective < 100
    rows = list(csv.DictReader(io.StringIO(command(site, folder, "nmfbench table --format csv"))))
    scores = [(row["solver"], float(row["mean"])) for row in rows if row["metric"] == "nmi"]
    assert {solver for solver, _ in scores} == methods and all(0 < nmi <= 100 for _, nmi in scores)


def test_check_runs_on_the_installed_wheel_without_pytest(site: Path, tmp_path: Path) -> None:
    folder = user_files(tmp_path)
    (folder / "pytest.py").write_text("raise ImportError('there is no pytest here')\n")
    ((_, lines), _) = section("Is it right?")
    for line in [*lines.splitlines(), "nmfbench check solver=my_estimator.py:Extremes"]:
        assert " keeps its promises: " in command(site, folder, line)
    assert "keeps its promises" in command(site, folder, "nmfbench check solver=my_module.py:Sparse")


def test_new_solver_and_the_commands_that_it_prints_run_on_the_installed_wheel(site: Path, tmp_path: Path) -> None:
    printed = command(site, tmp_path, "nmfbench new solver their_nmf")
    lines = [line.partition(":")[2].strip() for line in printed.splitlines() if ": " in line and "nmfbench " in line]
    assert [line.split()[1] for line in lines] == ["run", "check"]
    for line in lines:
        shown = command(site, tmp_path, line)
        assert "their_nmf" in shown
