"""Blood cells, as the package scanpy carries them."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base, sources
from nmfbench.errors import ConfigError, DataMissing


@dataclass(frozen=True, kw_only=True)
class PBMC68k(base.Loader):
    """700 blood cells of 10 types, expression of 765 genes: sparse X (765, 700), log(1 + counts, scaled by cell).

    10x Genomics; types by Zheng et al. (2017). The genes are those that vary most, the cells a sample of 68,579.

    Parameters
    ----------
    dense: whether X is made dense, for solvers that need it so.
    """

    dense: bool = False

    def read(self) -> base.Dataset:
        from nmfbench.datasets.formats import apart  # takes a moment, and planning reads nothing

        (path,) = sources.packaged("pbmc68k")
        try:
            found = apart.read("h5ad", path)
        except ConfigError as error:  # without the extra that reads HDF5
            raise DataMissing(f"pbmc68k: {error}") from error
        y = np.unique(found.arrays["bulk_labels"], return_inverse=True)[1]
        X = base.sparse_or_dense(found.arrays["raw/X"].T, self.dense)
        return base.Dataset("pbmc68k", X, y, feature_names=found.feature_names, sample="cell")
