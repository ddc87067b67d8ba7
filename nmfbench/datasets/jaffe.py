"""The JAFFE faces, 32 × 32."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class JAFFE(base.ClassDrawingLoader):
    """213 faces of 10 people, 20 to 23 each: X (1024, 213), 0 to 255 before scaling. Lyons, Kamachi & Gyoba."""

    def read_all(self) -> base.Dataset:
        hint = "nmfbench data fetch jaffe says where its photographs are and in which form they are read."
        mat = files.read_mat("jaffe", hint, "jaffe/JAFFE_32x32.mat", X=(1024, 213), Y=(213, 1))
        X = columns.upright(mat["X"], 32, 32)
        return base.Dataset("jaffe", X, mat["Y"].ravel() - 1, (32, 32))
