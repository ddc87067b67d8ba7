"""The swimmer, as the package cvanmf carries it."""

from dataclasses import dataclass

import pandas as pd

from nmfbench.datasets import base, columns, sources


@dataclass(frozen=True, kw_only=True)
class Swimmer(base.Loader):
    """256 drawings of a body with four limbs in four positions each, 32 × 32 pixels, without labels: X (1024, 256).

    17 parts make all of them: 16 limbs and the body. Donoho & Stodden (2003).
    """

    def read(self) -> base.Dataset:
        (path,) = sources.packaged("swimmer")
        pixels = pd.read_csv(path, sep="\t", index_col=0).to_numpy(float)
        return base.Dataset("swimmer", columns.upright(pixels, 32, 32), shape=(32, 32))
