"""scikit-learn's digits: small enough for a first try."""

from dataclasses import dataclass

from nmfbench.datasets import base


@dataclass(frozen=True, kw_only=True)
class Digits(base.Loader):
    """1,797 handwritten digits of 8 × 8 pixels in 10 classes: X (64, 1797), 0 to 16 before scaling.

    Part of scikit-learn; test half of Alpaydin & Kaynak's Optical Recognition of Handwritten Digits (UCI, 1998).
    """

    def read(self) -> base.Dataset:
        from sklearn.datasets import load_digits  # takes seconds to import, and planning needs none of it

        digits = load_digits()
        return base.Dataset("digits", digits.data.T, digits.target, (8, 8))
