"""The CBCL faces, 19 × 19."""

from dataclasses import dataclass

from nmfbench.datasets import base


@dataclass(frozen=True, kw_only=True)
class CBCL(base.Loader):
    """2,429 faces without labels: X (361, 2429) in (0, 1]. MIT Center for Biological and Computational Learning."""

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch cbcl says where it is and in which form it is read."
        mat = base.read_mat("cbcl", hint, "cbcl/CBCL.mat", X=(361, 2429))
        return base.Dataset("cbcl", base.upright(mat["X"], 19, 19), shape=(19, 19))
