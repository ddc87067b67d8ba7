"""Make the reference pages: the --help of every command, and the metrics of every evaluator."""

import importlib
import inspect
import re

from nmfbench import cli, config
from nmfbench.evaluators.base import Evaluator
from nmfbench.evaluators.measures import FACTOR_MEASURES, MEASURES
from nmfbench.evaluators.metric import Metric

HEADING = "Parameters\n----------\n"


def pages() -> dict[str, str | bytes]:
    """Return address → content of the reference pages."""
    return {"reference/commands.md": _commands(), "reference/metrics.md": _metrics()}


def _commands() -> str:
    parts = ["# Commands", "Each command's answer to `--help`. [Faults](../faults.md#exit-codes) lists the exit codes."]
    for name, parser in cli._commands().items():
        parts += [
            f"## {name}",
            f"```text\n{(cli._run_help() if name == 'run' else parser.format_help()).rstrip()}\n```",
        ]
        if name == "data":
            (actions,) = (action for action in parser._actions if isinstance(action.choices, dict))
            for action, nested in actions.choices.items():
                parts += [f"### data {action}", f"```text\n{nested.format_help().rstrip()}\n```"]
    return "\n\n".join(parts) + "\n"


def _metrics() -> str:
    parts = [
        "# Metrics",
        "[Metrics and protocol](../numbers.md) explains them; this page lists what each evaluator declares.",
    ]
    parts += [
        "## Measured on every run",
        _table(MEASURES),
        "For each factor, whose name ends the metric's name, as in `sparsity_H`:",
    ]
    parts.append(_table(FACTOR_MEASURES))
    for name in config.options("evaluator", [config.CONFIG_DIR]):
        node = config.defaults("evaluator", name)
        module, _, kind = node["_target_"].rpartition(".")
        declared = getattr(importlib.import_module(module), kind)
        assert issubclass(declared, Evaluator)
        about = inspect.cleandoc(declared.__doc__ or "").partition(HEADING)[0].strip()
        parts += [f"## evaluator={name}", re.sub(r"\s+", " ", about), _table(declared.metrics)]
        if len(node) > 1:
            parts.append(f"```yaml\n{config.text('evaluator', name).rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def _table(metrics: tuple[Metric, ...]) -> str:
    lines = [
        f"| `{metric.name}` | {metric.title} | {metric.unit} | {metric.better or 'neither'} |" for metric in metrics
    ]
    return "\n".join(["| name | meaning | unit | better |", "| --- | --- | --- | --- |", *lines])
