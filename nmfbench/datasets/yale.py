"""The Yale faces, 32 × 32."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class Yale(base.ClassDrawingLoader):
    """165 faces of 15 people, 11 each, cropped and aligned by Deng Cai: X (1024, 165), 0 to 255 before scaling."""

    def read_all(self) -> base.Dataset:
        hint = "Download Yale_32x32.mat from Deng Cai's page; nmfbench data fetch yale says where."
        mat = files.read_mat("yale", hint, "yale/Yale_32x32.mat", fea=(165, 1024), gnd=(165, 1))
        X = columns.upright(mat["fea"].T, 32, 32)
        return base.Dataset("yale", X, mat["gnd"].ravel() - 1, (32, 32))
