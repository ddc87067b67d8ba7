"""CNN features of the Office images."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base, files
from nmfbench.errors import ConfigError

DOMAINS = {"amazon": 958, "webcam": 295, "dslr": 157}


@dataclass(frozen=True, kw_only=True)
class Office10(base.Loader):
    """GoogLeNet features (1,024, ≥ 0) of Office images in 10 classes: X (1024, 1410), or those of one domain.

    A small stand-in for `imagenet_cnn`.

    Parameters
    ----------
    domain: all, amazon (958 images), webcam (295) or dslr (157); "all" has them one after the other.
    """

    domain: str = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.domain not in ("all", *DOMAINS):
            raise ConfigError(f"domain must be one of all, {', '.join(DOMAINS)}, got {self.domain!r}")

    def read(self) -> base.Dataset:
        hint = "nmfbench data fetch office10 says what the files are."
        parts = [
            files.read_mat(
                "office10", hint, f"cnn_features/office10_googlenet1024_{name}.mat", fts=(n, 1024), labels=(1, n)
            )
            for name, n in DOMAINS.items()
            if self.domain in ("all", name)
        ]
        X = np.concatenate([part["fts"].T for part in parts], axis=1)
        y = np.concatenate([part["labels"].ravel() for part in parts]) - 1
        return base.Dataset("office10", X, y, preprocessing=(f"domain {self.domain}",))
