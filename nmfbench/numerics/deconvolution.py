"""Images as transposed convolutions of small maps, each with kernels of its own."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nmfbench.numerics.leaky import Leaky


@dataclass(frozen=True)
class Blocks:
    """A transposed convolution with stride s and 2s × 2s kernels, padded by s/2, as one matrix product.

    Cut into s × s blocks from s/2 before its first pixel, an image of h × w pixels has P = (⌈h/s⌉ + 1)(⌈w/s⌉ + 1)
    blocks, and four entries of a map reach each of them, each through its own quarter of the kernel. So the maps, moved
    by (0 | 1, 0 | 1), are a (P, 4r) matrix, and an image's kernels an (s², 4r) matrix.

    Parameters
    ----------
    height: height h of an image in pixels, ≥ 1.
    width: width w of an image in pixels, ≥ 1.
    s: stride, even and ≥ 2.
    """

    height: int
    width: int
    s: int

    @property
    def map_shape(self) -> tuple[int, int]:
        """Height and width of a map, h/s and w/s rounded up."""
        return -(-self.height // self.s), -(-self.width // self.s)

    def cut(self, images: Tensor) -> Tensor:
        """Cut images (n, h, w) into blocks (n, s², P)."""
        (h, w), s = self.map_shape, self.s
        right, below = (w + 1) * s - s // 2 - self.width, (h + 1) * s - s // 2 - self.height
        framed = F.pad(images, (s // 2, right, s // 2, below))
        return framed.reshape(-1, h + 1, s, w + 1, s).permute(0, 2, 4, 1, 3).reshape(-1, s * s, (h + 1) * (w + 1))

    def paste(self, blocks: Tensor) -> Tensor:
        """Reassemble images (…, n, h·w) from blocks (…, n, s², P)."""
        (h, w), s = self.map_shape, self.s
        grid = blocks.unflatten(-2, (s, s)).unflatten(-1, (h + 1, w + 1))
        framed = grid.movedim((-4, -3), (-3, -1)).flatten(-2).flatten(-3, -2)
        half = slice(s // 2, s // 2 + self.height), slice(s // 2, s // 2 + self.width)
        return framed[..., half[0], half[1]].flatten(-2)

    def moved(self, W: Tensor) -> Tensor:
        """Arrange maps (…, h/s · w/s, r), moved by (0 | 1, 0 | 1), as a matrix (…, P, 4r)."""
        h, w = self.map_shape
        padded = F.pad(W.unflatten(-2, (h, w)), (0, 0, 1, 1, 1, 1))
        corners = [(i, j) for i in (1, 0) for j in (1, 0)]
        return torch.cat([padded[..., i : i + h + 1, j : j + w + 1, :] for i, j in corners], -1).flatten(-3, -2)

    def moved_back(self, D: Tensor) -> Tensor:
        """The adjoint of `moved`: (…, P, 4r) to (…, h/s · w/s, r)."""
        h, w = self.map_shape
        corners = [(i, j) for i in (0, 1) for j in (0, 1)]
        parts = D.unflatten(-2, (h + 1, w + 1)).chunk(4, -1)
        moved = [part[..., i : i + h, j : j + w, :] for part, (i, j) in zip(parts, corners, strict=True)]
        return torch.stack(moved).sum(0).flatten(-3, -2)


@dataclass(frozen=True)
class Deconvolution(Leaky):
    """Image i ≈ φ(W) ∗ᵀ φ(H_i).

    The bases are the r maps φ(W), images of an s-th of the height and width, so they do not lie in the space of X.
    Bases times codes is not the reconstruction.

    Parameters
    ----------
    Ws: one tensor (…, h/s · w/s, r), the free parameters of the maps.
    H: free parameters (…, n, s², 4r) of the kernels, in the order of `Blocks`.
    eta: current η (S,).
    blocks: the geometry of the convolution.
    latent: raw or sum: the codes are the entries of a sample's r kernels (…, r·2s·2s, n), or the sum of each (…, r, n).
    """

    layering = "convolution"

    blocks: Blocks
    latent: str

    @property
    def kernels(self) -> Tensor:
        """φ(H): (…, n, r, 2s, 2s)."""
        s = self.blocks.s
        grid = self.phi(self.H).unflatten(-1, (2, 2, -1)).unflatten(-4, (s, s))  # …, n, u, v, i, j, r
        return grid.movedim((-1, -3, -5, -2, -4), (-5, -4, -3, -2, -1)).flatten(-2).flatten(-3, -2)

    @property
    def codes(self) -> list[Tensor]:
        return [self.kernels.sum((-2, -1)).mT if self.latent == "sum" else self.factors["H"]]

    @property
    def bases(self) -> list[Tensor]:
        return [self.phi(self.Ws[0])]

    @property
    def factors(self) -> dict[str, Tensor]:
        return {"W": self.phi(self.Ws[0]), "H": self.kernels.flatten(-3).mT}

    def reconstruct(self) -> Tensor:
        A = self.blocks.moved(self.phi(self.Ws[0]))
        return self.blocks.paste(self.phi(self.H) @ A.mT.unsqueeze(-3)).mT
