"""The numbers in the README's "What holds up" are those of results/ and of the papers.

Scores and leads come from the CSVs, p from the grids of tests in the tables' Markdown (the CSVs hold none), printed
numbers from nmfbench/papers. A line's numbers are compared in their order; those of names (Table 2, k = 20) stand so.
"""

import re
from functools import cache
from pathlib import Path

import pandas as pd
import pytest

from nmfbench.papers import rules

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
SECTION = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What holds up\n")[2].partition("\n## ")[0]
NUMBER = re.compile(r"(?<![\w.])[+−]?\d+(?:[.,]\d+)*")
DATASETS = {"orl": "ORL", "mfeat": "multi-feature"}


@cache
def csv(place: str) -> pd.DataFrame:
    words = {"variant": str, "block": str, "dataset": str}
    table = pd.read_csv(RESULTS / f"{place}.csv", comment="#", dtype=words)
    return table.fillna({key: "" for key in words if key in table})


def rows(place: str, **having: object) -> pd.DataFrame:
    """The rows of a CSV in results/ that have these values."""
    table = csv(place)
    for key, value in having.items():
        table = table[table[key] == value]
    assert len(table), f"{place} has no row with {having}"
    return table


def mean(place: str, metric: str, **having: object) -> float:
    """The mean over the cluster counts."""
    return float(rows(place, metric=metric, **having)["mean"].mean())


def by_k(place: str, solver: str, variant: str = "", dataset: str = "orl") -> pd.Series:
    """NMI by cluster count."""
    return rows(place, metric="nmi", solver=solver, dataset=dataset, variant=variant).set_index("n_clusters")["mean"]


def printed(table: str, index: str, column: str, **having: str) -> pd.Series:
    """A column of a paper's table by another one, for the rows that have these values."""
    found = {int(r[index]): float(r[column]) for r in rules.rows(table) if having.items() <= r.items()}
    assert found, f"{table} has no row with {having}"
    return pd.Series(found)


def printed_nmi(table: str, **having: str) -> pd.Series:
    return printed(table, "n_clusters", "nmi_percent", **having)


def span(values: pd.Series) -> list[str]:
    return [f"{values.min():.1f}", f"{values.max():.1f}"]


def signed(value: float, spec: str = "+.1f") -> str:
    return f"{value:{spec}}".replace("-", "−")


