"""scikit-learn's digits: small enough for a first try."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nmfbench.datasets import base


@dataclass(frozen=True, kw_only=True)
class Digits(base.Loader):
    """1,797 handwritten digits of 8 × 8 pixels in 10 classes: X (64, 1797), 0 to 16 before scaling.

    Part of scikit-learn; test half of Alpaydin & Kaynak's Optical Recognition of Handwritten Digits (UCI, 1998).
    """

    def read(self) -> base.Dataset:
        # scikit-learn takes a second to import, and planning needs none of it but this file.
        spec = find_spec("sklearn")
        assert spec and spec.origin
        table = np.loadtxt(Path(spec.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
        return base.Dataset("digits", table[:, :-1].T, table[:, -1].astype(int), (8, 8))
