"""Loaders, one file each, and what can be asked of them by name."""

import hashlib

from nmfbench import config
from nmfbench.datasets.base import DATA_DIR, Dataset, Loader
from nmfbench.errors import ConfigError, DataError, DataMissing


def load_dataset(name: str, **parameters: object) -> Dataset:
    """The dataset of that name (see `nmfbench list datasets`), with parameters of its YAML replaced.

    Raises ConfigError for an unknown name or parameter, DataMissing or DataError when the data is not there or bad.
    """
    return config.build(config.defaults("dataset", name) | parameters, Loader, "dataset").load()


def look(name: str) -> tuple[str, str]:
    """How it stands with a dataset ("here", "missing", "damaged" or "yours": needs a path), and a line on it."""
    try:
        data = load_dataset(name)
        for line in _shipped_sums(name):
            digest, _, path = line.partition("  ")
            if hashlib.sha256((DATA_DIR / path).read_bytes()).hexdigest() != digest:
                return "damaged", f"{DATA_DIR / path} is not the file that was shipped; restore it"
    except DataMissing as error:
        return "missing", str(error)
    except (DataError, OSError) as error:
        return "damaged", str(error)
    except ConfigError:
        return "yours", config.describe("dataset", name)
    classes = f"{data.n_classes} classes" if data.n_classes else "no labels"
    return "here", f"{data.n_samples} samples × {data.X.shape[0]} features, {classes}"


def _shipped_sums(name: str) -> list[str]:
    """The lines of SHA256SUMS on this dataset's shipped files."""
    lines = (DATA_DIR / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.partition("  ")[2].startswith(f"{name}/")]
