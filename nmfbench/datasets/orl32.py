"""The ORL faces, 32 × 32."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class ORL32(base.ClassDrawingLoader):
    """400 faces of 40 people, cropped and aligned by Deng Cai: X (1024, 400), 0 to 255 before scaling.

    This is not a smaller version of `orl` but another experiment: the dnsNMF paper's.
    """

    def read_all(self) -> base.Dataset:
        hint = "Download ORL_32x32.mat from Deng Cai's page; nmfbench data fetch orl32 says where."
        mat = files.read_mat("orl32", hint, "orl/ORL_32x32.mat", fea=(400, 1024), gnd=(400, 1))
        X = columns.upright(mat["fea"].T, 32, 32)
        return base.Dataset("orl32", X, mat["gnd"].ravel() - 1, (32, 32))
