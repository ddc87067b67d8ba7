"""Make a page for each solver from its docstring, class, YAML and rows in results/tables, and the table of all."""

import inspect
import re

import drawing
import result_pages
from words import cell, escaped

from nmfbench import config, solvers
from nmfbench.solvers.base import Solver, Stopping

# Methods for graphs and for views need such data.
DATA = {
    "danmf": "dataset=karate evaluator=communities rank=2",
    "multiview": "dataset=mfeat dataset.scaling=[by_view,unit_norm] rank=10",
}
HEADING = "Parameters\n----------\n"
DESCENT = re.compile(r"(Descends|No sweep is guaranteed to descend): ")
COLUMNS = {
    "non-negative": "factors that are ≥ 0",
    "layers": "layers",
    "monotone": "descends",
    "labels": "labels",
    "sparse X": "sparse X",
    "missing": "missing entries",
}


def pages() -> dict[str, str | bytes]:
    """Return address → content of the solvers' pages and pictures."""
    rows = {row["solver"].strip("`"): row for row in solvers.table()}
    contents: dict[str, str | bytes] = {"solvers/index.md": _index(rows)}
    for name, solver in solvers.built():
        picture, caption = drawing.bases(name)
        if picture:
            contents[f"solvers/{name}.png"] = picture
        contents[f"solvers/{name}.md"] = page(name, solver, rows[name], caption)
    return contents


def page(name: str, solver: Solver, row: dict[str, str], caption: str) -> str:
    """Write the page of a solver; an empty caption means that it has no picture."""
    problem, algorithm, descent, parameters, source = _docstring(type(solver))
    aliases = [
        line.partition(":")[2].strip() for line in config.text("solver", name).splitlines() if "also called:" in line
    ]
    data, labels = DATA.get(name, "dataset=digits"), name in ("hierarchical", "neural", "ssnmf")
    run = [f"nmfbench run solver={name} {data} seeds=2"]
    run += [f"nmfbench run solver={name} dataset=digits label_fraction=0.4 seeds=2"] if labels else []
    kind = type(solver).__name__
    rank = "rank=10" if "rank" in parameters else ""
    picture = [f"![Bases of {name}]({name}.png)", f"*{caption}*"] if caption else []
    parts = [
        f"# {name}",
        config.describe("solver", name) + ".",
        *(
            [f"`solver=` also takes {', '.join(f'`{alias.strip()}`' for alias in aliases[0].split(','))}."]
            if aliases
            else []
        ),
        f"> **{escaped(problem)}**",
        *picture,
        "## Run it",
        "```sh\n" + "\n".join(run) + "\n```",
        f"```python\nfrom nmfbench import {kind}, fit, load_dataset\n\n"
        f'X = load_dataset("digits").X  # features × samples\n(restart,) = fit({kind}({rank}), X)\n```',
        "## Algorithm",
        escaped(algorithm) or "The problem above defines it.",
        f"**{escaped(descent)}**" if descent else "It solves in one step, so stopping rules do not apply.",
        f"Source: {escaped(source)}",
        "## Data it accepts",
        _takes(solver, row),
        "## Parameters",
        "| parameter | meaning, range, source |\n| --- | --- |\n"
        + "\n".join(f"| `{key}` | {cell(text)} |" for key, text in parameters.items()),
        "Defaults, each with its source; on the command line `solver.NAME=VALUE` replaces one:",
        f"```yaml\n{config.text('solver', name).rstrip()}\n```",
        *([_stopping(type(solver).stopping)] if not solver.direct else []),
        "## In the tables",
        result_pages.rows_of(solver=name) or "No published table has it yet.",
    ]
    return "\n\n".join(parts) + "\n"


def _docstring(kind: type) -> tuple[str, str, str, dict[str, str], str]:
    """Split the docstring of a solver class into problem, algorithm, sentence on descent, parameters and source."""
    text = inspect.cleandoc(kind.__doc__ or "")
    before, _, after = text.partition(HEADING)
    section, _, rest = after.partition("\n\n")
    pairs = (re.fullmatch(r"(\w+): (.*)", entry, re.DOTALL) for entry in re.split(r"\n(?! )", section))
    parameters = {pair[1]: " ".join(pair[2].split()) for pair in pairs if pair}
    lines = text.splitlines()
    problem, source = lines[0].rstrip("."), (rest.strip().splitlines() or lines)[-1]
    body = before.removeprefix(lines[0]).strip() if after else "\n".join(lines[1:-1]).strip()
    descent = DESCENT.search(body)
    return (
        problem,
        body[: descent.start()].strip() if descent else body,
        body[descent.start() :].strip() if descent else "",
        parameters,
        source,
    )


def _takes(solver: Solver, row: dict[str, str]) -> str:
    """Make a table of the data that the solver accepts."""
    negative = "any real X" if solver.accepts_negative else "X ≥ 0"
    facts = [f"| X | {negative} |", *(f"| {title} | {row[key] or 'no'} |" for key, title in COLUMNS.items())]
    facts.append(f"| codes of new samples | {'yes' if solver.encodes else 'no'} |")
    facts.append(f"| seeds change it | {'yes' if solver.draws else 'no'} |")
    return "| | at the defaults |\n| --- | --- |\n" + "\n".join(facts)


def _stopping(rule: Stopping) -> str:
    ends = f"at most {rule.max_iter:,} iterations"
    if rule.converged:
        ends += ", fewer where it has converged by the measure that is the same for all methods"
    if rule.tol:
        ends += f", fewer where the objective falls by at most {rule.tol:g} of itself in {rule.check_every} iterations"
    return f"Its own stopping rule (`stopping=own`): {ends}."


def _index(rows: dict[str, dict[str, str]]) -> str:
    titles = ["solver", "problem", "source", *COLUMNS.values()]
    lines = ["| " + " | ".join(titles) + " |", "|" + " --- |" * len(titles)]
    for name, row in rows.items():
        cells = [f"[{name}]({name}.md)", cell(row["problem"]), cell(row["paper"]), *(row[key] for key in COLUMNS)]
        lines.append("| " + " | ".join(cells) + " |")
    about = f"{len(rows)} methods, each as its YAML sets it. [Where to begin](../choosing-a-method.md)."
    return "---\nhide: [toc]\n---\n\n# Solvers\n\n" + about + "\n\n" + "\n".join(lines) + "\n"
