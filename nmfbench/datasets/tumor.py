"""Magnetic resonance spectra of a brain tumour."""

from dataclasses import dataclass

from nmfbench.datasets import base, columns, files


@dataclass(frozen=True, kw_only=True)
class Tumor(base.Loader):
    """Spectra of a brain tumour by magnetic resonance: 519 bands on a grid of 13 × 11. X (519, 143)."""

    def read(self) -> base.Dataset:
        hint = "Download it from the data of Gillis' book on NMF; nmfbench data fetch tumor says where."
        X = files.read_mat("tumor", hint, "hyperspectral/Tumor.mat", M=(519, 143))["M"]
        return base.Dataset("tumor", X, scene=columns.scene(13, 11))
