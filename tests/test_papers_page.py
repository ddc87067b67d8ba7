"""The numbers in "Reproduction results" of docs/papers.md are those of results/ and of the papers.

Scores and leads come from the CSVs, p from the grids of tests in the tables' Markdown (the CSVs hold none), printed
numbers from nmfbench/papers. A line's numbers are compared in their order; those of names (Table 2, k = 20) stand so.
"""

import re
from functools import cache

import pandas as pd
import pytest
from claims import DATASETS, RESULTS, ROOT, claims, gnmf_on_orl, printed_nmi, rows, settings

SECTION = (
    (ROOT / "docs" / "papers.md")
    .read_text(encoding="utf-8")
    .partition("## Reproduction results\n")[2]
    .partition("\n## ")[0]
)
NUMBER = re.compile(r"(?<![\w.])[+−]?\d+(?:[.,]\d+)*")


def numbers(line: str) -> list[str]:
    """The numbers of a line, without those in addresses and in the names 3a, 3b and dnsNMF's Roman ones."""
    return NUMBER.findall(re.sub(r"\]\([^)]*\)|\bTable 3[ab]\b", "]", line))


@cache
def lines() -> list[str]:
    """The lines of the section outside its blocks that hold a number."""
    prose = re.sub(r"```.*?```", "", SECTION, flags=re.DOTALL)
    return [line for line in prose.splitlines() if numbers(line)]


@pytest.mark.parametrize("line", lines(), ids=lambda line: line[:24])
def test_every_number_of_a_claim_is_that_of_the_results_and_the_papers(line: str) -> None:
    (expected,) = [found for start, found in claims().items() if line.startswith(start)]
    assert numbers(line) == expected


def test_every_claim_is_on_the_page() -> None:
    assert [start for start in claims() if not any(line.startswith(start) for line in lines())] == []


def block(dataset: str) -> list[list[str]]:
    """The block of Table 3a as the CSV has it, cells of a row in one list."""
    table = rows("tables/wnnf_table3a", dataset=dataset)
    counts = sorted(table["n_clusters"].dropna().unique().astype(int))
    made = [["solver", "rank", *(f"k = {k}" for k in counts), "error"]]
    for solver in table["solver"].unique():
        of = table[table["solver"] == solver]
        nmi = of[of["metric"] == "nmi"].set_index("n_clusters")
        best = nmi["best"].map(lambda value: "" if pd.isna(value) else f" [{value:.1f}]")
        cells = [f"{nmi['mean'][k]:.1f} ± {nmi['sd'][k]:.1f}{best[k]}" for k in counts]
        rank = of["rank"].iloc[0]
        error = f"{of.loc[of['metric'] == 'error', 'mean'].item():.4f}"
        made.append([solver, "–" if pd.isna(rank) else f"{rank:.0f}", *cells, error])
        if method := {"wnnf": "wnnf", "mu": "nmf", "unfolded": "unfolded"}.get(solver):
            theirs = printed_nmi("wnnf_table3a", dataset=dataset, method=method)
            made.append([f"({theirs[k]:.1f}, {nmi['mean'][k] - theirs[k]:+.1f})" for k in counts])
    return made


@pytest.mark.parametrize(("dataset", "title"), DATASETS.items())
def test_block_of_table_3a_is_that_of_the_results(dataset: str, title: str) -> None:
    shown = SECTION.partition("```text\n")[2].partition("```")[0].partition(title)[2].partition("\n\n")[0].splitlines()
    markdown = (RESULTS / "tables" / "wnnf_table3a.md").read_text()
    samples, classes = re.search(rf"## {dataset}: (\d+) samples × \d+ features, (\d+) classes", markdown).groups()
    assert numbers(shown[0]) == [f"{int(samples):,}", *([classes] if dataset == "orl" else [])]
    assert [re.split(r" {2,}", line.strip()) for line in shown[1:]] == block(dataset)


def test_leads_over_all_settings_are_those_of_the_explorations() -> None:
    import importlib.util

    spec = importlib.util.spec_from_file_location("leads", RESULTS / "protocols" / "leads.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("leads", "unlabelled"):
        text = getattr(module, name)().to_csv(index=False, float_format="%.8g", lineterminator="\n")
        assert text == (RESULTS / "protocols" / f"{name}.csv").read_text(), "python results/protocols/leads.py"
    assert module.markdown() == (RESULTS / "protocols" / "leads.md").read_text()


def test_notes_of_the_experiments_give_the_same_numbers() -> None:
    def note(name: str) -> str:
        return " ".join((ROOT / "configs" / "experiment" / f"{name}.yaml").read_text(encoding="utf-8").split())

    orl, mfeat = (f"by {min(x):+.1f} to {max(x):+.1f}" for x in map(settings, DATASETS))
    assert f"{orl} points on ORL and {mfeat} on multi-feature" in note("wnnf_table3a")
    scaled, divided = gnmf_on_orl(scaled=True), gnmf_on_orl(scaled=False)
    assert f"graph NMF scores {divided} with it and {scaled} with unit length" in note("dnsnmf_tables")
