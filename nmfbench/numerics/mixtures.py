"""Bases that are mixtures of the samples, W = XA: how they multiply, their starts, and the sweeps of two methods."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from nmfbench.numerics import inits
from nmfbench.numerics.factorization import Chain, Chained
from nmfbench.numerics.nnls import nnls
from nmfbench.numerics.optimizers import apg, spectral_norm
from nmfbench.numerics.projections import simplex
from nmfbench.numerics.rng import Streams

START = 30
"""Accelerated gradient steps from uniform codes to those of the first archetypes."""


@dataclass(frozen=True)
class Samples:
    """The samples X, as the methods need them: in products with K = XᵀX.

    Parameters
    ----------
    X: (m, n), or (S, m, n) where they are the codes of a layer below.
    K: XᵀX; None where n > 2m: a product with K then takes longer than two with X, and K more memory than two X.
    """

    X: Tensor
    K: Tensor | None

    @classmethod
    def of(cls, X: Tensor) -> "Samples":
        m, n = X.shape[-2:]
        return cls(X, X.mT @ X if n <= 2 * m else None)

    @classmethod
    def centred(cls, X: Tensor) -> "Samples":
        """X minus its mean sample. With columns of A and H that sum to one X − XAH stays, and K is conditioned better:
        on uniform data archetypes come as close in 50 sweeps as without in 400."""
        return cls.of(X - X.mean(-1, keepdim=True))

    def times(self, B: Tensor) -> Tensor:
        """BK for B (S, r, n)."""
        return (B @ self.X.mT) @ self.X if self.K is None else B @ self.K

    @cached_property
    def norm(self) -> Tensor:
        """‖K‖₂, () or (S,)."""
        m, n = self.X.shape[-2:]
        return spectral_norm(self.X.mT @ self.X if n <= m else self.X @ self.X.mT)


@dataclass(frozen=True)
class Mixtures(Chained):
    """H_{l−1} ≈ H_{l−1}A_lH_l with H_0 = X: a `Chain` whose W_l = H_{l−1}A_l are mixtures of samples or codes.

    Parameters
    ----------
    samples: X, which all restarts share.
    As: weights A_l (…, n, r_l) of the samples.
    Hs: codes H_l (…, r_l, n).
    """

    samples: Samples
    As: tuple[Tensor, ...]
    Hs: tuple[Tensor, ...]

    @property
    def chain(self) -> Chain:
        data = (self.samples.X, *self.Hs[:-1])
        return Chain(tuple(below @ A for below, A in zip(data, self.As, strict=True)), self.Hs)

    @property
    def factors(self) -> dict[str, Tensor]:
        factors = self.chain.factors
        names = (name.replace("W", "A") for name in factors)
        return factors | dict(zip(names, self.As, strict=False))


def selected(samples: Samples, J: Tensor, S: int) -> Mixtures:
    """The samples J (1, r) as bases of S restarts, with the non-negative codes that fit X (m, n) best."""
    A = torch.nn.functional.one_hot(J, samples.X.shape[-1]).mT.to(samples.X)
    W = samples.X @ A
    H = nnls(W.mT @ W, W.mT @ samples.X)
    return Mixtures(samples, (A.expand(S, -1, -1),), (H.expand(S, -1, -1),))


def start(init: str, X: Tensor, rank: int, rng: Streams, layer: int | str = "") -> tuple[Tensor, Tensor]:
    """Aᵀ and H (S, r, n) > 0 for X (m, n) or (S, m, n) of any sign, from one of `inits.MIXTURE_CHOICES`.

    H is uniform with "uniform", and solves the least squares for A with the others, before zeros are filled.
    """
    A = inits.weights(init, X, rank, rng, layer)
    if init == "uniform":  # whose bases are too much alike for least squares
        return A.mT.contiguous(), rng.uniform(f"H{layer}", (rank, X.shape[-1]), X, high=2 / rank)
    W = X @ A
    return inits.filled(A.mT.contiguous()), inits.filled(nnls(W.mT @ W, W.mT @ X))


def archetypes(
    init: str, X: Tensor, centred: Samples, rank: int, rng: Streams, layer: int | str = ""
) -> tuple[Tensor, Tensor]:
    """Aᵀ (S, r, n) and Hᵀ (S, n, r), all rows on the simplex, for X (m, n) or (S, m, n) of any sign."""
    At = inits.weights(init, X, rank, rng, layer).mT.contiguous()
    AK = centred.times(At)
    return At, _on_simplex(torch.full_like(At.mT, 1 / rank), AK @ At.mT, AK.mT, START)


def archetypal_sweep(
    centred: Samples, At: Tensor, Ht: Tensor, inner: int, stretch: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Aᵀ (S, r, n) and Hᵀ (S, n, r) after ``inner`` steps a block that do not raise ½‖X − XAH‖²; rows on the simplex.

    Steps of A are ``stretch`` (S,), 1 to n, times as long as the norm of K allows everywhere, because between few
    samples K curves up to n times less. It grows by half when a sweep moved A, and is halved when no step descended;
    the new one comes back too. Digits: as low in 40 sweeps as without in more than 500.
    """
    AK = centred.times(At)
    Ht = _on_simplex(Ht, AK @ At.mT, AK.mT, inner)
    gram = Ht.mT @ Ht
    lipschitz = spectral_norm(gram) * centred.norm / stretch
    moved = apg(At, lambda P: gram @ centred.times(P), centred.times(Ht.mT), lipschitz, inner, simplex)
    return moved, Ht, torch.where((moved != At).any(-1).any(-1), 1.5 * stretch, stretch / 2).clamp(1, At.shape[-1])


def concept_sweep(samples: Samples, At: Tensor, AK: Tensor, H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Aᵀ, AᵀK and H (S, r, n) after a multiplicative step of H, then of A, for X ≥ 0; columns of XA get unit length."""
    H = H * _ratio(AK, (AK @ At.mT) @ H)
    At = At * _ratio(samples.times(H), (H @ H.mT) @ AK)
    return unit_bases(At, samples.times(At), H)


def unit_bases(At: Tensor, AK: Tensor, H: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Aᵀ, AᵀK and H (S, r, n), scaled so that columns of XA have unit length; XAH stays."""
    length = (AK * At).sum(-1, keepdim=True).clamp(min=0).sqrt()
    length = torch.where(length > 0, length, 1)
    return At / length, AK / length, H * length


def _on_simplex(Ht: Tensor, gram: Tensor, cross: Tensor, steps: int) -> Tensor:
    """Hᵀ (S, n, r) after accelerated gradient steps on ½‖X − WH‖², from WᵀW (S, r, r) and XᵀW (S, n, r)."""
    return apg(Ht, lambda P: P @ gram, cross, spectral_norm(gram), steps, simplex)


def _ratio(p: Tensor, q: Tensor) -> Tensor:
    return p / q.clamp(min=torch.finfo(q.dtype).tiny)
