"""Make a page for each dataset from its loader, YAML, source and datasets/README.md, with facts if the data is here."""

import importlib
import inspect
import re
from functools import cache

import numpy as np
import result_pages
from scipy.sparse import issparse
from words import cell, escaped

from nmfbench import Dataset, Loader, config
from nmfbench.datasets import files, sources
from nmfbench.errors import DataMissing

HEADING = "Parameters\n----------\n"
LARGE = ("imagenet_like", "urban_synthetic")
"""Generated data that takes seconds and a gigabyte."""
WITH_LIBRARIES = ("uci_breast_cancer", "uci_iris", "uci_wine")
"""Tables that come with scikit-learn."""
STATES = {
    sources.SHIPPED: "It ships with nmfbench, or with a library that nmfbench needs.",
    sources.ON_APPLICATION: "On application: nmfbench may not pass it on, and no program may download it.",
    sources.BY_HAND: "By hand: a person puts its files into the data folder.",
    "made": "It is made when it is needed, from a seed; there is nothing to get.",
    "yours": "It is for files of yours: see [Your own data](../own-data.md).",
    "scikit-learn": "It comes with scikit-learn, which nmfbench needs; UCI Machine Learning Repository, CC BY 4.0.",
    sources.IN_PACKAGE: "In a package, from which its file is read; none of the package's code runs.",
}


def pages() -> dict[str, str | bytes]:
    """Return address → content of the datasets' pages."""
    names = config.options("dataset", [config.CONFIG_DIR])
    return {"datasets/index.md": _index(names)} | {f"datasets/{name}.md": _page(name) for name in names}


def _page(name: str) -> str:
    node = config.defaults("dataset", name)
    kind = _class(node)
    about, _, after = inspect.cleandoc(kind.__doc__ or "").partition(HEADING)
    loads = "" if "???" in node.values() else f"```sh\nnmfbench run solver=mu dataset={name} seeds=2\n```"
    card = _card(name)
    parts = [
        f"# {name}",
        config.describe("dataset", name) + ".",
        escaped(about.strip()),
        *(
            ["| as loaded | |\n| --- | --- |\n" + "\n".join(f"| {key} | {value} |" for key, value in card.items())]
            if card
            else []
        ),
        "## Source",
        _how(name),
        "\n".join(f"- {key}: {value}" for key, value in _described(_source_name(name)).items()),
        _files(name),
        "## How to run it" if loads else "",
        loads,
        "## Settings",
        f"```yaml\n{config.text('dataset', name).rstrip()}\n```",
        _parameters(after),
    ]
    if rows := result_pages.rows_of(dataset=name):
        parts += ["## In the tables", rows]
    return "\n\n".join(part for part in parts if part) + "\n"


def _class(node: dict[str, object]) -> type[Loader]:
    module, _, name = str(node["_target_"]).rpartition(".")
    return getattr(importlib.import_module(module), name)


def _parameters(section: str) -> str:
    pairs = (re.fullmatch(r"(\w+): (.*)", entry, re.DOTALL) for entry in re.split(r"\n(?! )", section.strip()))
    lines = [f"| `{pair[1]}` | {cell(' '.join(pair[2].split()))} |" for pair in pairs if pair]
    return "\n".join(["| parameter | meaning |", "| --- | --- |", *lines])


def _source_name(name: str) -> str:
    """Return the dataset whose files it reads: itself, or for a variant, the dataset at the start of its name."""
    return name if name in sources.SOURCES else name.partition("_")[0]


def _where(name: str) -> str:
    """Return the key of `STATES` that says where the dataset comes from."""
    kind, node = _class(config.defaults("dataset", name)), config.defaults("dataset", name)
    if kind.own or "???" in node.values():
        return "yours"
    if source := sources.SOURCES.get(_source_name(name)):
        return source.how
    return "scikit-learn" if name in WITH_LIBRARIES else "made"


