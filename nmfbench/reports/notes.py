"""The sentences under a table: how its numbers were made, and how to read them."""

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import pandas as pd

from nmfbench.config import build
from nmfbench.evaluators.metric import Metric
from nmfbench.numerics.convergence import SPAN, STEP, TOLERANCE
from nmfbench.papers import Inferred
from nmfbench.progress import plural
from nmfbench.records import Record
from nmfbench.reports.declared import metric_of
from nmfbench.reports.words import labels_seen, ranges
from nmfbench.trust import check_class

Declared = Mapping[str, Metric]
KEPT = {
    "inertia": "lowest inertia",
    "mean": "mean over starts",
    "best": "the start with the highest accuracy, chosen by the labels: no label-free score",
}
"""The value that is kept of several k-means starts, by `select`."""


def shown_metrics(record: Record) -> list[str]:
    """The metrics that a table shows of this record. The first is the one that is tested."""
    measured = {row["metric"] for row in record["metrics"]}
    if record.get("declared"):
        shown = [declaration["name"] for declaration in record["declared"] if declaration.get("shown", True)]
    else:  # a record of schema 1
        from nmfbench.evaluators.base import Evaluator

        node = dict(record["config"]["evaluator"])
        check_class(node, "evaluator", node.pop("name", ""))
        shown = [metric.name for metric in build(node, Evaluator, "evaluator").metrics if metric.shown]
    return [name for name in shown if name in measured]


def on_comparison(
    part: pd.DataFrame,
    first: str,
    metric: Metric,
    compared: pd.DataFrame,
    untested: bool,
    drawn: bool,
    declared: Declared,
    label: Mapping[tuple[Any, Any], str],
) -> list[str]:
    """Sentences on how to read the tests of a block, and on its distance from the printed numbers.

    ``compared``: the tests of all blocks. ``untested``: whether this block has differences alone, see `frames.compare`.
    ``drawn``: whether each seed has data of its own.
    ``label``: (solver, variant) → the name of a method.
    """
    # If one method wins all n pairs, the two-sided p is 2 · 2⁻ⁿ. No n pairs can give a smaller one.
    tested = compared[compared["p"].notna()]
    smallest = 0 if untested else len(tested) * 2.0 ** (1 - tested["n"].max())
    of_metric = part[part["metric"] == metric.name]
    counts = of_metric["n_clusters"].nunique()
    depths = of_metric.groupby(["solver", "variant"], sort=False)["layer"].max().fillna(1)
    direction = " (smaller is better)" if metric.better == "lower" else ""
    test = (
        "and the number of seeds on which it is larger. Each seed draws its own classes of the data, so draws share "
        "samples and are no independent pairs: no interval and no p."
        if untested
        else "its own 95 % interval from 6 seeds on, p of Wilcoxon's signed-rank test corrected by Holm for the "
        f"{len(tested)} tests of all blocks. p is about other "
        + ("draws of such data." if drawn else "starts and k-means on this data, not about other data.")
    )
    return [
        f"Against: how much larger the {metric.name} of {first} is{', the mean over all k' if counts > 1 else ''}, "
        f"seed by seed{direction}: Hodges–Lehmann shift, {test}"
        + (" Methods of one layer are compared with its top layer." if depths.min() < depths.iloc[0] else "")
        + (f" So few seeds and so many tests allow no p below {min(smallest, 1):.2g}." if smallest > 0.05 else ""),
        *_on_printed(part, declared, label),
    ]


def _on_printed(part: pd.DataFrame, declared: Declared, label: Mapping[tuple[Any, Any], str]) -> list[str]:
    # An inferred row was placed by its distance, so its distance shows nothing.
    printed = part[part["paper"].notna() & ~_inferred(part)]
    distances = []
    for (solver, variant, name), method in printed.groupby(["solver", "variant", "metric"], sort=False):
        which = "" if printed["metric"].nunique() == 1 else f" ({name})"
        spec = printed_spec(metric_of(str(name), declared))
        distances.append(f"{label[solver, variant]}{which} {method['difference'].abs().mean():{spec}}")
    return [f"Mean absolute difference to the printed numbers: {', '.join(distances)}."] if distances else []


def _inferred(part: pd.DataFrame) -> pd.Series:
    """Whether the row of each printed number is inferred."""
    return (
        part["printed"].map(lambda p: isinstance(p, list) and any(isinstance(v, Inferred) for _, v in p)).astype(bool)
    )


def printed_spec(metric: Metric) -> str:
    """The format of a printed number."""
    return ".1f" if metric.unit == "%" else ".3f"


def on_block(
    part: pd.DataFrame,
    records: Sequence[Record],
    metric: Metric,
    metrics: Sequence[str],
    declared: Declared,
    by_class_count: bool,
    together: bool = False,
) -> list[str]:
    """The sentences that explain the numbers of a block; ``part`` has the rows that are shown.

    ``together``: whether the block has a row for each of its parts, with a column a method, and only the metrics.
    """
    clustered = bool(part.loc[part["metric"] == metric.name, "n_clusters"].notna().any())
    return [
        *_on_cells(part, metric, metrics, declared, clustered, by_class_count, together),
        *_on_one_class(records, clustered),
        *_on_labels(records, clustered),
        *_on_trouble(records),
        *(f"{note}." for note in dict.fromkeys(record.get("footnote") for record in records) if note),
        *_on_protocol(records),
        *provenance(records),
    ]


