"""The Samson hyperspectral image."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class Samson(base.Loader):
    """The Samson image: 156 bands, 95 × 95 pixels of rock, tree and water. X (156, 9025), pixels column by column.

    ``truth``: spectra "M" (156, 3), each scaled to maximum 1, and abundances "A" (3, 9025) that sum to one, both in
    the order of their names, "materials". Pixels differ in brightness and "A" does not, so compare
    directions, not sizes.
    """

    def read(self) -> base.Dataset:
        hint = "Download it from the data of Gillis' book on NMF; nmfbench data fetch samson says where."
        X = files.read_mat("samson", hint, "hyperspectral/samson_1.mat", V=(156, 9025))["V"]
        path = "hyperspectral/samson_end3_groundtruth.mat"
        truth = files.read_mat("samson", hint, path, A=(3, 9025), M=(156, 3))
        named = {"materials": np.array(["rock", "tree", "water"])}
        return base.Dataset("samson", X, scene=columns.scene(95, 95), truth=truth | named)
