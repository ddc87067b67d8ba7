"""Gene expression of leukemia, as the package cvanmf carries it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nmfbench.datasets import base, sources


@dataclass(frozen=True, kw_only=True)
class Leukemia(base.Loader):
    """5,000 genes in the bone marrow of 38 patients: X (5000, 38), AML or ALL of B-cells or of T-cells, 3 classes.

    Golub et al. (1999), with the genes of Brunet, Tamayo, Golub & Mesirov (2004).
    """

    def read(self) -> base.Dataset:
        (path,) = sources.packaged("leukemia")
        table = pd.read_csv(path, sep="\t", index_col=0)
        # A patient is called AML_13, ALL_19769_B-cell or ALL_14402_T-cell.
        kinds = [column.split("_")[-1 if column.startswith("ALL") else 0] for column in table.columns]
        y = np.unique(kinds, return_inverse=True)[1]
        return base.Dataset("leukemia", table.to_numpy(float), y, feature_names=tuple(table.index), sample="patient")
