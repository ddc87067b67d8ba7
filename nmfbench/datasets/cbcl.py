"""The CBCL faces, 19 × 19."""

from dataclasses import dataclass

from nmfbench.datasets import base
from nmfbench.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class CBCL(base.Loader):
    """2,429 faces without labels: X (361, 2429) in (0, 1]. MIT Center for Biological and Computational Learning.

    With ``images="rows"`` X is (2429, 361) as in the deep KL-NMF paper: a sample is a pixel, and the codes of methods
    that factor the bases are images, of 19 × 19 pixels in row-major order.
    """

    images: str = "columns"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.images not in ("columns", "rows"):
            raise ConfigError(f"images must be columns or rows, got {self.images!r}")

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch cbcl says where it is and in which form it is read."
        mat = base.read_mat("cbcl", hint, "cbcl/CBCL.mat", X=(361, 2429))
        X = base.upright(mat["X"], 19, 19)
        if self.images == "rows":
            return base.Dataset("cbcl", X.T, preprocessing=("images in rows",))
        return base.Dataset("cbcl", X, shape=(19, 19))
