"""The Statlog satellite image, as R's package mlbench carries it."""

import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from nmfbench.datasets import base, sources
from nmfbench.errors import DataMissing


@dataclass(frozen=True, kw_only=True)
class Satellite(base.Loader):
    """Neighbourhoods of 3 × 3 pixels in 4 bands, by the land cover of the middle one: X (36, 6435), 6 classes.

    Landsat; Srinivasan, Statlog (UCI, 1993), DOI 10.24432/C55887.
    """

    def read(self) -> base.Dataset:
        (path,) = sources.packaged("satellite")
        table = _data_frame(path, "Satellite")
        y = table.pop("classes").cat.codes.to_numpy()
        return base.Dataset("satellite", table.to_numpy(float).T, y, feature_names=tuple(table.columns))


def _data_frame(path: Path, name: str) -> pd.DataFrame:
    """A data frame of R. Raises DataMissing without the package that reads it."""
    try:
        import rdata
    except ImportError as error:
        raise DataMissing(f"reading {path.name} needs rdata: pip install 'nmfbench[data]' ({error})") from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Unknown encoding")  # old files name none; all texts are ASCII
        return rdata.read_rda(path)[name]
