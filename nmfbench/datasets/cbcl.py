"""The CBCL faces, 19 × 19."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CBCL(base.Loader):
    """2,429 faces without labels: X (361, 2429) in (0, 1]. MIT Center for Biological and Computational Learning.

    Parameters
    ----------
    images: columns or rows. "columns": a sample is a face; "rows": a sample is a pixel and X is (2429, 361), as in the
        deep KL-NMF paper, whose codes are then facial features.
    """

    images: str = "columns"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images not in ("columns", "rows"):
            raise ConfigError(f"images must be columns or rows, got {self.images!r}")

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch cbcl says where it is and in which form it is read."
        mat = files.read_mat("cbcl", hint, "cbcl/CBCL.mat", X=(361, 2429))
        X = columns.upright(mat["X"], 19, 19)
        return base.Dataset("cbcl", X.T) if self.images == "rows" else base.Dataset("cbcl", X, shape=(19, 19))
