"""From records to tables: the long form, and how it is shown. Knows DataFrames, not runs."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import pandas as pd
from tabulate import tabulate

from nmfbench import evaluators, papers
from nmfbench.evaluators.base import Exhibit
from nmfbench.evaluators.metric import Metric
from nmfbench.records import digest
from nmfbench.reports.statistics import Effect, holm, paired

COLUMNS = [
    "dataset",
    "solver",
    "variant",
    "rank",
    "layer",
    "n_clusters",
    "metric",
    "mean",
    "sd",
    "n",
    "best",
    "paper",
    "difference",
    "seconds",
    "status",
]
DASH = "–"
_EFFECT = [field.name for field in dataclasses.fields(Effect)]
_KEYS = ["dataset", "solver", "variant", "rank", "layer", "n_clusters", "metric"]


def frame(
    records: Sequence[dict[str, Any]], unfit: Sequence[tuple[str, str]] = (), by_name: bool = True
) -> pd.DataFrame:
    """The long form: one row per dataset × solver × variant × rank × layer × cluster count × metric.

    mean, sd (over seeds, n − 1) and n; best: the value of the seed with the least objective; paper and difference
    where a paper prints the number; seconds: mean per seed. NMI and accuracy are in percent. ``unfit`` are pairs
    (dataset, solver) that were asked for, and the solver cannot take the data: an empty row each. Methods are sorted
    by name, or stand in the order of their records.
    """
    rows = []
    for experiment in _experiments(records):
        rows += sorted(_rows(experiment), key=lambda row: (row.get("layer") or 0, row.get("n_clusters") or 0))
    shown = {record["dataset"] for record in records}
    rows += [
        {"dataset": dataset, "solver": solver, "variant": "", "metric": "nmi", "n": 0, "status": "not applicable"}
        for dataset, solver in dict.fromkeys(unfit)
        if dataset in shown
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    for column in ("rank", "layer", "n_clusters", "n"):
        table[column] = table[column].astype("Int64")
    return table.sort_values(_KEYS, kind="stable", na_position="first", ignore_index=True) if by_name else table


def _experiments(records: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Records grouped by what they repeat, in the order of their first ones; each seed (of each draw) once."""
    groups: dict[str, dict[Any, dict[str, Any]]] = {digest(_identity(r["config"])): {} for r in records}
    for record in sorted(records, key=_age):
        repetitions = groups[digest(_identity(record["config"]))]
        key = record["seed"], record["config"]["dataset"].get("draw")
        repetitions[key] = _merged(repetitions.get(key), record)
    experiments = {key: list(repetitions.values()) for key, repetitions in groups.items()}
    names = [_name(repetitions[0]) for repetitions in experiments.values()]
    return [
        # Two of one name differ in what a variant does not name, the data or a version: they are told apart.
        [record | {"variant": f"{record.get('variant') or ''} id={key[:6]}".strip()} for record in repetitions]
        if names.count(_name(repetitions[0])) > 1
        else repetitions
        for key, repetitions in experiments.items()
    ]


def _age(record: dict[str, Any]) -> tuple[bool, str, str]:
    """The newest last, and failed ones first: they hide nothing that was measured."""
    return record["status"] != "failed", str(record["environment"].get("date")), digest(record["config"])


def _identity(config: dict[str, Any]) -> dict[str, Any]:
    """What repetitions have in common: the config but for the draw of the data and the list of cluster counts."""
    dataset = {key: value for key, value in config["dataset"].items() if key != "draw"}
    if "draw" in config["dataset"]:
        del dataset["sha256"]  # each draw has its own
    evaluator = {key: value for key, value in config["evaluator"].items() if key != "n_clusters"}
    return config | {"dataset": dataset, "evaluator": evaluator}


def _merged(older: dict[str, Any] | None, newer: dict[str, Any]) -> dict[str, Any]:
    """The newer record, with the older one's metrics where the newer has none: it may hold other cluster counts."""
    new = {_place(row) for row in newer["metrics"]}
    kept = [row for row in older["metrics"] if _place(row) not in new] if older else []
    return newer | {"metrics": kept + newer["metrics"]}