def _on_cells(
    part: pd.DataFrame,
    metric: Metric,
    metrics: Sequence[str],
    declared: Declared,
    clustered: bool,
    by_class_count: bool,
    together: bool,
) -> list[str]:
    unit = " in percent" if metric.unit == "%" else ""
    of_clusters = " of k-means with k clusters on the codes" if clustered else ""
    in_brackets = "in brackets: the seed with the lowest objective"
    if by_class_count:
        cells = f"{' or '.join(part['metric'].unique())}{unit}{of_clusters}, mean ± standard deviation over seeds"
    elif clustered:
        name = metric.title if metric.name in metric.title.casefold() else f"{metric.title} ({metric.name})"
        cells = f"{name}{unit}{of_clusters}, mean ± standard deviation over seeds; {in_brackets}"
    else:
        titles = [f"{name} ({title})" for name in metrics if (title := metric_of(name, declared).title) != name]
        percent = [name for name in metrics if metric_of(name, declared).unit == "%"]
        cells = f"mean ± standard deviation over seeds; {in_brackets}"
        cells += f"; {', '.join(percent)} in percent" if percent else ""
        cells += f". {'; '.join(titles)}" if titles else ""
    sentences = [f"Cells: {cells}."]
    papers = dict.fromkeys(paper for printed in part["printed"].dropna() for paper, _ in printed)
    if papers:
        sentences.append(
            f"In parentheses: the number that the {' or the '.join(papers)} paper prints, and ours minus it."
            + (" inferred: we inferred in which row of the paper's table it stands." if _inferred(part).any() else "")
        )
    if not (by_class_count or together):
        sentences += [
            "Error: ‖X − reconstruction‖/‖X‖. Stability: cosine between the bases (the first factor) of a seed and "
            "those of seed 0, each column matched with one of the other, mean over columns and seeds. Seconds: time of "
            "the fit, per seed. Fall: relative fall of the objective over the last 100 iterations, or "
            "the second half of a shorter fit.",
            f"Ended: converged, if the objective did not rise and fell by at most {TOLERANCE:g} of itself in the last "
            f"{STEP} iterations ({TOLERANCE * SPAN / STEP:g} in {SPAN} where it also rose), whatever ended the fit; "
            "else what ended it: max_iter, max_seconds, stopped (the method's own rule), solved (in one step).",
        ]
    return sentences


def _on_one_class(records: Sequence[Record], clustered: bool) -> list[str]:
    one = clustered and all(record["data"]["classes"] == 1 for record in records)
    return ["All samples are of one class, so no clustering of them has a score."] if one else []


def _on_labels(records: Sequence[Record], clustered: bool) -> list[str]:
    if not any(record["config"].get("label_fraction") for record in records):
        return []
    others = " and is scored on the other samples" if clustered else ""
    least = ", and at least one label a class" if any(map(labels_seen, records)) else ""
    return [
        f"label_fraction: this method saw that share of each class's labels{least}{others}; at 1 it saw them all, and "
        "its scores are training scores."
    ]


def _on_trouble(records: Sequence[Record]) -> list[str]:
    risen = [f"{record['solver']} (seed {record['seed']})" for record in records if record.get("rises")]
    foreign = {r["solver"]: r["config"]["solver"]["source"] for r in records if r["config"]["solver"].get("source")}
    return [
        *([f"The objective rose, though the method is monotone: {', '.join(dict.fromkeys(risen))}."] if risen else []),
        *(f"{solver}: code from outside nmfbench, source {source[:6]}." for solver, source in foreign.items()),
    ]


def _on_protocol(records: Sequence[Record]) -> list[str]:
    evaluators = [record["config"]["evaluator"] for record in records]
    protocol: dict[str, list[str]] = {
        "K-means": [
            f"{plural(e['n_init'], 'start')}, {KEPT[e.get('select', 'inertia')]}"
            for e, record in zip(evaluators, records, strict=True)
            if "n_init" in e and any(row.get("n_clusters") for row in record["metrics"])
        ],
        "Data": _preprocessing(records),
        "Numbers": [record["config"]["dtype"] for record in records],
    }
    return [f"{key}: {' | '.join(dict.fromkeys(values))}." for key, values in protocol.items() if values]


def _preprocessing(records: Sequence[Record]) -> list[str]:
    """The preprocessing of the records in words; leading steps that all of them share are listed once."""
    done = [tuple(record["data"]["preprocessing"]) for record in records]
    alike = takewhile(lambda sentences: len({*sentences}) == 1, zip(*done, strict=False))
    first = [sentences[0] for sentences in alike] if len({*done}) > 1 else []
    nothing = "nothing more" if first else "as it is"
    rest = dict.fromkeys("; ".join(sentences[len(first) :]) or nothing for sentences in done)
    return ["; ".join([*first, " | ".join(rest)])]


def provenance(records: Sequence[Record]) -> list[str]:
    """Commit, date, machine and seeds of these records, in sentences."""
    made = [record["environment"] for record in records]

    def distinct(*keys: str) -> str:
        return " | ".join(dict.fromkeys(" ".join([str(e.get(key)) for key in keys]) for e in made))

    commits = dict.fromkeys(f"{str(e.get('commit'))[:10]}{' with changes' if e.get('dirty') else ''}" for e in made)
    days = sorted({str(e.get("date"))[:10] for e in made})
    return [
        f"Made by nmfbench {distinct('nmfbench')} (commit {' | '.join(commits)}), "
        f"{' to '.join(days[:1] + days[1:][-1:])}, torch {distinct('torch')}, scikit-learn {distinct('scikit-learn')}.",
        f"Machine: {distinct('cpu')}, {distinct('device')}, threads: {distinct('threads')}.",
        f"Seeds: {ranges(sorted({record['seed'] for record in records}))}.",
    ]
