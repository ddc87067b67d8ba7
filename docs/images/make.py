"""Make the pictures of this folder: python docs/images/make.py FOLDER, which keeps the runs for the next time.

Needs Chromium, and the datasets samson and news20. On one core it takes about ten minutes.
"""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from nmfbench.cli import main

HERE = Path(__file__).resolve().parent
RUNS = (
    "solver=mu,hals,wnnf,pca,raw,semi,gnmf,onmf dataset=digits,uci_wine,orl_28x23 seeds=5",
    "solver=mu,hals,wnnf,semi dataset=digits rank=5,10,20,40 seeds=5",
)
OTHERS = (
    "solver=deep_kl_minvol dataset=samson solver.ranks=[6,3] seeds=1 stopping.max_iter=500",
    "solver=mu dataset=news20 rank=6 seeds=1 stopping.max_iter=200",
)
PICTURES = {
    "scores": ("scores", "digits"),
    "sweep": ("sweep", "digits"),
    "frontier": ("frontier", "orl_28x23"),
    "convergence": ("convergence", "orl_28x23"),
    "bases": ("bases", "orl_28x23 solver=gnmf"),
    "words": ("bases", "news20"),
    "spectra": ("bases", "samson"),
    "maps": ("maps", "samson"),
    "codes": ("codes", "digits solver=gnmf"),
    "confusion": ("confusion", "digits solver=gnmf"),
}
"""File name → the kind of picture, and the words that choose its runs."""
WIDTH, COLOURS, GREYS = 640, 96, 24
SCREENS = {"report_1400": (1400, 990), "report_390": (390, 844)}
CHROMIUM = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"


def nmfbench(*words: str) -> None:
    """Run a command. Raises SystemExit if it fails."""
    if code := main(list(words)):
        raise SystemExit(code)


def keep(image: Image.Image, name: str) -> None:
    """Write the image as a PNG of few colours."""
    image = image.convert("RGB")
    red, green, blue = (np.asarray(band, dtype=int) for band in image.split())
    is_grey = max(abs(red - green).max(), abs(green - blue).max()) < 16
    with io.BytesIO() as content:
        image.quantize(GREYS if is_grey else COLOURS, dither=Image.Dither.NONE).save(content, "PNG", optimize=True)
        (HERE / f"{name}.png").write_bytes(content.getvalue())


def make(folder: Path) -> None:
    """Run what is missing in the folder, and make every picture."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)  # so that the report shows results/local, as a user's does
    for runs in (*RUNS, *OTHERS):
        results = [] if runs in RUNS else ["results_dir=results/others"]
        nmfbench("run", "-m", *runs.split(), "save_codes=true", "threads=1", *results)
    for name, (kind, choice) in PICTURES.items():
        results = "results/local" if choice.split()[0] in RUNS[0] else "results/others"
        shutil.rmtree(f"{results}/figures", ignore_errors=True)
        nmfbench("plot", kind, *f"dataset={choice}".split(), "--results", results)
        (png,) = Path(results, "figures").glob("*.png")
        with Image.open(png) as image:
            keep(image.resize((WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS), name)
    nmfbench("report")
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    for name, (width, height) in SCREENS.items():
        command = [str(browser), *CHROMIUM.split(), "--hide-scrollbars", f"--window-size={width},{height}"]
        command += [f"--screenshot={folder / 'screen.png'}", (folder / "results/local/report/index.html").as_uri()]
        subprocess.run(command, check=True, capture_output=True)
        with Image.open(folder / "screen.png") as image:
            keep(image, name)


if __name__ == "__main__":
    make(Path(sys.argv[1]).resolve())