def _name(record: dict[str, Any]) -> tuple[Any, ...]:
    return record["dataset"], record["solver"], record.get("variant"), record.get("rank")


def _place(row: dict[str, Any]) -> tuple[Any, ...]:
    return row.get("layer"), row.get("n_clusters"), row["metric"]


def _rows(experiment: list[dict[str, Any]]) -> list[dict[str, Any]]:
    first = experiment[0]
    statuses = [record["status"] for record in experiment]
    common = {
        "dataset": first["dataset"],
        "solver": first["solver"],
        "variant": first.get("variant") or "",
        "rank": first.get("rank"),
        "status": ", ".join(f"{statuses.count(s)} {s}" for s in sorted(set(statuses))),
    }
    ran = [record for record in experiment if record["status"] != "failed"]
    if not ran:
        return [common | {"metric": "nmi", "n": 0}]
    common["seconds"] = sum(record["seconds"] for record in ran) / len(ran)
    with_objective = [record for record in ran if record.get("objective") is not None]
    # A direct method reaches the same objective from every seed: none is best.
    differ = len(with_objective) == 1 or len({record["objective"] for record in with_objective}) > 1
    best = ran.index(min(with_objective, key=lambda r: r["objective"])) if differ else None
    values: dict[tuple[Any, ...], dict[int, float]] = {}
    for i, record in enumerate(ran):  # not by seed: another draw of the data has the same seeds
        for row in record["metrics"]:
            if row["value"] is not None and math.isfinite(row["value"]):
                values.setdefault(_place(row), {})[i] = row["value"]
    rows, printed = [], _printed(first)
    for (layer, n_clusters, metric), by_record in values.items():
        column = pd.Series(by_record) * _metric(metric).scale
        row = common | {
            "layer": layer,
            "n_clusters": n_clusters,
            "metric": metric,
            "mean": column.mean(),
            "sd": column.std(),
            "n": len(column),
            "best": column.get(best),
        }
        if hits := printed.get((layer, n_clusters, metric)):
            row |= {"paper": hits[0][1], "difference": row["mean"] - hits[0][1]}
        rows.append(row)
    return rows


