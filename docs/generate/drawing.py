"""Draw the picture of a solver: the bases of a short fit to faces."""

import io

import torch
from PIL import Image, ImageChops

from nmfbench import Solver, Stopping, config, fit, load_dataset
from nmfbench.numerics.problem import place
from nmfbench.reports import plots

RANK, SHOWN, PEOPLE = 16, 16, 20
STOPPING = Stopping(max_iter=200, max_seconds=3)


def bases(name: str) -> tuple[bytes, str]:
    """Draw each layer's bases of 200 ORL faces as a PNG with a caption; both are empty if the method has no bases."""
    torch.set_num_threads(1)
    faces = load_dataset("orl_28x23")
    node = config.defaults("solver", name)
    node = {key: RANK if value == "${rank}" else value for key, value in node.items()}
    solver = config.build(node, Solver, f"solver {name}")
    problem = place(faces.X[:, : 10 * PEOPLE], shape=faces.shape)
    (restart,) = fit(solver, problem, stopping=STOPPING)
    layers = [layer.numpy() for layer in restart.factorization.bases]
    stride = getattr(solver, "stride", 1)  # the maps of a convolution are smaller than the images by its stride
    shape = tuple(-(-side // stride) for side in faces.shape)
    if not layers:
        return b"", ""
    panels = [
        plots.Tiles(
            "" if len(layers) == 1 else f"layer {number}, {layer.shape[1]} bases",
            layer.T[:SHOWN].reshape(-1, *shape),
            8,
            signed=bool((layer < 0).any()),
        )
        for number, layer in enumerate(layers, start=1)
    ]
    drawn = plots.tiles([[panel] for panel in panels], "", "", width=4)
    signed = any(bool((layer < 0).any()) for layer in layers)
    colours = "; blue is negative" if signed else ""
    count = f"after {restart.iterations} iterations" if restart.iterations else "in one step"
    which = f"the first {SHOWN} of each layer" if any(layer.shape[1] > SHOWN for layer in layers) else "all"
    return _small(
        plots.file(drawn, "png")
    ), f"{'Bases' if stride == 1 else 'Maps'} of {10 * PEOPLE} ORL faces at rank {RANK}, {which}, {count}{colours}."


def _small(png: bytes) -> bytes:
    """Crop the white margins, and reduce the picture to 64 colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    shown = ImageChops.difference(image, Image.new("RGB", image.size, "white")).getbbox()
    with io.BytesIO() as file:
        image.crop(shown).quantize(64).save(file, "PNG", optimize=True)
        return file.getvalue()
