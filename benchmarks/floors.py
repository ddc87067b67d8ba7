"""Floors: the matrix products and the unavoidable passes of one iteration of each method, done alone.

A function named after a method returns its floor: a function that does what the docstring says, on arrays of the right
shapes and into memory that is already there. A chain of elementwise steps counts as one pass that reads its arrays and
writes the result; logarithms and roots count as what they are. No iteration uses the results of the one before, so the
numbers mean nothing.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from nmfbench.numerics.nnls import nnls

Floor = Callable[[], object]


class Room:
    """Memory for results, made on first use and used again in every iteration."""

    def __init__(self) -> None:
        self.made: dict[str, Tensor] = {}

    def mm(self, name: str, A: Tensor, B: Tensor) -> Tensor:
        """AB, written into the array of that name."""
        if name not in self.made:
            self.made[name] = A.new_empty(A.shape[0], B.shape[1])
        return torch.mm(A, B, out=self.made[name])

    def like(self, name: str, A: Tensor) -> Tensor:
        """An array of that name like A."""
        return self.made.setdefault(name, torch.empty_like(A))


def uniform(*shape: int) -> Tensor:
    return torch.rand(shape) + 0.1


def one_pass(room: Room, name: str, A: Tensor, B: Tensor) -> Tensor:
    """One elementwise pass over two arrays."""
    return torch.div(A, B, out=room.like(name, A))


def mu(X: Tensor, r: int) -> Floor:
    """Compute WᵀX, XHᵀ, WᵀWH and WHHᵀ, and pass over each factor once."""
    m, n = X.shape
    room, Wt, H, Xt = Room(), uniform(r, m), uniform(r, n), X.mT.contiguous()

    def step() -> None:
        q = room.mm("q", room.mm("G", Wt, Wt.mT), H)
        one_pass(room, "H", room.mm("p", Wt, Xt.mT), q)
        q = room.mm("qW", room.mm("G", H, H.mT), Wt)
        one_pass(room, "W", room.mm("pW", H, Xt), q)

    return step


def gnmf(X: Tensor, r: int, neighbours: int = 5) -> Floor:
    """Do what `mu` does, and multiply H by an adjacency matrix with ten neighbours a sample, in double precision."""
    plain, n, room, H = mu(X, r), X.shape[1], Room(), uniform(r, X.shape[1])
    columns = torch.randint(n, (n, 2 * neighbours)).sort().values.flatten()
    rows = torch.arange(0, n * 2 * neighbours + 1, 2 * neighbours)
    A = torch.sparse_csr_tensor(rows, columns, torch.ones(len(columns), dtype=torch.float64), (n, n))
    wide = H.double().mT.contiguous()

    def step() -> None:
        plain()
        A @ wide
        one_pass(room, "HA", H, H), one_pass(room, "HD", H, H)

    return step


def kl(X: Tensor, r: int, blocks: int = 2) -> Floor:
    """Update H, then W: divide X by WH, multiply by the other factor, and pass over the result once."""
    m, n = X.shape
    room, Wt, H = Room(), uniform(r, m), uniform(r, n)

    def step() -> None:
        for block in range(blocks):
            V = room.mm("V", Wt.mT, H)
            Q = torch.div(X, V, out=V)
            p = room.mm("p", Wt, Q) if block % 2 == 0 else room.mm("pW", H, Q.mT)
            one_pass(room, f"out{block}", p, p)

    return step


def hierarchy(X: Tensor, ranks: Sequence[int], logarithms: int = 0) -> Floor:
    """Run `kl` on each layer; below the top, compute W_{l+1}H_{l+1} and this many logarithms of it."""
    datas = [X, *(uniform(len(X), r) for r in ranks[:-1])]
    layers = [kl(Y, r) for Y, r in zip(datas, ranks, strict=True)]
    rooms = [(Room(), uniform(len(X), above), uniform(above, below)) for below, above in pairwise(ranks)]

    def step() -> None:
        for layer in layers:
            layer()
        for room, W, H in rooms if logarithms else ():
            V = room.mm("above", W, H)
            for _ in range(logarithms):
                torch.log(V, out=room.like("log", V))

    return step


def adam(parameters: Sequence[Tensor]) -> Floor:
    """Take one step of Adam on these parameters, in one fused pass."""
    state = [[torch.zeros_like(p) for p in parameters] for _ in range(3)]
    steps = [torch.zeros(()) for _ in parameters]
    rates = {"beta1": 0.9, "beta2": 0.999, "lr": 1e-3, "eps": 1e-8, "weight_decay": 0.0}
    kinds = {"fused": True, "amsgrad": False, "maximize": False}
    return lambda: adamw([*parameters], state[0], state[1], state[2], [], steps, **kinds, **rates)  # type: ignore


def wnnf(X: Tensor, ranks: Sequence[int], batch: int | None = None) -> Floor:
    """For each batch, compute the residual, its sign and the gradients of all factors, and take one step of Adam."""
    m, n = X.shape
    Ws, H, samples = [uniform(a, b) for b, a in pairwise([*ranks, m])], uniform(n, ranks[0]), X.mT.contiguous()
    b, update, orders = batch or n, adam([*Ws, H]), torch.randperm(n)
    rooms = [Room() for _ in range(n // b + 2)]

    def step() -> None:
        for room, rows in zip(rooms, orders.split(b), strict=False):
            x, code = (samples, H) if batch is None else (samples.index_select(0, rows), H.index_select(0, rows))
            Q = [code]
            for l, W in enumerate(Ws[:-1]):
                Q.append(room.mm(f"Q{l}", Q[-1], W.mT))
            R = torch.addmm(x, Q[-1], Ws[-1].mT, beta=-1, out=room.like("R", x)).sign_()
            room.mm("dW", R.mT, Q[-1])
            G = room.mm("G", R, Ws[-1])
            for l in range(len(Ws) - 2, -1, -1):
                room.mm(f"dW{l}", G.mT, Q[l])
                G = room.mm(f"G{l}", G, Ws[l])
            update()

    return step


def deconv(X: Tensor, shape: tuple[int, int], r: int, s: int = 4, batch: int = 64) -> Floor:
    """For each batch, multiply the kernels by the maps, then do what `wnnf` does with the result."""
    h, w = -(-shape[0] // s), -(-shape[1] // s)
    P, n = (h + 1) * (w + 1), X.shape[1]
    A, H = uniform(P, 4 * r), uniform(n, s * s, 4 * r)
    X = uniform(n, s * s, P)
    update, room = adam([uniform(h * w, r), H]), Room()

    def step() -> None:
        for i in range(0, n, batch):
            x, code = X[i : i + batch].flatten(0, 1), H[i : i + batch].flatten(0, 1)
            R = torch.addmm(x, code, A.mT, beta=-1, out=room.like(f"R{len(x)}", x)).sign_()
            room.mm("dA", R.mT, code)
            room.mm(f"dH{len(x)}", R, A)
            update()

    return step


def proximal(F: Tensor, G: Tensor, C: Tensor, steps: int, room: Room) -> None:
    """Take ``steps`` proximal gradient steps: one product each, and a pass each for step, both momenta and value."""
    for _ in range(steps):
        for name in ("step", "momentum", "momentum of the product"):
            one_pass(room, name, F, C)
        room.mm("QF", F, G)
        torch.dot(F.flatten(), C.flatten())


def dnsnmf(X: Tensor, ranks: Sequence[int], inner: int = 10) -> Floor:
    """For each factor, multiply X by the others, form their Gram matrices, and take ``inner`` proximal steps."""
    m, n = X.shape
    sizes = [m, *ranks]
    Zs = [uniform(a, b) for a, b in pairwise(sizes)]
    H, rooms = uniform(ranks[-1], n), [Room() for _ in range(len(ranks) + 1)]

    def step() -> None:
        left, right = None, [H]
        for l in range(len(Zs) - 1, 0, -1):
            right.insert(0, rooms[l].mm("right", Zs[l], right[0]))
        for room, Z, B in zip(rooms, Zs, right, strict=False):
            C, G = room.mm("XB", X, B.mT), room.mm("BB", B, B.mT)
            if left is not None:
                C = room.mm("C", left.mT, C)
                room.mm("AA", left.mT, left)
            proximal(Z, G, C, inner, room)
            if left is not None:
                for _ in range(inner):
                    room.mm("AAZ", room.made["AA"], Z)
            left = Z if left is None else room.mm("left", left, Z)
        room = rooms[-1]
        assert left is not None
        C, G = room.mm("WX", left.mT, X).mT, room.mm("WW", left.mT, left)
        proximal(H.mT.contiguous(), G, C.contiguous(), inner, room)

    return step


def deep_semi(X: Tensor, ranks: Sequence[int]) -> Floor:
    """For each layer, compute H⁺, Z = XH⁺, ZᵀX and ZᵀZ, and apply the square-root rule to H."""
    m, n = X.shape
    Hs, rooms = [uniform(r, n) for r in ranks], [Room() for _ in ranks]
    Zs = [uniform(m, r) for r in ranks]

    def step() -> None:
        for l, (H, Z, room) in enumerate(zip(Hs, Zs, rooms, strict=True)):
            room.mm("Z", X, torch.linalg.pinv(H))
            if l:
                room.mm("below", torch.linalg.pinv(Zs[l - 1]), room.made["Z"])
                room.mm("product", Zs[l - 1], uniform(ranks[l - 1], ranks[l]))
            A, B = room.mm("ZX", Z.mT, X), room.mm("ZZ", Z.mT, Z)
            p, q = room.mm("p", B, H), room.mm("q", B, H)
            one_pass(room, "out", torch.sqrt(A, out=p), q)

    return step


def deep_mu(X: Tensor, ranks: Sequence[int]) -> Floor:
    """For each factor F of X ≈ AFB, compute AᵀXBᵀ and AᵀAFBBᵀ, and pass over F once."""
    m, n = X.shape
    sizes = [n, *ranks, m]
    F = [uniform(sizes[i + 1], sizes[i]) for i in range(len(ranks) + 1)]
    rooms = [Room() for _ in F]

    def step() -> None:
        A: list[Tensor | None] = [None] * len(F)
        left = F[-1]
        for i in range(len(F) - 2, -1, -1):
            A[i] = left
            left = rooms[i].mm("left", left, F[i]) if i else left
        B: Tensor | None = None
        for f, a, room in zip(F, A, rooms, strict=True):
            C = X if a is None else room.mm("AX", a.mT, X)
            C = C if B is None else room.mm("AXB", C, B.mT)
            Q = f if a is None else room.mm("AAF", room.mm("AA", a.mT, a), f)
            Q = Q if B is None else room.mm("AAFBB", Q, room.mm("BB", B, B.mT))
            one_pass(room, "out", C, Q)
            B = f if B is None else room.mm("B", f, B)

    return step


def unfolded(X: Tensor, r: int, layers: int = 10) -> Floor:
    """Run the network forwards and backwards, take one step of Adam on its weights, and solve for W."""
    m, n = X.shape
    P, Q, H = uniform(layers * r, m), uniform(layers, r, r), uniform(r, n)
    room, update = Room(), adam([uniform(layers * r, m), uniform(layers, r, r)])
    W = nnls((H @ H.mT)[None], (H @ X.mT)[None])[0]  # the solution of a step before

    def step() -> None:
        PX = room.mm("PX", P, X)
        for q in Q:
            one_pass(room, "out", H, room.mm("QH", q, H))
        for q in Q:
            room.mm("GH", H, H.mT), room.mm("QG", q.mT, H)
            one_pass(room, "back", H, H)
        room.mm("dP", PX, X.mT)
        update()
        room.mm("WX", W, X), room.mm("WW", W, W.mT), room.mm("WWH", room.made["WW"], H)
        nnls((H @ H.mT)[None], (H @ X.mT)[None], start=W[None])

    return step


def lc_dmf(X: Tensor, ranks: Sequence[int], inner: int = 10) -> Floor:
    """For each factor of each layer, form both products and take ``inner`` proximal steps with two sums each."""
    m = len(X)
    datas = [X, *(uniform(m, r) for r in ranks[:-1])]
    layers = [(Y, uniform(m, r), uniform(Y.shape[1], r), Room(), Room()) for Y, r in zip(datas, ranks, strict=True)]

    def step() -> None:
        for Y, W, Ht, of_W, of_H in layers:
            proximal(Ht, of_H.mm("WW", W.mT, W), of_H.mm("YW", Y.mT, W), inner, of_H)
            proximal(W, of_W.mm("HH", Ht.mT, Ht), of_W.mm("YH", Y, Ht), inner, of_W)
            for _ in range(2 * inner):  # a projection takes two sums over what is positive at the least
                W.sum(0)

    return step


def deep_kl_minvol(X: Tensor, ranks: Sequence[int], newton: int = 6, more: int = 8) -> Floor:
    """Run `kl` on each layer, invert the Gram matrix, multiply W by it twice, and take Newton steps.

    Newton's method takes about six steps, and below the top two in each of four more.
    """
    plain, m = hierarchy(X, ranks, logarithms=1), len(X)
    layers = [(uniform(m, r), Room(), newton + (more if l + 1 < len(ranks) else 0)) for l, r in enumerate(ranks)]

    def step() -> None:
        plain()
        for W, room, n in layers:
            A = torch.linalg.inv(room.mm("WW", W.mT, W) + torch.eye(W.shape[1]))
            room.mm("WA", W, A), room.mm("T", W, A)
            for _ in range(n):
                root = torch.sqrt(W, out=room.like("root", W))
                one_pass(room, "new", W, root).sum(0), one_pass(room, "slope", W, root).sum(0)

    return step