def compare(records: Sequence[dict[str, Any]], metric: str = "nmi") -> pd.DataFrame:
    """The first method of each dataset, in the order of the records, against each of its others, seed by seed.

    One row per dataset × method × layer: n, shift (how much larger the metric of the first is, in its unit, in the mean
    over the cluster counts that both have), its 95 % interval low and high, p, and p_holm, corrected for all rows. A
    method of fewer layers is compared with the first one's top layer.
    """
    rows = []
    by_dataset: dict[str, list[list[dict[str, Any]]]] = {}
    for experiment in _experiments(records):
        by_dataset.setdefault(experiment[0]["dataset"], []).append(experiment)
    for dataset, (first, *others) in by_dataset.items():
        ours = _by_repetition(first, metric)
        top = max((layer for layer, _ in ours if layer), default=None)
        for other in others:
            theirs = _by_repetition(other, metric)
            layers = dict.fromkeys(layer for layer, _ in theirs)
            for layer in layers:
                reference = layer if len(layers) > 1 else top
                counts = [k for of, k in theirs if of == layer and (reference, k) in ours]
                pairs = [(ours[reference, k], theirs[layer, k]) for k in counts]
                shared = set.intersection(*({*a} & {*b} for a, b in pairs)) if pairs else ()
                if len(shared) > 1:  # one seed is no evidence
                    a, b = ([sum(pair[i][r] for pair in pairs) / len(pairs) for r in sorted(shared)] for i in (0, 1))
                    named = {"dataset": dataset, "solver": other[0]["solver"], "variant": other[0].get("variant") or ""}
                    rows.append(named | {"layer": layer} | vars(paired(a, b)))
    for row, p in zip(rows, holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = p
    columns = ["dataset", "solver", "variant", "layer", *_EFFECT, "p_holm"]
    return pd.DataFrame(rows, columns=columns).astype({"layer": "Int64"})


def order(records: Sequence[dict[str, Any]], solvers: Sequence[str], metric: str = "nmi") -> dict[str, str]:
    """Dataset → whether these solvers come in that order with as many clusters as classes, each against the next."""
    found: dict[str, dict[str, dict[Any, float]]] = {}
    classes = {}
    for experiment in _experiments(records):
        dataset, k = experiment[0]["dataset"], experiment[0]["data"]["classes"]
        values = _by_repetition(experiment, metric)
        top = max((layer for layer, count in values if layer and count == k), default=None)
        if experiment[0]["solver"] in solvers and top:
            found.setdefault(dataset, {})[experiment[0]["solver"]] = values[top, k]
            classes[dataset] = k
    said = {}
    for dataset, scores in found.items():
        pairs = [
            [(scores[a][r], scores[b][r]) for r in scores[a] if r in scores[b]]
            for a, b in pairwise(solver for solver in solvers if solver in scores)
        ]
        if len(scores) < len(solvers) or min(map(len, pairs)) < 2:  # one seed is no evidence
            continue
        effects = [paired(*zip(*pair, strict=True)) for pair in pairs]
        ps = holm([effect.p for effect in effects])
        if not all(effect.shift > 0 for effect in effects):
            verdict = "does not hold"
        elif max(ps) < 0.05:
            verdict = "holds"
        else:
            verdict = "holds in the means, but not beyond chance"
        tests = ", ".join(
            f"{a} over {b} {effect.shift:+.1f} (p = {p:.2g})"
            for (a, b), effect, p in zip(pairwise(solvers), effects, ps, strict=True)
        )
        said[dataset] = (
            f"Printed order {' > '.join(solvers)} at k = {classes[dataset]}: {verdict}. {tests}; p corrected by Holm "
            f"for these {len(ps)} tests."
        )
    return said


def _by_repetition(experiment: list[dict[str, Any]], metric: str) -> dict[tuple[Any, Any], dict[Any, float]]:
    """(layer, cluster count) → (seed, draw) → value, in percent where the metric is."""
    values: dict[tuple[Any, Any], dict[Any, float]] = {}
    for record in experiment:
        for row in record["metrics"]:
            if row["metric"] == metric and row["value"] is not None:
                repetition = record["seed"], record["config"]["dataset"].get("draw")
                value = _metric(metric).scale * row["value"]
                values.setdefault((row.get("layer"), row.get("n_clusters")), {})[repetition] = value
    return values


def text(table: pd.DataFrame, records: Sequence[dict[str, Any]], metric: str = "nmi", **experiment: Any) -> str:
    """For the terminal: a block a dataset, methods down, cluster counts across.

    ``experiment``: ``compared``, the frame that `compare` makes; ``notes``, sentences about the protocol; ``absent``,
    for each dataset that is not there the reason; ``by_class_count``, whether the number of classes varies, which then
    goes down and the methods across, once for each metric of the dnsNMF paper; ``also``, further metrics where nothing
    is clustered; ``verdicts``, what `order` says.
    """
    return _blocks(table, records, metric, style="simple", line="\n", rule="# ", **experiment)


def markdown(table: pd.DataFrame, records: Sequence[dict[str, Any]], metric: str = "nmi", **experiment: Any) -> str:
    return _blocks(table, records, metric, style="pipe", line="<br>", rule="## ", note="- ", **experiment) + "\n"


def latex(table: pd.DataFrame, records: Sequence[dict[str, Any]], metric: str = "nmi", **experiment: Any) -> str:
    return _blocks(table, records, metric, style="latex_booktabs", line=" ", rule="% ", note="% ", **experiment) + "\n"


def csv(table: pd.DataFrame, records: Sequence[dict[str, Any]], metric: str = "nmi", **experiment: Any) -> str:
    """The long form, every metric."""
    return str(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def csv_file(table: pd.DataFrame, records: Sequence[dict[str, Any]], notes: Sequence[str] = ()) -> str:
    """The long form behind a header of `#` lines that say how it was made: pandas.read_csv(…, comment="#")."""
    return "".join(f"# {line}\n" for line in [*notes, *provenance(records)]) + csv(table, records)


FORMATS: dict[str, Callable[..., str]] = {"text": text, "csv": csv, "md": markdown, "latex": latex}


def _blocks(
    table: pd.DataFrame,
    records: Sequence[dict[str, Any]],
    metric: str,
    *,
    style: str,
    line: str,
    rule: str,
    note: str = "",
    compared: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
    absent: Mapping[str, str] = MappingProxyType({}),
    by_class_count: bool = False,
    also: Sequence[str] = (),
    verdicts: Mapping[str, str] = MappingProxyType({}),
    exhibits: Mapping[str, Sequence[Exhibit]] = MappingProxyType({}),
) -> str:
    bodies, sentences = [], []
    for dataset, part in table.groupby("dataset", sort=False):
        of_dataset = [record for record in records if record["dataset"] == dataset]
        data = of_dataset[0]["data"]
        classes = f", {data['classes']} classes" if data["classes"] else ", no labels"
        head = f"{rule}{dataset}: {data['samples']} samples × {data['features']} features{classes}"
        common = _common(of_dataset)
        metrics = [metric, "nmi_max", "nmi"] if by_class_count else [metric, *also]
        if by_class_count:
            tables = [_by_class_count(part, one, line, common) for one in metrics]
        else:
            tables = [_wide(part, metrics, line, common)]
        said = [*notes, *([f"All methods: {', '.join(common)}."] if common else [])]
        if compared is not None and (compared["dataset"] == dataset).any():
            tables.append(_differences(compared[compared["dataset"] == dataset], metric, line, common))
            said += _comparison_notes(part, of_dataset[0]["solver"], metric, compared, common)
        said += [verdicts[str(dataset)]] if dataset in verdicts else []
        shown = (tabulate(t, headers="keys", tablefmt=style, disable_numparse=True) for t in tables)
        below = (
            f"{2 * rule[0]}{rule[1:]}{exhibit.title}\n\n{_exhibited(exhibit.table, style)}"
            for exhibit in exhibits.get(str(dataset), ())
        )
        bodies.append("\n\n".join([head, *shown, *below]))
        sentences.append([*said, *_notes(part[part["metric"].isin(metrics)], of_dataset, metric, by_class_count)])
    # What holds for all blocks is said once, below them.
    shared = [s for s in sentences[0] if all(s in others for others in sentences)] if len(sentences) > 1 else []
    blocks = []
    for body, said in zip(bodies, sentences, strict=True):
        own = "\n".join(f"{note}{sentence}" for sentence in said if sentence not in shared)
        blocks.append(f"{body}\n\n{own}" if own else body)
    blocks += [f"{rule}{dataset}: {DASH}\n\n{note}{reason}" for dataset, reason in absent.items()]
    if shared:
        blocks.append("\n".join([f"{rule}all of them", "", *(f"{note}{sentence}" for sentence in shared)]))
    return "\n\n".join(blocks)


def _exhibited(table: pd.DataFrame, style: str) -> str:
    """Strings as they are, columns of numbers flush right."""
    numeric = [pd.to_numeric(table[column], errors="coerce").notna().all() for column in table]
    align = ["right" if is_number else "left" for is_number in numeric]
    return tabulate(table.values.tolist(), list(table.columns), style, disable_numparse=True, colalign=align)


def _common(records: Sequence[dict[str, Any]]) -> list[str]:
    """The settings that every method of a block has changed alike; one that takes no step has none of them."""
    methods = {(r["solver"], r["variant"]) for r in records if r["variant"] or r["iterations"]}
    first, *others = [variant.split(", ") for _, variant in sorted(methods)] or [[]]
    return [part for part in first if part and all(part in other for other in others)] if others else []


def _label(solver: Any, variant: Any, line: str, common: Sequence[str]) -> str:
    parts = [part for part in variant.split(", ") if part and part not in common]
    return f"{solver}{line}{', '.join(parts)}" if parts else str(solver)


def _differences(compared: pd.DataFrame, metric: str, line: str, common: Sequence[str]) -> list[dict[str, str]]:
    """What `compare` found, one dict a method and layer: headings → cells."""
    rows = []
    for _, test in compared.iterrows():
        row = {"against": _label(test["solver"], test["variant"], line, common)}
        if (compared["layer"] > 1).any():
            row["layer"] = _number(test["layer"], "d")
        spec = "+" + _digits(metric, max(abs(test[["shift", "low", "high"]])))
        interval = DASH if pd.isna(test["low"]) else f"{test['low']:{spec}} to {test['high']:{spec}}"
        row |= {"difference": f"{test['shift']:{spec}}", "95 % interval": interval}
        rows.append(row | {"p": f"{test['p_holm']:.2g}", "n": str(test["n"])})
    return rows


def _comparison_notes(
    part: pd.DataFrame, first: str, metric: str, compared: pd.DataFrame, common: Sequence[str]
) -> list[str]:
    """How to read `_differences`, and how far the block is from what is printed."""
    printed = part.dropna(subset=["paper"])
    off = []
    for (solver, variant, name), method in printed.groupby(["solver", "variant", "metric"], sort=False):
        digits = ".1f" if _metric(str(name)).unit == "%" else ".3f"
        label = _label(solver, variant, " ", common) + ("" if printed["metric"].nunique() == 1 else f" ({name})")
        off.append(f"{label} {method['difference'].abs().mean():{digits}}")
    # Of n pairs, the signed ranks that favour one method in all of them have a probability of 2 · 2⁻ⁿ.
    least = len(compared) * 2.0 ** (1 - compared["n"].max())
    of_metric = part[part["metric"] == metric]
    counts = of_metric["n_clusters"].nunique()
    depths = of_metric.groupby(["solver", "variant"], sort=False)["layer"].max().fillna(1)
    direction = " (smaller is better)" if _metric(metric).better == "lower" else ""
    return [
        f"Against: how much larger the {metric} of {first} is{', the mean over all k' if counts > 1 else ''}, seed by "
        f"seed{direction}: Hodges–Lehmann shift, its own 95 % "
        "interval from 6 seeds on, p of Wilcoxon's signed-rank test corrected by Holm for the "
        f"{len(compared)} tests of all blocks."
        + (" Methods of one layer are compared with its top layer." if depths.min() < depths.iloc[0] else "")
        + (f" So few seeds and so many tests allow no p below {min(least, 1):.2g}." if least > 0.05 else ""),
        *([f"Mean absolute difference to the printed numbers: {', '.join(off)}."] if off else []),
    ]


def _wide(part: pd.DataFrame, metrics: Sequence[str], line: str, common: Sequence[str]) -> list[dict[str, str]]:
    """One dict a method, variant, rank and layer: headings → cells. Of cluster counts the first metric alone."""
    counts = sorted(part.loc[part["metric"] == metrics[0], "n_clusters"].dropna().unique())
    there = [metric for metric in metrics if metric in {*part["metric"]}] or metrics[:1]
    layered = (part["layer"].dropna() > 1).any()
    rows = []
    for (solver, variant, rank), method in part.groupby(["solver", "variant", "rank"], sort=False, dropna=False):
        whole = method[method["layer"].isna()].set_index("metric")["mean"]
        for layer in sorted(method["layer"].dropna().unique()) or [pd.NA]:
            # A measure of the whole factorization (sparsity_W, say) has neither layer nor k.
            here = (method["layer"] == layer).fillna(False) | method["layer"].isna()
            cells = {
                row["n_clusters"] if counts else row["metric"]: _cell(row, line)
                for _, row in method[method["metric"].isin(metrics[:1] if counts else metrics) & here].iterrows()
            }
            row = {"solver": _label(solver, variant, line, common), "rank": _number(rank, "d")}
            if layered:
                row["layer"] = _number(layer, "d")
            if counts:
                row |= {f"k = {k}": cells.get(k, DASH) for k in counts}
            else:
                row |= {m: cells.get(m, DASH) for m in there}
                row["objective"] = _number(whole.get("objective"), ".6g")
            row.setdefault("error", _number(whole.get("error"), ".4f"))
            row["stability"] = _number(whole.get("stability"), ".2f")
            row["seconds"] = _number(method["seconds"].iloc[0], ".2f")
            row["ended"] = method["status"].iloc[0]
            rows.append(row)
    return rows


def _by_class_count(part: pd.DataFrame, metric: str, line: str, common: Sequence[str]) -> list[dict[str, str]]:
    """One dict a class count, and one for the mean over them: methods → cells."""
    scored = part[part["metric"] == metric]
    methods = {
        _label(solver, variant, line, common): method
        for (solver, variant), method in scored.groupby(["solver", "variant"], sort=False)
    }
    rows = [
        {metric: f"k = {k}"}
        | {name: _cell(row, line) for name, m in methods.items() for _, row in m[m["n_clusters"] == k].iterrows()}
        for k in sorted(scored["n_clusters"].dropna().unique())
    ]
    # The mean is over the counts that every method has, or methods of which some runs are missing would differ by them.
    shared = set.intersection(*(set(m["n_clusters"]) for m in methods.values())) if methods else set()
    averages = {
        name: pd.Series(
            {"metric": metric, "sd": math.nan, "best": math.nan, "n": 1}
            | dict(m.loc[m["n_clusters"].isin(shared), ["mean", "paper", "difference"]].mean())
        )
        for name, m in methods.items()
    }
    return [*rows, {metric: "mean"} | {name: _cell(row, line) for name, row in averages.items()}]


def _metric(name: str) -> Metric:
    """The declaration of that metric; for a metric that nothing declares, its name alone."""
    return evaluators.declared().get(name) or Metric(name, name)


def _printed(record: dict[str, Any]) -> dict[tuple[int | None, int | None, str], list[tuple[papers.Paper, float]]]:
    """The papers' numbers for this record, whose variant is still a string: only its stopping rule matters here."""
    parts = (part.partition("=") for part in (record.get("variant") or "").split(", "))
    rules = ("max_iter", "tol", "max_seconds", "check_every")
    return papers.printed(
        record | {"variant": {f"stopping.{k}": float(v.split()[0]) for k, _, v in parts if k in rules}}
    )


def _cell(row: pd.Series, line: str) -> str:
    if pd.isna(row["mean"]):  # a failed run
        return DASH
    spec = _digits(row["metric"], row["mean"])
    sd = "" if pd.isna(row["sd"]) else f" ± {row['sd']:{spec}}"
    cell = f"{row['mean']:{spec}}{sd}"
    if pd.notna(row["best"]) and row["n"] > 1:
        cell += f" [{row['best']:{spec}}]"
    if pd.notna(row["paper"]):
        digits = ".1f" if _metric(row["metric"]).unit == "%" else ".3f"
        cell += f"{line}({row['paper']:{digits}}, {row['difference']:+{digits}})"
    return cell


def _digits(metric: str, size: float) -> str:
    """The format of a number of that size: the metric's decimals, or those that show four digits, at most four."""
    if (decimals := _metric(metric).decimals) is not None:
        return f".{decimals}f"
    return f".{min(4, max(0, 3 - math.floor(math.log10(abs(size)))))}f" if 1e-3 <= abs(size) < 1e6 else ".4g"


def _number(value: Any, spec: str) -> str:
    return DASH if value is None or pd.isna(value) else format(int(value) if spec == "d" else value, spec)


def _notes(part: pd.DataFrame, records: Sequence[dict[str, Any]], metric: str, by_class_count: bool) -> list[str]:
    """What one must know to read the numbers."""
    configs = [record["config"] for record in records]
    unit = " in percent" if _metric(metric).unit == "%" else ""
    name = _metric(metric).title if metric == "nmi" else metric
    clustered = part.loc[part["metric"] == metric, "n_clusters"].notna().any()
    of = " of k-means with k clusters on the codes" if clustered else ""
    least = " [seed with the least objective]"
    if by_class_count:
        notes = [f"Cells: {' or '.join(part['metric'].unique())}{unit}{of}, mean ± standard deviation over seeds."]
    elif clustered:
        notes = [f"Cells: {name}{unit}{of}, mean ± standard deviation over seeds{least}."]
    else:
        notes = [f"Cells: mean ± standard deviation over seeds{least}; accuracies, ratios and sparsities in percent."]
    shown = {*part.loc[part["paper"].notna(), "metric"]}
    # Records that repeat each other have the same printed numbers.
    distinct = {digest(_identity(record["config"])): record for record in records}.values()
    hits = (hit for record in distinct for (_, _, m), hits in _printed(record).items() if m in shown for hit in hits)
    if papers_of := dict.fromkeys(paper.title for paper, _ in hits):
        notes.append(
            f"In parentheses: the number that the {' or the '.join(papers_of)} paper prints, and ours minus it."
        )
    if not by_class_count:
        notes.append(
            "Error: ‖X − reconstruction‖/‖X‖. Stability: mean cosine between the bases of two seeds, each column "
            "matched with one of the other. Seconds: of the fit, per seed."
        )
    if any(config.get("label_fraction") for config in configs):
        others = " and is scored on the other samples" if clustered else ""
        notes.append(
            f"label_fraction: this method saw that share of each class's labels{others}; at 1 it saw them all, and its "
            "scores are training scores."
        )
    risen = [f"{record['solver']} (seed {record['seed']})" for record in records if record.get("rises")]
    if risen:
        notes.append(f"The objective rose, though the method is monotone: {', '.join(dict.fromkeys(risen))}.")
    notes += [f"{note}." for note in dict.fromkeys(record.get("footnote") for record in records) if note]
    said = {
        "K-means": [
            f"{e.get('n_init')} starts, {'least inertia' if e.get('select') == 'inertia' else 'mean over starts'}"
            for e in (config["evaluator"] for config in configs)
            if "n_init" in e
        ],
        "Data": ["; ".join(record["data"]["preprocessing"]) or "as it is" for record in records],
        "Numbers": [config["dtype"] for config in configs],
    }
    return [
        *notes,
        *(f"{key}: {' | '.join(dict.fromkeys(values))}." for key, values in said.items() if values),
        *provenance(records),
    ]


def provenance(records: Sequence[dict[str, Any]]) -> list[str]:
    """Commit, date, machine and seeds of these records, in sentences."""
    made = [record["environment"] for record in records]

    def all_of(*keys: str) -> str:
        return " | ".join(dict.fromkeys(" ".join(str(e.get(key)) for key in keys) for e in made))

    commits = dict.fromkeys(f"{str(e.get('commit'))[:10]}{' with changes' if e.get('dirty') else ''}" for e in made)
    days = sorted({str(e.get("date"))[:10] for e in made})
    return [
        f"Made by nmfbench {all_of('nmfbench')} (commit {' | '.join(commits)}), "
        f"{' to '.join(days[:1] + days[1:][-1:])}, torch {all_of('torch')}, scikit-learn {all_of('scikit-learn')}.",
        f"Machine: {all_of('cpu')}, {all_of('device')}, threads: {all_of('threads')}.",
        f"Seeds: {_ranges(sorted({record['seed'] for record in records}))}.",
    ]


def _ranges(numbers: Sequence[int]) -> str:
    """0, 1, 2, 3, 7 as "0 to 3, 7"."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    return ", ".join(f"{a} to {b}" if b > a else str(a) for a, b in zip(starts, ends, strict=True))
