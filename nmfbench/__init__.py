"""nmfbench: a benchmark of non-negative matrix factorization. Names are imported on first use: torch takes a second."""

import importlib
import os
from typing import Any

# OpenMP's threads wait for each other by spinning, unless told otherwise before torch is imported. On a machine that
# has other work to do, a spinning thread keeps the one it waits for from its core: a fit of 0.1 s took 17 s.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_HOMES = {
    "fit": "nmfbench.fitting",
    "FitResult": "nmfbench.fitting",
    "Problem": "nmfbench.solvers.base",
    "Solver": "nmfbench.solvers.base",
    "Stopping": "nmfbench.solvers.base",
    "Dataset": "nmfbench.datasets.base",
    "Loader": "nmfbench.datasets.base",
    "load_dataset": "nmfbench.datasets",
    "evaluate": "nmfbench.evaluators",
    "HALS": "nmfbench.solvers.hals",
    "HierarchicalNMF": "nmfbench.solvers.hierarchical",
    "MultilayerNMF": "nmfbench.solvers.multilayer",
    "MultiplicativeNMF": "nmfbench.solvers.mu",
    "NeuralNMF": "nmfbench.solvers.neural",
    "PCA": "nmfbench.solvers.pca",
    "Raw": "nmfbench.solvers.raw",
    "SemiSupervisedNMF": "nmfbench.solvers.ssnmf",
    "WNNF": "nmfbench.solvers.wnnf",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nmfbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
