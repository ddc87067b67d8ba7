"""Warnings about the numbers of a block. Each states its threshold and the methods that exceed it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nmfbench.records import Record
from nmfbench.reports.words import parts

PENALTY, FALL, ERROR, WAITED = 0.5, 0.01, 1.5, 0.1
"""Bounds: share of the penalty in the objective, fall in 100 iterations, error over the lowest of the block, share of a
time limit in which the fit had no core."""


def warnings(records: Sequence[Record], common: Sequence[str] = ()) -> list[str]:
    """Return the warnings about the records of a block, without the settings in ``common``, which all of them share."""
    methods: dict[str, list[Record]] = {}
    for record in records:
        for part in record.get("parts", [record]):  # a merged record is made of those of several class counts
            if part["status"] != "failed":
                words = [record["solver"], ", ".join(word for word in parts(record) if word not in common)]
                methods.setdefault(" ".join(filter(None, words)), []).append(part)
    methods = dict(sorted(methods.items()))  # so that the order of the records changes nothing
    every = [record for group in methods.values() for record in group]
    lowest = _lowest_errors(every)

    def over(bound: float, measure: Callable[[Record], float | None], spec: str) -> list[str]:
        """Return the methods whose mean value lies above the bound, each with that mean."""
        return [
            f"{name} {mean:{spec}}"
            for name, group in methods.items()
            if (values := [value for value in map(measure, group) if value is not None])
            and (mean := sum(values) / len(values)) > bound
        ]

    def ratio(record: Record) -> float | None:
        if not record["iterations"]:
            return None
        ranks = lowest.get(_data(record), {}).items()
        best = min((error for rank, error in ranks if rank <= (record.get("rank") or 0)), default=None)
        error = _metric(record, "error")
        return error / best if error is not None and best else None

    methods_of = {
        "Time ran out on a busy machine; share of the time in which the fit had no core: {}.": over(
            WAITED, _waited, ".0%"
        ),
        "Time ran out before the first sweep, so these numbers describe the method's initialization: {}.": _started(
            methods
        ),
        "Reconstructs less than the mean sample does; error in excess of that of the mean sample: {}.": over(
            0, _beyond_mean, ".2f"
        ),
        f"Error more than {ERROR} times that of another method of the same or lower rank: {{}}.": over(
            ERROR, ratio, ".2f"
        ),
        f"Share of the penalty in the objective above {PENALTY:.0%}: {{}}.": over(
            PENALTY, lambda record: _metric(record, "penalty_share"), ".0%"
        ),
        "Dead components, whose entries are below 1e-6 of the largest of the layer: {}.": list(_dead(methods)),
        f"Not converged: the objective still fell by more than {FALL:.0%} in 100 iterations: {{}}.": over(
            FALL, _fall, ".1%"
        ),
        f"The objective rose by more than {FALL:.0%} in the last 100 iterations: {{}}.": over(
            FALL, lambda record: None if (fall := _fall(record)) is None else -fall, ".1%"
        ),
        "The same fit, with equal objective and error for every seed: {}.": _same(methods),
    }
    return [sentence.format(", ".join(names)) for sentence, names in methods_of.items() if names]


def _waited(record: Record) -> float | None:
    """Return the share of its time in which a fit that a time limit ended had no core."""
    if record["status"] not in ("max_seconds", "start") or record["environment"].get("device") != "cpu":
        return None
    return 1 - record.get("cpu_seconds", record["seconds"]) / record["seconds"] if record["seconds"] else None


def _beyond_mean(record: Record) -> float | None:
    """Return the error in excess of that of the mean sample."""
    error, of_mean = _metric(record, "error"), record["data"].get("error_of_mean")
    return error - of_mean if error is not None and of_mean is not None else None


def _fall(record: Record) -> float | None:
    """Return the fall of the objective at the end of a fit that has not converged."""
    return None if record["status"] in ("converged", "start") else record.get("fall")


def _metric(record: Record, name: str) -> float | None:
    for row in record["metrics"]:
        if row["metric"] == name:
            return row["value"]
    return None


def _data(record: Record) -> Any:
    return record["config"]["dataset"].get("sha256")


def _lowest_errors(records: Sequence[Record]) -> dict[Any, dict[int, float]]:
    """Return data → rank → the lowest error of an iterative method.

    A convolution has more parameters per sample than a product of the same rank, so it sets no standard for others.
    """
    lowest: dict[Any, dict[int, float]] = {}
    for record in records:
        error, rank = _metric(record, "error"), record.get("rank") or 0
        if record["iterations"] and record.get("layering") != "convolution" and error is not None:
            of_data = lowest.setdefault(_data(record), {})
            of_data[rank] = min(error, of_data.get(rank, error))
    return lowest


def _started(methods: dict[str, list[Record]]) -> list[str]:
    counts = {name: sum(record["status"] == "start" for record in group) for name, group in methods.items()}
    return [f"{name} ({n} of {len(methods[name])} seeds)" for name, n in counts.items() if n]


def _dead(methods: dict[str, list[Record]]) -> Iterator[str]:
    """Yield the methods with dead components, with the largest count of any seed, layer by layer."""
    for name, group in methods.items():
        most: dict[int, int] = {}
        for record in group:
            for row in record["metrics"]:
                if row["metric"] == "dead" and row["value"] > most.get(row["layer"], 0):
                    most[row["layer"]] = row["value"]
        solver = group[0]["config"]["solver"]
        ranks = solver.get("ranks") or [group[0].get("rank")]
        if most:
            layers = [
                f"{n} of {ranks[layer - 1]}" + (f" in layer {layer}" if len(ranks) > 1 else "")
                for layer, n in sorted(most.items())
            ]
            yield f"{name} up to {', '.join(layers)}"


def _same(methods: dict[str, list[Record]]) -> list[str]:
    """Return the methods that reached the same objective and error from each of the same seeds."""
    alike: dict[Any, list[str]] = {}
    for name, group in methods.items():
        fits = frozenset(
            (_data(record), record["seed"], record["objective"], _metric(record, "error"))
            for record in group
            if record["iterations"] and record.get("objective") is not None
        )
        if fits:
            alike.setdefault(fits, []).append(name)
    return [" = ".join(names) for names in alike.values() if len(names) > 1]
