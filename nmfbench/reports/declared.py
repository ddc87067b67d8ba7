"""Titles, units and directions of the metrics in records, as the evaluators declared them."""

from collections.abc import Mapping, Sequence

from nmfbench.config import build, defaults, options
from nmfbench.evaluators.metric import Metric
from nmfbench.records import Record


def declarations(records: Sequence[Record]) -> dict[str, Metric]:
    """Name → metric, of all that these records measured. A record of schema 1 declares none: the evaluators do."""
    declared = {one["name"]: Metric.from_dict(one) for record in records for one in record.get("declared", [])}
    if all(record.get("declared") for record in records):
        return declared
    from nmfbench.evaluators.base import Evaluator  # these take seconds, and only old records need them
    from nmfbench.evaluators.measures import MEASURES

    evaluators = [build(defaults("evaluator", name), Evaluator, "evaluator") for name in options("evaluator")]
    known = [metric for evaluator in evaluators for metric in evaluator.metrics]
    return {metric.name: metric for metric in [*known, *MEASURES]} | declared


def metric_of(name: str, declared: Mapping[str, Metric]) -> Metric:
    """The metric of that name; one that nobody declared has its name for a title and no unit."""
    return declared.get(name) or Metric(name, name)
