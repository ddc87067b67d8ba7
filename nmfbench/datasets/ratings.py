"""The toy ratings of the survey on deep matrix factorizations."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from nmfbench.datasets import base, files
from nmfbench.errors import DataError
from nmfbench.papers import survey


@dataclass(frozen=True, kw_only=True)
class Ratings(base.Loader):
    """9 films (3 horror, 3 comedy, 3 biopic) rated by 15 users: X (9, 15), 1 to 10, without labels.

    No rating is missing: "we do not consider missing data in this example". For that: `ratings_synthetic`.
    ``truth``: the factors W1, H1, W2, H2 and H2H1 that the survey prints for the unscaled ratings.
    De Handschutter, Gillis & Siebert (2021), Sec. 4.1.1.
    """

    def read(self) -> base.Dataset:
        path = files.require("ratings", "It ships with nmfbench; restore it from there.", "ratings/ratings.csv")
        try:
            X = pd.read_csv(path, header=None).to_numpy(dtype=float)
        except ValueError as error:
            raise DataError(f"ratings: {path} is not a table of numbers: {error}") from error
        if X.shape != (9, 15):
            raise DataError(f"ratings: {path} is {' × '.join(map(str, X.shape))}, expected 9 × 15; restore it")
        printed = survey.factors() if set(self._scalings()) == {"none"} else {}
        return base.Dataset("ratings", np.ascontiguousarray(X), sample="user", truth=printed)
