"""Make pages of the published tables, figures and protocols, and find the rows of one solver or dataset in them."""

import re
from functools import cache

import pandas as pd
import yaml

from nmfbench import config
from nmfbench.evaluators.base import Evaluator
from nmfbench.evaluators.measures import MEASURES
from nmfbench.evaluators.metric import Metric
from nmfbench.reports.renderers import csv

FOLDERS = ("arena", "tables", "figures", "protocols", "bench")
TITLES = {"lite": "The lite arena", "claims_lite": "Claims about NMF"}
MOST_ROWS, MOST_COUNTS = 8, 4
"""Maximum rows of a table, and cluster counts in a row, on the page of one solver or dataset."""


def pages() -> dict[str, str | bytes]:
    """Return address → content of the pages and of the files that they show; addresses are those of results/."""
    contents: dict[str, str | bytes] = {"results/index.md": _index()}
    for folder in FOLDERS:
        for path in sorted((config.PUBLISHED / folder).iterdir()):
            address = f"results/{folder}/{path.name}"
            if path.suffix == ".md":
                contents[address] = _page(folder, path.stem, path.read_text(encoding="utf-8"))
            elif path.suffix in (".png", ".csv"):
                contents[address] = path.read_bytes()
    return contents


def _page(folder: str, name: str, text: str) -> str:
    """Return the Markdown of a file in results/, adding a title unless it has one."""
    if text.startswith("# "):
        return text
    about = f"{config.describe('experiment', name)}.\n\n" if name in config.options("experiment") else ""
    if folder == "arena":
        about += f"All numbers: [{name}.csv]({name}.csv)."
        about += " Their records: `nmfbench.load_results()`.\n\n" if name == "lite" else "\n\n"
    if folder == "tables":
        about += f"All its metrics: [{name}.csv]({name}.csv). To run it: `nmfbench run experiment={name}`.\n\n"
    return f"# {TITLES.get(name, name)}\n\n{about}{text}"


def _index() -> str:
    lines = [
        "# Results",
        "Released code made these. [Metrics and protocol](../numbers.md) explains the cells.",
        "## The arena",
        "- [Every method on twelve sets](arena/lite.md), chosen without labels; [how it works](../arena.md)\n"
        "- [Claims about NMF](arena/claims_lite.md), each with the smallest effect that matters\n"
        "- [Criteria of the rank](../choosing-a-rank.md) on planted problems",
        "## Tables",
    ]
    names = sorted(path.stem for path in (config.PUBLISHED / "tables").glob("*.md"))
    lines.append("\n".join(f"- [{name}](tables/{name}.md): {config.describe('experiment', name)}" for name in names))
    lines.append("## Protocols and speed")
    lines.append(
        "- [How the leads move over all settings that were tried](protocols/leads.md)\n"
        "- [How the weight of WNNF's penalty was chosen](protocols/wnnf_lambda.md)\n"
        "- [Speed and memory](bench/README.md)"
    )
    lines.append("## Figures")
    for path in sorted((config.PUBLISHED / "figures").glob("*.png")):
        lines.append(f"### {path.stem}\n\n![{path.stem.replace('_', ' ')}](figures/{path.name}){{ loading=lazy }}")
    return "\n\n".join(lines) + "\n"


@cache
def metrics() -> dict[str, Metric]:
    """Return name → metric of all evaluators; the first evaluator that declares a name defines it."""
    evaluators = [config.build(config.defaults("evaluator", e), Evaluator, e) for e in config.options("evaluator")]
    declared = [*MEASURES, *(metric for evaluator in evaluators for metric in evaluator.metrics)]
    return {metric.name: metric for metric in reversed(declared)}


@cache
def tables() -> dict[str, pd.DataFrame]:
    """Return experiment → the long form of its published table."""
    folder = config.PUBLISHED / "tables"
    return {path.stem: csv.read(path)[1] for path in sorted(folder.glob("*.csv"))}


def rows_of(**chosen: str) -> str:
    """Return the rows of a solver or a dataset in all published tables, at each table's own metric, as Markdown."""
    ((column, value),) = chosen.items()
    other = "dataset" if column == "solver" else "solver"
    lines = [f"| table | {other} | settings | rank | metric | mean ± sd |", "| --- | --- | --- | --- | --- | --- |"]
    for name, table in tables().items():
        own = table[table[column] == value]
        if own.empty:
            continue
        metric = next(metric for metric in (*_shown_first(name), *own["metric"]) if metric in {*own["metric"]})
        own = own[own["metric"] == metric]
        groups = [*own.groupby([other, "block", "variant", "rank"], sort=False, dropna=False)]
        for (shown, block, variant, rank), group in groups[:MOST_ROWS]:
            settings = ", ".join(str(part) for part in (block, variant) if pd.notna(part) and part)
            title = metrics()[metric].title if metric in metrics() else metric
            cells = [
                f"[{name}](../results/tables/{name}.md)",
                f"[{shown}](../{other}s/{shown}.md)" if shown in config.options(other) else shown,
                settings and f"`{settings}`".replace("|", "\\|"),
                "–" if pd.isna(rank) else str(rank).removesuffix(".0"),
                title,
                _values(group, metric),
            ]
            lines.append("| " + " | ".join(cells) + " |")
        if len(groups) > MOST_ROWS:
            more = len(groups) - MOST_ROWS
            lines.append(f"| [{name}](../results/tables/{name}.md) | {more} more | | | | |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _shown_first(name: str) -> list[str]:
    """Return the metrics that an experiment's table shows first, in order of preference."""
    text = config.text("experiment", name)
    node = yaml.safe_load(text).get("table") or {}
    chosen = re.search(r"/evaluator: (\w+)", text)
    evaluator = config.build(config.defaults("evaluator", chosen[1] if chosen else "clustering"), Evaluator, name)
    return [*([node["metric"]] if "metric" in node else []), evaluator.metrics[0].name, "nmi", "error"]


def verdicts(name: str) -> str:
    """List a published table's verdicts on a paper's printed numbers, a line for each block."""
    lines, block = [], ""
    for line in (config.PUBLISHED / "tables" / f"{name}.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            block = line.removeprefix("## ").partition(":")[0]
        elif line.startswith(("- Mean absolute difference", "- Printed order")):
            lines.append(f"- **{block}**: {line.removeprefix('- ')}")
    return "\n".join(lines)


def _values(group: pd.DataFrame, metric: str) -> str:
    """Format mean ± standard deviation of one setting, for the top layer if codes were clustered; several with k."""
    if group["n_clusters"].notna().any():
        group = group[group["layer"] == group["layer"].max()]
    decimals = metrics()[metric].decimals if metric in metrics() else None
    spec, of_spread = (".4g", ".2g") if decimals is None else (f".{decimals}f", f".{decimals}f")
    cells = []
    for _, row in group.iterrows():
        places = ["" if pd.isna(row["n_clusters"]) else f"k = {row['n_clusters']:.0f}"]
        places += [f"layer {row['layer']:.0f}"] if pd.isna(row["n_clusters"]) and pd.notna(row["layer"]) else []
        place = next((place for place in places if place), "") if len(group) > 1 else ""
        spread = "" if pd.isna(row["sd"]) else f" ± {row['sd']:{of_spread}}"
        mean = "–" if pd.isna(row["mean"]) else f"{row['mean']:{spec}}"
        cells.append(f"{place and place + ': '}{mean}{spread}".replace(" ", "\N{NO-BREAK SPACE}"))
    return "<br>".join(cells if len(cells) <= MOST_COUNTS else [*cells[: MOST_COUNTS - 1], "…", cells[-1]])
