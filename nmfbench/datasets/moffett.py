"""A part of the Moffett Field hyperspectral image."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class Moffett(base.Loader):
    """A part of the Moffett Field image: 159 bands, 50 × 50 pixels. X (159, 2500), pixels column by column."""

    def read(self) -> base.Dataset:
        hint = "Download it from the data of Gillis' book on NMF; nmfbench data fetch moffett says where."
        X = files.read_mat("moffett", hint, "hyperspectral/Moffet.mat", X=(159, 2500))["X"]
        return base.Dataset("moffett", X, scene=columns.scene(50, 50))
