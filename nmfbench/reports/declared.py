"""Titles, units and directions of the metrics in records, as the evaluators declared them."""

from collections.abc import Mapping, Sequence

from nmfbench.config import build, defaults, options, trusted_dirs
from nmfbench.evaluators.metric import Metric
from nmfbench.records import Record


def declarations(records: Sequence[Record]) -> dict[str, Metric]:
    """Name → metric, for all metrics of these records. Records of schema 1 declare none, so evaluators are asked."""
    last = {declaration["name"]: declaration for record in records for declaration in record.get("declared", [])}
    declared = {name: Metric.from_dict(declaration) for name, declaration in last.items()}
    if all(record.get("declared") for record in records):
        return declared
    from nmfbench.evaluators.base import Evaluator  # these take seconds, and only old records need them
    from nmfbench.evaluators.measures import MEASURES

    folders = trusted_dirs()
    nodes = {name: defaults("evaluator", name, folders) for name in options("evaluator", folders)}
    evaluators = [build(node, Evaluator, "evaluator") for node in nodes.values()]
    known = [metric for evaluator in evaluators for metric in evaluator.metrics]
    return {metric.name: metric for metric in [*known, *MEASURES]} | declared


def metric_of(name: str, declared: Mapping[str, Metric]) -> Metric:
    """The metric of that name. An undeclared metric has its name as title and no unit."""
    return declared.get(name) or Metric(name, name)
