"""UCI's small tables that come with scikit-learn."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from nmfbench.config import nearest
from nmfbench.datasets import base
from nmfbench.errors import ConfigError

FILES = {"iris": "iris.csv", "wine": "wine_data.csv", "breast_cancer": "breast_cancer.csv"}


@dataclass(frozen=True, kw_only=True)
class UCI(base.Loader):
    """Iris, wine or breast cancer, part of scikit-learn: X (4, 150), (13, 178) or (30, 569), in 3, 3 and 2 classes.

    Their features have different units. UCI Machine Learning Repository, CC BY 4.0: Fisher (1936), Aeberhard & Forina
    (1991), Wolberg, Mangasarian, Street & Street (1995).

    Parameters
    ----------
    table: iris, wine or breast_cancer.
    """

    table: str = "iris"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.table not in FILES:
            raise ConfigError(f"no table is called {self.table!r}{nearest(self.table, FILES)}")

    def read(self) -> base.Dataset:
        spec = find_spec("sklearn")
        assert spec and spec.origin
        # The first line holds the numbers of samples and features, and the names of the classes.
        path = Path(spec.origin).parent / "datasets/data" / FILES[self.table]
        rows = np.loadtxt(path, delimiter=",", skiprows=1)
        return base.Dataset(f"uci_{self.table}", rows[:, :-1].T, rows[:, -1].astype(int))
