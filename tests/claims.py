"""Compute the numbers that each line of "Reproduction results" in docs/papers.md must show, by how the line begins."""

from functools import cache
from itertools import takewhile
from pathlib import Path

import pandas as pd

from nmfbench.papers import rules

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
DATASETS = {"orl": "ORL", "mfeat": "multi-feature"}


@cache
def csv(place: str) -> pd.DataFrame:
    words = {"variant": str, "block": str, "dataset": str}
    table = pd.read_csv(RESULTS / f"{place}.csv", comment="#", dtype=words)
    return table.fillna({key: "" for key in words if key in table})


def rows(place: str, **having: object) -> pd.DataFrame:
    """The rows of a CSV in results/ that have these values."""
    table = csv(place)
    table = table[[all(row[key] == value for key, value in having.items()) for row in table.to_dict("records")]]
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
    of_tests = takewhile(lambda cells: len(cells) == len(lines[start]), lines[start + 2 :])  # exhibits may follow
    grid = [dict(zip(lines[start], cells, strict=True)) for cells in of_tests]
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


def topics_of_the_middle(solver: str) -> pd.Series:
    """NMI of the layer of 4 of three layers with the 4 topics, by share of labels."""
    table = rows("tables/neural_table1", metric="topics", solver=solver, layer=2, n_clusters=4)
    return table.loc[table["block"].str.endswith("3 layers"), "mean"]


def deep_loss() -> list[str]:
    """Leads in cosine_W of the layer-centric loss over four noise levels, in layer 1 and then in layer 2."""
    leads: dict[tuple[str, str], list[float]] = {}
    for method in ("deep_kl", "lc_dmf", "lc_dmf, alpha = [1, 1]"):
        for noise in ("0", "0.03", "0.1", "0.3"):
            tests = comparisons("deep_loss", f"planted_deep, {method}, noise = {noise}:")
            for (_, layer), cells in tests.items():
                leads.setdefault((method, layer), []).append(float(cells["difference"]))
    first = [leads[method, "1"] for method in ("deep_kl", "lc_dmf", "lc_dmf, alpha = [1, 1]")]
    second = [lead for (_, layer), of in leads.items() if layer == "2" for lead in of]
    assert min(map(min, first)) > 0
    ends = [f"{max(first[0]):.2f}", f"{max(first[1]):.2f}", *(f"{f(first[2]):.3f}" for f in (min, max))]
    return ["2.2", *ends, *(signed(f(second), "+.3f") for f in (min, max))]


def on_news() -> list[str]:
    """Leads in NPMI of deep_kl over multilayer_kl in the second and third layer, and their p."""
    tests = comparisons("topics_news20", "news20")
    cells = [tests[key] for layer in "23" for key in tests if key[0].startswith("multilayer_kl") and key[1] == layer]
    (p,) = {cell["p"] for cell in cells}
    return ["3", "4", *(f"{float(cell['difference']):.2f}" for cell in cells), p]


def slopes() -> list[str]:
    over = {key: csv("figures/scaling")[f"slope_over_{key}"] for key in ("samples", "features", "rank")}
    return [*span(over["samples"]), *span(over["features"]), f"{over['rank'].max():.1f}"]


def on_clothes() -> list[str]:
    def nmi(dataset: str, solver: str) -> float:
        return rows("tables/cnn_fashion", metric="nmi", dataset=dataset, solver=solver)["mean"].item()

    sets = ("fashion_mnist", "fashion_cnn")
    leads = [nmi(dataset, "wnnf") - nmi(dataset, "mu") for dataset in sets]
    raw = [f"{nmi(dataset, 'raw'):.1f}" for dataset in sets]
    return ["1,000", "5", f"{leads[0]:.1f}", f"{-leads[1]:.1f}", *raw]


def on_mixtures() -> list[str]:
    """NMI at as many clusters as classes of free bases and of mixtures; spectral angles on Samson."""
    table = "tables/mixtures"
    found = [
        rows(table, dataset=dataset, metric="nmi", n_clusters=k, solver=solver)
        for solver in ("mu", "convex", "archetypal", "spa")
        for dataset, k in (("orl_28x23", 40), ("jaffe", 10), ("mfeat", 10), ("digits", 10))
    ]
    angles = {"dataset": "samson", "metric": "spectral_angle", "variant": "scaling=max"}
    found += [rows(table, solver=solver, **angles) for solver in ("snpa", "archetypal", "hals")]
    return ["3", *(f"{row['mean'].item():.1f}" for row in found)]


def on_views() -> list[str]:
    table = rows("tables/multiview", metric="nmi").set_index(["solver", "layer"])
    top = table.loc[[key for key in table.index if key in {("multiview", 2), ("deep_semi", 2), ("gnmf", 1)}]]
    nmi = {
        (solver, variant): mean
        for (solver, _), variant, mean in zip(top.index, top["variant"], top["mean"], strict=True)
    }
    single = max(mean for (_, variant), mean in nmi.items() if "views=" in variant)
    whole = {key: mean for key, mean in nmi.items() if "views=" not in key[1]}
    scaled = "scaling=[by_view unit_norm]"
    (stacked,) = [mean for (solver, _), mean in whole.items() if solver == "deep_semi"]
    values = [
        whole["multiview", scaled],
        stacked,
        single,
        whole["multiview", f"lam=0, {scaled}"],
        whole["gnmf", scaled],
    ]
    return [f"{value:.1f}" for value in values]


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
            *("9", "6", "7", "8"),
        ],
        "| deep KL-NMF, [Table 2]": ["2", *error_ratios(ratios), *error_ratios(printed_ratios)],
        "| Neural NMF": [
            "1",
            *(f"{neural_lead(l, every):.3f}" for l in (2, 3)),
            *(signed(neural_printed(l, every), ".3f") for l in (2, 3)),
            *(x for l in (2, 3) for x in (f"{neural_lead(l, 'no labels'):.3f}", neural_p(l))),
            *(f"{neural_printed(l, 'no labels'):.3f}" for l in (2, 3)),
            *(f"{neural(s, l, 'no labels'):.3f}" for l in (2, 3) for s in ("deep_mu", "neural")),
            *("9", "9", "4", *(f"{f(topics_of_the_middle('neural')):.0f}" for f in (min, max))),
            f"{topics_of_the_middle('hierarchical').mean():.0f}",
        ],
        "| deep KL-NMF, [Sec. 2.2]": deep_loss(),
        "| deep KL-NMF, [topics]": on_news(),
        "| survey, [Urban]": [
            f"{rows('tables/urban_synthetic', metric='spectral_angle', solver='deep_onmf')['n'].item():.0f}",
            "4",
            *(
                f"{mean('tables/urban_synthetic', 'spectral_angle', solver=s):.1f}"
                for s in ("deep_onmf", "deep_kl_minvol")
            ),
        ],
        "| survey, [cost]": slopes(),
        "| archetypes, [mixtures]": on_mixtures(),
        "| WNNF, [CNN features]": on_clothes(),
        "| multi-view deep semi-NMF": on_views(),
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
