"""nmfbench: a benchmark of non-negative matrix factorization. Names are imported on first use: torch takes a second."""

import importlib
import os
import time
from typing import Any


def _is_busy() -> bool:
    """Whether other processes run on half of the cores at least, at three moments; True where the system is silent."""
    running = []
    try:
        for _ in range(3):
            with open("/proc/loadavg") as file:
                running.append(int(file.read().split()[3].partition("/")[0]) - 1)  # this process is one of them
            time.sleep(0.002)
    except (OSError, ValueError, IndexError):
        return True
    return 2 * min(running) >= (os.cpu_count() or 1)


# OpenMP's threads wait for each other by spinning, unless told otherwise before torch is imported. On an idle machine
# that makes products on two threads 1.3 to 1.6 times as fast. On a machine that has other work to do, a spinning thread
# keeps the one it waits for from its core: a fit of 0.1 s took 17 s.
if _is_busy():
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_HOMES = {
    "fit": "nmfbench.fitting",
    "FitResult": "nmfbench.fitting",
    "Problem": "nmfbench.numerics.problem",
    "Solver": "nmfbench.solvers.base",
    "Stopping": "nmfbench.solvers.base",
    "NMFTransformer": "nmfbench.adapters.transformer",
    "Dataset": "nmfbench.datasets.base",
    "Loader": "nmfbench.datasets.base",
    "load_dataset": "nmfbench.datasets",
    "list_solvers": "nmfbench.notebook",
    "load_records": "nmfbench.notebook",
    "load_results": "nmfbench.notebook",
    "run": "nmfbench.notebook",
    "evaluate": "nmfbench.evaluators.clustering",
    "ANLS": "nmfbench.solvers.anls",
    "ArchetypalAnalysis": "nmfbench.solvers.archetypal",
    "Autoencoder": "nmfbench.solvers.autoencoder",
    "ConceptFactorization": "nmfbench.solvers.concept",
    "ConvexNMF": "nmfbench.solvers.convex",
    "DANMF": "nmfbench.solvers.danmf",
    "DeconvWNNF": "nmfbench.solvers.wnnf_deconv",
    "DeepArchetypalAnalysis": "nmfbench.solvers.deep_archetypal",
    "DeepConceptFactorization": "nmfbench.solvers.deep_concept",
    "DeepKL": "nmfbench.solvers.deep_kl",
    "DeepMU": "nmfbench.solvers.deep_mu",
    "DeepNonSmoothNMF": "nmfbench.solvers.dnsnmf",
    "DeepONMF": "nmfbench.solvers.deep_onmf",
    "DeepSemiNMF": "nmfbench.solvers.deep_semi",
    "DeepSparseNMF": "nmfbench.solvers.deep_sparse",
    "DeepWNNF": "nmfbench.solvers.wnnf_deep",
    "GNMF": "nmfbench.solvers.gnmf",
    "HALS": "nmfbench.solvers.hals",
    "HierarchicalNMF": "nmfbench.solvers.hierarchical",
    "HoyerNMF": "nmfbench.solvers.hoyer",
    "LayerCentricDMF": "nmfbench.solvers.lc_dmf",
    "MinVolDeepKL": "nmfbench.solvers.deep_kl_minvol",
    "MultiViewSemiNMF": "nmfbench.solvers.multiview",
    "MultilayerKL": "nmfbench.solvers.multilayer_kl",
    "MultilayerNMF": "nmfbench.solvers.multilayer",
    "MultiplicativeNMF": "nmfbench.solvers.mu",
    "NeuralNMF": "nmfbench.solvers.neural",
    "NonSmoothNMF": "nmfbench.solvers.nsnmf",
    "OnlineMultiplicativeNMF": "nmfbench.solvers.online_mu",
    "OrthogonalNMF": "nmfbench.solvers.onmf",
    "OrthogonalTriNMF": "nmfbench.solvers.tri",
    "PCA": "nmfbench.solvers.pca",
    "Raw": "nmfbench.solvers.raw",
    "ProjectiveNMF": "nmfbench.solvers.projective",
    "RobustNMF": "nmfbench.solvers.robust",
    "SNPA": "nmfbench.solvers.snpa",
    "SPA": "nmfbench.solvers.spa",
    "SemiNMF": "nmfbench.solvers.semi",
    "SemiSupervisedNMF": "nmfbench.solvers.ssnmf",
    "SparseNMF": "nmfbench.solvers.sparse",
    "UnfoldedNMF": "nmfbench.solvers.unfolded",
    "WNNF": "nmfbench.solvers.wnnf",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'nmfbench' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
