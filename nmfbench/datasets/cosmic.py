"""COSMIC's mutational signatures, as the package SigProfilerAssignment carries them."""

from dataclasses import dataclass

import pandas as pd

from nmfbench.datasets import base, sources


@dataclass(frozen=True, kw_only=True)
class Cosmic(base.Loader):
    """86 signatures, each a distribution over 96 kinds of mutation, without labels: X (96, 86).

    Single base substitutions in the human genome GRCh38, COSMIC 3.4, found by NMF in tumours. Alexandrov et al. (2020).
    """

    def read(self) -> base.Dataset:
        (path,) = sources.packaged("cosmic")
        table = pd.read_csv(path, sep="\t", index_col=0)
        return base.Dataset("cosmic", table.to_numpy(float), feature_names=tuple(table.index), sample="signature")
