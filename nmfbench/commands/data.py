"""The commands of `nmfbench data`: list, verify, fetch, build, import."""

import argparse
import re
import shlex
from pathlib import Path

from nmfbench import config
from nmfbench.errors import ConfigError, DataError

_IMPORT_FLAGS = (
    ("y", "NAME", "the array or column with the labels, or a file of them"),
    ("sep", "CHAR", "what separates the fields of a text table; tab, blank, comma, semicolon, bar or a character"),
    ("decimal", "CHAR", "its decimal mark: . or ,"),
    ("encoding", "CODEC", "its encoding"),
    ("names", "NAME", "the column that names the samples (with --samples columns: the features)"),
)
_IMPORT_LISTS = (
    ("x", "the array with the data (.npz, .mat, .h5 …), or the sheet (.xlsx); several times: arrays to be joined"),
    ("drop", "a column that is no feature; may be given several times"),
    ("scaling", "max, column_max, min_max or another scaling of X; several times: one after the other"),
    ("missing", "a text that marks a missing number, several times; nan: missing numbers are left out of fits"),
)


def add_to(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the parser of `nmfbench data`."""
    listing = actions.add_parser(
        "list", help="state (shipped, here, fetchable, in a package, on application, missing), shape and size"
    )
    listing.set_defaults(command=_data_list)
    verify = actions.add_parser("verify", help="the same, with checksums; exit code 3 when one is damaged")
    verify.set_defaults(command=_data_verify)
    for parser in (listing, verify):
        parser.add_argument("names", nargs="*", metavar="NAME", help="datasets to look at (default: all)")

    fetch = actions.add_parser("fetch", help="download a dataset, or say who to ask and where to put it")
    fetch.add_argument("name", metavar="NAME")
    fetch.add_argument("--force", action="store_true", help="fetch again if it is here")
    fetch.set_defaults(command=_data_fetch)

    build = actions.add_parser("build", help="make CNN features of pictures; resumes where it stopped")
    build.add_argument(
        "name", metavar="NAME", help="imagenet_cnn, fashion_cnn, or one for dataset=cnn dataset.folder=NAME"
    )
    pictures = build.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--images", type=Path, metavar="DIR", help="a sub-folder a class, or --labels")
    pictures.add_argument("--dataset", metavar="SET", help="the pictures of a dataset, such as fashion_mnist")
    build.add_argument("--labels", type=Path, metavar="FILE", help="CSV filename,label, or ILSVRC's ground truth")
    build.add_argument("--each", type=int, metavar="N", help="only the first N pictures of each class")
    build.add_argument("--extractor", default="resnet50", help="resnet50 (default) or efficientnet_lite0")
    build.add_argument("--batch", type=int, default=64, metavar="N", help="images at once (default: 64)")
    build.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:N")
    build.set_defaults(command=_data_build)

    imported = actions.add_parser("import", help="look at a file or a folder of images and make it a dataset of yours")
    imported.add_argument("path", type=Path, metavar="PATH", help="a file, or a folder with a folder of images a class")
    imported.add_argument("--name", help="for dataset=NAME (default: from the file's name)")
    for flag, value, text in _IMPORT_FLAGS:
        imported.add_argument(f"--{flag}", metavar=value, help=text)
    imported.add_argument("--samples", choices=["rows", "columns", "pixels"], help="where the samples are")
    imported.add_argument("--header", choices=["true", "false"], help="whether the first row names the columns")
    for flag, text in _IMPORT_LISTS:
        imported.add_argument(
            f"--{flag}", action="append", metavar="NAME" if flag in ("x", "scaling") else "TEXT", help=text
        )
    imported.add_argument("--force", action="store_true", help="replace an earlier import of that name")
    imported.set_defaults(command=_data_import)


def _known_datasets(names: list[str]) -> list[str]:
    """These datasets, or all. Raises ConfigError for an unknown one."""
    known = config.options("dataset")
    names = [config.resolve_name("dataset", name) for name in names]
    for name in names:
        if name not in known:
            raise ConfigError(config.unknown("dataset", name, known))
    return names or known


def _data_list(arguments: argparse.Namespace, notes: bool = False) -> int:
    from nmfbench import datasets

    names = _known_datasets(arguments.names)
    width = max(map(len, names))
    states = set()
    for name in names:
        state, line = datasets.look(name)
        print(f"{name:<{width}}  {state:<14}  {line}", flush=True)
        for note in datasets.unlike_tested(name) if notes else []:
            print(f"{'':<{width}}  note            {note}")
        states.add(state)
    absent = bool(arguments.names) and bool(states & {"missing", "fetchable", "in a package", "on application"})
    return 3 if "damaged" in states or absent else 0


def _data_verify(arguments: argparse.Namespace) -> int:
    return _data_list(arguments, notes=True)


def _data_fetch(arguments: argparse.Namespace) -> int:
    from nmfbench import datasets
    from nmfbench.datasets import fetching, sources

    (name,) = _known_datasets([arguments.name])
    state, line = datasets.look(name)
    if state in ("here", "shipped") and not arguments.force:
        print(f"{name} is here already: {line}")
        return 0
    if state == "yours":
        raise ConfigError(f"{name} is for data of your own: nmfbench data import PATH")
    source = sources.SOURCES.get(name)
    if source is None:
        raise ConfigError(f"nmfbench knows no address to fetch {name} from ({state}: {line})")
    if source.url is None:
        print(sources.instructions(name, source))
        return 3
    print("\n".join(fetching.fetch(name)))
    return 0


def _data_build(arguments: argparse.Namespace) -> int:
    from nmfbench import datasets
    from nmfbench.datasets import extractors, features, sources
    from nmfbench.numerics.problem import check_device
    from nmfbench.progress import counted

    if arguments.batch < 1:
        raise ConfigError(f"--batch must be at least 1, got {arguments.batch}")
    if arguments.each is not None and arguments.each < 1:
        raise ConfigError(f"--each must be at least 1, got {arguments.each}")
    if arguments.extractor not in extractors.EXTRACTORS:
        close = config.nearest(arguments.extractor, extractors.EXTRACTORS)
        raise ConfigError(f"no extractor is called {arguments.extractor!r}{close}")
    if Path(arguments.name).name != arguments.name:
        raise ConfigError(f"NAME must be the name of a folder in the data folder, got {arguments.name!r}")
    check_device(arguments.device)
    if arguments.images:
        pictures = features.of_folder(arguments.images, arguments.labels)  # before the weights are downloaded
    elif arguments.labels:
        raise ConfigError("--labels belongs to --images; a dataset has its own")
    else:
        pictures = features.of_dataset(datasets.load_dataset(arguments.dataset, scaling="max"))
    if arguments.each:
        pictures = features.first(pictures, arguments.each)
    extractor = extractors.EXTRACTORS[arguments.extractor](arguments.device)
    folder = sources.data_folder() / arguments.name
    with counted(arguments.name, "images") as on_rows:
        lines = features.build(pictures, folder, extractor, arguments.batch, on_rows)
    own = "" if arguments.name in sources.SOURCES else f"cnn dataset.folder={arguments.name}"
    print("\n".join([*lines, f"use it: nmfbench run dataset={own or arguments.name}"]))
    return 0


def _data_import(arguments: argparse.Namespace) -> int:
    from nmfbench.datasets import guess

    keys = [*(flag for flag, *_ in (*_IMPORT_FLAGS, *_IMPORT_LISTS)), "samples"]
    given = {key: getattr(arguments, key) for key in keys}
    given |= {key: given[key][0] for key in ("x", "scaling") if given[key] and len(given[key]) == 1}
    given["header"] = {"true": True, "false": False}.get(arguments.header)
    try:
        seen = guess.look_at(arguments.path, **given)
    except (ConfigError, DataError) as error:
        error.args = (_in_flags(str(error)), *error.args[1:])
        raise
    print("\n".join(_in_flags(line) for line in seen.lines))
    target, name = guess.save(seen, arguments.path, arguments.name, arguments.force)
    print(f"wrote {target}; correct it there, or use it: nmfbench run dataset={name}")
    return 0


def _in_flags(message: str) -> str:
    """A message of the loader with this command's flags in the place of a run's settings."""
    message = re.sub(
        r"dataset\.(drop|missing)=\[('?)(.*?)\2\]", lambda found: f"--{found[1]} {shlex.quote(found[3])}", message
    )
    keys = "x|y|samples|scaling|sep|decimal|header|encoding|names|missing"
    return re.sub(rf"dataset\.({keys})=", r"--\1 ", re.sub(rf"dataset\.({keys})\b(?!=)", r"--\1", message))
