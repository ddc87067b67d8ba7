"""The Urban hyperspectral image."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class Urban(base.Loader):
    """The HYDICE Urban image: 162 bands, 307 × 307 pixels. X (162, 94249), pixels column by column."""

    def read(self) -> base.Dataset:
        hint = "It is the user's own Urban.mat, array Y (162, 94249); nmfbench data fetch urban says where to get it."
        X = files.read_mat("urban", hint, "urban/Urban.mat", Y=(162, 307 * 307))["Y"]
        return base.Dataset("urban", X, scene=columns.scene(307, 307))
