"""The pages that docs/generate makes: each solver and dataset has one, with what its class and YAML say."""

import re
import sys
from dataclasses import fields
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
from test_docs_code import blocks, check, commands

from nmfbench import config, datasets, solvers

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs" / "generate"))
import dataset_pages  # noqa: E402
import drawing  # noqa: E402
import reference_pages  # noqa: E402
import result_pages  # noqa: E402
import solver_pages  # noqa: E402

SOLVERS = config.options("solver")


BUILT = dict(solvers.built())
ROWS = {row["solver"].strip("`"): row for row in solvers.table()}


@cache
def solver_page(name: str) -> str:
    return solver_pages.page(name, BUILT[name], ROWS[name], "A caption.")


@pytest.fixture(scope="module")
def dataset_page() -> dict[str, str | bytes]:
    return dataset_pages.pages()


@pytest.mark.parametrize("name", SOLVERS)
def test_page_of_a_solver_has_its_problem_parameters_source_and_yaml(name: str) -> None:
    solver, page = BUILT[name], solver_page(name)
    about = (type(solver).__doc__ or "").strip()
    start = solver_pages.escaped(about.splitlines()[0].rstrip("."))
    assert f"> **{start}**" in page and f"Source: {solver_pages.escaped(about.splitlines()[-1].strip())}" in page
    listed = set(re.findall(r"^\| `(\w+)` \| \S", page, re.MULTILINE))
    assert {field.name for field in fields(solver)} <= listed
    assert config.text("solver", name).rstrip() in page
    assert ("No sweep is guaranteed to descend" in page) == (not solver.monotone and not solver.direct)


def test_page_of_a_solver_has_its_rows_of_the_published_tables() -> None:
    page = solver_page("wnnf")
    table = result_pages.tables()["wnnf_table3a"]
    chosen = (table["dataset"] == "orl") & (table["solver"] == "wnnf") & (table["metric"] == "nmi")
    (row,) = (line for line in page.splitlines() if "wnnf_table3a" in line and "datasets/orl.md" in line)
    for mean in table.loc[chosen, "mean"]:
        assert f"{mean:.1f}" in row


def test_commands_on_the_pages_of_solvers_work(tmp_path: Path) -> None:
    for name in SOLVERS:
        path = tmp_path / f"{name}.md"
        path.write_text(solver_page(name), encoding="utf-8")
        for language, code in blocks(path):
            for line in commands(code) if language == "sh" else []:
                check(line)
            if language == "python":
                compile(code, name, "exec")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SOLVERS if name != "wnnf_deconv"])
def test_python_on_the_page_of_a_solver_runs(name: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(solver_page(name), encoding="utf-8")
    (code,) = (code for language, code in blocks(path) if language == "python")
    exec(compile(code, name, "exec"), {})


def test_picture_of_a_solver_is_small_and_says_what_it_shows() -> None:
    for name, shown in (("hals", "Bases of 200 ORL faces at rank 16, all"), ("wnnf_deconv", "Maps of 200")):
        picture, caption = drawing.bases(name)
        assert picture.startswith(b"\x89PNG") and len(picture) < 40_000 and caption.startswith(shown)
    assert drawing.bases("raw") == (b"", "")


def test_page_of_a_dataset_says_what_it_is_and_how_to_get_it(dataset_page: dict[str, str]) -> None:
    for name in config.options("dataset"):
        page = dataset_page[f"datasets/{name}.md"]
        assert config.describe("dataset", name) in page and config.text("dataset", name).rstrip() in page
        assert len(page.partition("## Source\n")[2].partition("\n## ")[0].split()) > 4, name
    assert "free to use" in dataset_page["datasets/orl.md"]
    assert "on application" in dataset_page["datasets/ar.md"].casefold()


def test_card_of_shipped_data_is_that_of_the_data(dataset_page: dict[str, str]) -> None:
    assert datasets.load_dataset("digits").sha256 in dataset_page["datasets/digits.md"]
    assert "1,797 × 64" in dataset_page["datasets/digits.md"]


def test_reference_has_every_metric_and_every_command() -> None:
    made = reference_pages.pages()
    for name in result_pages.metrics():
        assert f"`{name}`" in made["reference/metrics.md"] or name == "error_ratio", name
    for command in ("## run", "## table", "### data import", "## completion"):
        assert command in made["reference/commands.md"]


def test_numbers_of_choosing_a_method_are_those_of_the_tables() -> None:
    text = " ".join((ROOT / "docs" / "choosing-a-method.md").read_text(encoding="utf-8").split())

    def row(table: str, dataset: str, solver: str, metric: str, k: int | None = None, variant: str = "") -> pd.Series:
        rows = result_pages.tables()[table]
        same_k = rows["n_clusters"].isna() if k is None else rows["n_clusters"] == k
        chosen = same_k & (rows["dataset"] == dataset) & (rows["solver"] == solver) & (rows["metric"] == metric)
        (place,) = rows.index[chosen & (rows["variant"].fillna("") == variant)]
        return rows.loc[place]

    errors = {
        s: row("convergence", "orl_28x23", s, "error", None, "stopping=converged") for s in ("hals", "mu", "semi")
    }
    nmi = {s: row("convergence", "orl_28x23", s, "nmi", 40, "stopping=converged")["mean"] for s in ("hals", "semi")}
    assert f"in {errors['hals']['seconds']:.1f} s where `mu` takes {errors['mu']['seconds']:.1f} s" in text
    assert f"(error {errors['semi']['mean']:.3f} and {errors['hals']['mean']:.3f})" in text
    assert f"worse by {nmi['hals'] - nmi['semi']:.0f} points of NMI at 40 clusters" in text
    starts = [row("starts", "digits", "hals", "error", None, variant)["mean"] for variant in ("", "init=nndsvda")]
    plain, filled = (row("starts", "digits", "hals", "nmi", 10, variant)["mean"] for variant in ("", "init=nndsvda"))
    assert f"({starts[0]:.3f} and {starts[1]:.3f}), {plain - filled:.0f} points of NMI apart" in text
