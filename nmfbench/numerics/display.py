"""Format factors and results for a notebook: shapes in a line, tables in HTML."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from torch import Tensor


def shapes(tensors: Mapping[str, Tensor]) -> str:
    """List the shapes of factors (…, m, r) in a line: "W 5 × 2, H 2 × 7"."""
    return ", ".join(f"{name} {' × '.join(map(str, tensor.shape))}" for name, tensor in tensors.items())


def factors(tensors: Mapping[str, Tensor]) -> str:
    """Make an HTML table of factors (…, m, r): shape, smallest and largest entry, and share of zeros."""
    rows = [
        [name, " × ".join(map(str, tensor.shape)), f"{tensor.min():.4g}", f"{tensor.max():.4g}", f"{share:.1%}"]
        for name, tensor in tensors.items()
        for share in [(tensor == 0).double().mean().item()]
    ]
    return table(["factor", "shape", "smallest", "largest", "zeros"], rows)


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Make an HTML table; the first cell of each row is its heading."""
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    body = ""
    for first, *cells in rows:
        others = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        body += f'<tr><th scope="row">{escape(str(first))}</th>{others}</tr>'
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
