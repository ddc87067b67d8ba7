"""UCI multi-feature: handwritten digits, described in six ways."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from nmfbench.config import nearest
from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError, DataError

VIEWS = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}


@dataclass(frozen=True, kw_only=True)
class MultiFeature(base.Loader):
    """2,000 digits, 200 a class, in the order of their classes: X (585, 2000) with the default views.

    The scales of the views differ by 10⁴. Duin, UCI Machine Learning Repository, DOI 10.24432/C5HC70, rounded to 5
    digits.

    Parameters
    ----------
    views: distinct names, at least one, of fou, fac, kar, pix, zer, mor. The default is the 585 columns of the WNNF
        paper; 49 % of kar (Karhunen–Loève coefficients) is negative.
    """

    views: list[str] = field(default_factory=lambda: ["fou", "fac", "pix", "zer", "mor"])

    def __post_init__(self) -> None:
        super().__post_init__()
        for view in self.views:
            if view not in VIEWS:
                raise ConfigError(f"no view is called {view!r}{nearest(view, VIEWS)}")
        if not self.views or len(set(self.views)) < len(self.views):
            raise ConfigError(f"views must name at least one view and none twice, got {self.views}")

    def read(self) -> base.Dataset:
        tables = [_view(view) for view in self.views]
        y = tables[0][:, -1].astype(int)
        X = np.concatenate([table[:, :-1].T for table in tables])
        return base.Dataset(
            "mfeat",
            X,
            y,
            preprocessing=(f"views {', '.join(self.views)} ({len(X)} features)",),
            views={view: VIEWS[view] for view in self.views},
        )


def _view(view: str) -> np.ndarray:
    """The table of a view (2000, features + 1), the label last. Raises DataError that names the file."""
    path = files.require("mfeat", "It ships with nmfbench; restore it from there.", f"mfeat/mfeat-{view}.csv")
    try:
        table = pd.read_csv(path).to_numpy(dtype=float)
    except (ValueError, OSError) as error:
        raise DataError(f"mfeat: {path} cannot be read as a table of numbers: {error}") from error
    if table.shape != (2000, VIEWS[view] + 1):
        rows, columns = table.shape
        raise DataError(f"mfeat: {path} is {rows} × {columns}, expected 2000 × {VIEWS[view] + 1}; restore it")
    if not np.array_equal(table[:, -1], np.repeat(np.arange(10), 200)):
        raise DataError(f"mfeat: the last column of {path} must be the labels 0 … 9, 200 of each in order; restore it")
    return table