def comparisons(table: str, heading: str) -> dict[tuple[str, ...], dict[str, str]]:
    """(method, layer), and the part if the table has them → the cells of the tests below a heading of its Markdown."""
    block = (RESULTS / "tables" / f"{table}.md").read_text().partition(f"## {heading}")[2].partition("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines() if line[:1] == "|"]
    start = next(i for i, cells in enumerate(lines) if "against" in cells[:2])
    grid = [dict(zip(lines[start], cells, strict=True)) for cells in lines[start + 2 :]]
    parts = [(cells["part"],) if "part" in cells else () for cells in grid]
    return {
        (cells["against"].replace("<br>", " "), cells.get("layer", ""), *part): cells
        for cells, part in zip(grid, parts, strict=True)
    }


def lead(table: str, heading: str, method: str, layer: str = "", flip: bool = False) -> list[str]:
    """Difference and p of the first method against another, as that grid shows them; ``flip``: the other's lead."""
    cells = comparisons(table, heading)[method, layer]
    return [cells["difference"].lstrip("+").replace("-", "" if flip else "−"), cells["p"]]


def table_3a(dataset: str) -> tuple[float, float, float, float]:
    """Ours and the printed lead of WNNF over NMF; what WNNF and NMF score above print; all the mean over k."""
    wnnf, nmf = (
        (
            mean("tables/wnnf_table3a", "nmi", dataset=dataset, solver=solver),
            printed_nmi("wnnf_table3a", dataset=dataset, method=method).mean(),
        )
        for solver, method in (("wnnf", "wnnf"), ("mu", "nmf"))
    )
    return wnnf[0] - nmf[0], wnnf[1] - nmf[1], wnnf[0] - wnnf[1], nmf[0] - nmf[1]


def settings(dataset: str, **having: object) -> pd.Series:
    return rows("protocols/leads", a="wnnf", b="mu", dataset=dataset, **having)["lead"]


def unlabelled(dataset: str, rule: str) -> float:
    scores = rows("protocols/unlabelled", dataset=dataset, rule=rule).set_index("solver")["nmi"]
    return scores["wnnf"] - scores["mu"]


def accuracy(dataset: str, solver: str) -> str:
    return f"{mean('tables/dnsnmf_tables', 'accuracy', dataset=dataset, solver=solver, block=''):.1f}"


def gnmf_on_orl(scaled: bool) -> str:
    table = rows("protocols/dnsnmf", dataset="orl32", solver="gnmf", metric="accuracy")
    return f"{table.loc[table['variant'].str.contains('unit_norm') == scaled, 'mean'].mean():.1f}"


def neural(solver: str, layers: int, labels: str) -> float:
    return mean("tables/neural_table1", "error", solver=solver, block=f"{labels}, {layers} layers")


def neural_lead(layers: int, labels: str) -> float:
    return neural("hierarchical", layers, labels) - neural("neural", layers, labels)


def neural_printed(layers: int, labels: str) -> float:
    setting = {"no labels": "unsupervised", "100% of the labels": "supervised"}[labels]
    errors = [
        printed("neural_nmf_table1", "layers", "reconstruction_error", setting=setting, method=method)[layers]
        for method in ("hierarchical_nmf", "neural_nmf")
    ]
    return errors[0] - errors[1]


def neural_p(layers: int) -> str:
    return comparisons("neural_table1", "hierarchy")["hierarchical", "", f"no labels, {layers} layers"]["p"]


def error_ratios(ratios: pd.Series) -> list[str]:
    """The ratios of layers 1 to 3 in percent."""
    return [f"{ratios[1]:.0f}", f"{ratios[2]:.0f}", f"{ratios[3]:.1f}"]


def angle(solver: str) -> str:
    return f"{mean('tables/hyperspectral', 'spectral_angle', dataset='samson', solver=solver):.1f}"


def table_4() -> list[str]:
    paper = "lam=0.1, reading=penalty"
    plain, summed = (by_k("tables/wnnf_table4", solver, variant=paper) for solver in ("wnnf", "wnnf_deconv"))
    other, *raw = (
        by_k("tables/wnnf_table4", "wnnf_deconv", variant=f"{setting}, {paper}")
        for setting in ("stride=2", "latent=raw", "stride=2, latent=raw")
    )
    behind = printed_nmi("wnnf_table3a", dataset="orl", method="wnnf") - printed_nmi("wnnf_table4", scale="4")
    assert (summed > plain).all() and behind[20] < 0 and (behind[1:] > 0).all()
    gains = pd.concat([summed - raw[0], other - raw[1]])
    p = comparisons("wnnf_table4", "orl")[f"wnnf {paper}", ""]["p"]
    return ["4", *span(gains), *span(summed - plain), p, "30", "50", *span(behind[1:])]


def claims() -> dict[str, list[str]]:
    """The beginning of a line → all its numbers in their order."""
    (o_lead, o_printed, o_wnnf, o_nmf), (m_lead, m_printed, m_wnnf, m_nmf) = map(table_3a, DATASETS)
    pca = by_k("tables/wnnf_table3a", "wnnf").dropna() - by_k("tables/wnnf_table3a", "pca").dropna()
    theirs = {eta: printed_nmi("wnnf_table2", eta=eta, loss="l1", **{"lambda": "0.1"}) for eta in ("0.1", "1->0")}
    curriculum = theirs["0.1"] - theirs["1->0"]
    ratios = rows("tables/deep_kl_table2", solver="deep_kl", metric="error_ratio").set_index("layer")["mean"]
    printed_ratios = printed("deep_kl_table2", "layer", "error_deep_over_multilayer_percent")
    penalty, zero, level = (
        lead("wnnf_table2", "orl", f"wnnf {v}") for v in ("lam=0", "eta=0", "eta=0, curriculum=1000")
    )
    free = lead("wnnf_table2", "orl", "wnnf eta=1", flip=True)
    unit = csv("protocols/leads").query("a == 'wnnf_deep' and scaling.str.contains('unit_norm')")["lead"]
    raw, by_pca = (lead("wnnf_table3b", "orl", name, "1", flip=True) for name in ("raw", "pca"))
    every = "100% of the labels"
    return {
        "codes. Cells show": [f"{rows('tables/wnnf_table3a', metric='nmi')['n'].unique().item():.0f}"],
        "On both sets": ["1,000"],
        "- WNNF leads NMF": [f"{x:.1f}" for x in (o_lead, o_printed, m_lead, m_printed)],
        "- Of the": [
            f"{x:.1f}"
            for x in (o_printed - o_lead, -o_wnnf, o_nmf, m_printed - m_lead, -m_wnnf, m_nmf)
        ],
        "- K-means": [word for ks in ((20, 30), (40, 50)) for word in (*(f"{pca[k]:.1f}" for k in ks), *map(str, ks))],
        "- The paper prints neither": ["100", "101"],
        "- Over [all": [
            *(signed(f(settings(d))) for d in DATASETS for f in (min, max)),
            "100",
            *(signed(f(settings("mfeat", rank=100))) for f in (min, max)),
        ],
        "- With settings": [
            signed(unlabelled(d, rule)) for rule in ("lowest error", "highest stability") for d in DATASETS
        ],
        "| WNNF, [Table 2]": [
            *("2", "0.1", *penalty, "0.1", "0", *zero, "1", "0.1"),
            *(f"+{free[0]}", free[1], f"+{level[0]}", level[1], *span(curriculum)),
        ],
        "| WNNF, [Table 3b]": [
            *lead("wnnf_table3b", "mfeat", "deep_mu", "2"),
            *lead("wnnf_table3b", "orl", "deep_mu", "2"),
            raw[0],
            by_pca[0],
            raw[1],
            *(f"{-x:.0f}" for x in (unit.max(), unit.min())),
        ],
        "| WNNF, [Table 4]": table_4(),
        "| dnsNMF": [
            *(accuracy(d, s) for d in ("jaffe", "orl32", "yale") for s in ("dnsnmf", "mu")),
            accuracy("jaffe", "gnmf"),
            accuracy("jaffe", "raw"),
            gnmf_on_orl(scaled=True),
            gnmf_on_orl(scaled=False),
            "9",
        ],
        "| deep KL-NMF, [Table 2]": ["2", *error_ratios(ratios), *error_ratios(printed_ratios)],
        "| Neural NMF": [
            "1",
            *(f"{neural_lead(l, every):.3f}" for l in (2, 3)),
            *(signed(neural_printed(l, every), ".3f") for l in (2, 3)),
            *(x for l in (2, 3) for x in (f"{neural_lead(l, 'no labels'):.3f}", neural_p(l))),
            *(f"{neural_printed(l, 'no labels'):.3f}" for l in (2, 3)),
            *(f"{neural(s, l, 'no labels'):.3f}" for l in (2, 3) for s in ("deep_mu", "neural")),
        ],
        "| deep KL-NMF, [unmixing]": [
            f"{rows('tables/hyperspectral', metric='spectral_angle', solver='deep_kl_minvol')['n'].item():.0f}",
            angle("deep_kl_minvol"),
            *(
                x
                for s, variant in (("multilayer_kl", "ranks=[4 2]"), ("lc_dmf", "ranks=[4 2], alpha=[0.15 0.15]"))
                for x in (angle(s), comparisons("hyperspectral", "samson")[f"{s} {variant}", ""]["p"])
            ),
        ],
    }  # fmt: skip


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


def test_every_claim_is_in_the_readme() -> None:
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
    shown = SECTION.partition("```\n")[2].partition("```")[0].partition(title)[2].partition("\n\n")[0].splitlines()
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