def _how(name: str) -> str:
    """Explain how to get the dataset, in sentences."""
    where, source = _where(name), sources.SOURCES.get(_source_name(name))
    if source is None or where == "yours":
        return STATES[where]
    what = source.what.format(packages="PACKAGES")
    sentences = [STATES[source.how]]
    if source.how != sources.SHIPPED:
        sentences.append(f"`{what}`" if source.how == sources.IN_PACKAGE else what)
    if source.page:
        sentences.append(f"Its page: <{source.page}>.")
    if source.url:
        sentences.append(f"`nmfbench data fetch {_source_name(name)}` downloads it from <{source.url}>.")
    if source.how not in (sources.SHIPPED, sources.IN_PACKAGE):
        sentences.append(f"`nmfbench data fetch {_source_name(name)}` says this again, with your folder.")
    return " ".join(filter(None, sentences))


def _files(name: str) -> str:
    """List the dataset's files, with the checksums of those that nmfbench was tested with."""
    source = sources.SOURCES.get(_source_name(name))
    if source is None or not source.files:
        return ""
    lines = [f"- `{path}`" + (f", sha256 `{tested}`" if tested else "") for path, tested in source.files.items()]
    return "Its files, below the data folder:\n\n" + "\n".join(lines)


@cache
def _readme() -> list[tuple[list[str], list[list[str]]]]:
    """Read the tables of datasets/README.md as titles and rows."""
    text = (files.DATA_DIR / "README.md").read_text(encoding="utf-8")
    tables = re.findall(r"^\|.*?(?=\n\n)", text, flags=re.DOTALL | re.MULTILINE)
    split = [[[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()] for table in tables]
    return [(titles, rows) for titles, _, *rows in split]


def _described(name: str) -> dict[str, str]:
    """Return the row of a dataset in datasets/README.md: title of the column → cell."""
    for titles, rows in _readme():
        for first, *cells in rows:
            if re.search(rf"`{name}[`/]", first):
                return dict(zip(titles[1:], cells, strict=True))
    return {}


@cache
def _data(name: str) -> Dataset | None:
    """Load the data if every machine with nmfbench has it and it is quickly generated; else return None."""
    if name in LARGE or _where(name) not in (sources.SHIPPED, "scikit-learn", "made"):
        return None
    try:
        return config.build(config.defaults("dataset", name), Loader, "dataset").load()
    except DataMissing:  # some planted data needs data that is not shipped
        return None


def _card(name: str) -> dict[str, str]:
    """Return facts about the data as it is loaded by default; none if it is not here."""
    data = _data(name)
    if data is None:
        return {}
    values = data.X.data if issparse(data.X) else data.X
    zeros = 1 - np.count_nonzero(values) / np.prod(data.X.shape)
    card = {"samples × features": f"{data.n_samples:,} × {data.X.shape[0]:,}"}
    if data.y is not None:
        sizes = np.unique(data.y, return_counts=True)[1]
        each = f"{sizes.min()} to {sizes.max()}" if sizes.min() < sizes.max() else f"{sizes.min()}"
        card["classes"] = f"{len(sizes)}, of {each} samples"
    if data.shape:
        card["image"] = " × ".join(map(str, data.shape))
    card |= {
        "entries": f"{values.min():.4g} to {values.max():.4g}, {zeros:.1%} are 0",
        "error of the mean sample": f"{data.error_of_mean:.3f}",
        "preprocessing": "; ".join(data.preprocessing) or "none",
        "sha256 of X and y": f"`{data.sha256}`",
    }
    return card


def _index(names: list[str]) -> str:
    lines = ["| dataset | | samples × features | classes | where |", "| --- | --- | --- | --- | --- |"]
    for name in names:
        data = _data(name)
        size = f"{data.n_samples:,} × {data.X.shape[0]:,}" if data else _described(name).get("shape and classes", "")
        classes = str(data.n_classes or "–") if data else ""
        lines.append(
            f"| [{name}]({name}.md) | {config.describe('dataset', name)} | {size} | {classes} | {_where(name)} |"
        )
    about = (
        "`nmfbench data list` shows which are on your machine; nothing is downloaded during a run. "
        "[Your own data](../own-data.md) becomes a dataset with one command."
    )
    return "---\nhide: [toc]\n---\n\n# Datasets\n\n" + about + "\n\n" + "\n".join(lines) + "\n"
