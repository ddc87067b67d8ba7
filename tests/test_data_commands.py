"""`nmfbench data`: list, verify, fetch, build and import."""

import contextlib
import hashlib
import io
import json
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
import torch
import yaml
from PIL import Image

from nmfbench import cli, config, load_dataset
from nmfbench.datasets import features, fetching, guess, sources
from nmfbench.datasets.files import DATA_DIR
from nmfbench.errors import ConfigError, DataError, DataMissing


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user with folders of their own for data and configs, whose names hold what a shell or Hydra might trip over."""
    monkeypatch.setenv("NMFBENCH_DATA", str(tmp_path / "my data"))
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "my, 'con=fig'"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda seconds: None))
    return tmp_path


def run(*arguments: str) -> int:
    return cli.main(list(map(str, arguments)))


# Downloads

CONTENT = b"PK\x05\x06" + b"\0" * 18  # an empty zip


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Server(ThreadingHTTPServer):
    """Answers each path in its own, mostly bad, way; ends within the test."""

    daemon_threads = True
    content = CONTENT
    asked: list[str]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/{path}"


class Answer(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        html = b"<!DOCTYPE html><html>We have moved.</html>"
        match self.path:
            case "/gone":
                self.send(404, b"gone")
            case "/html":
                self.send(200, b"\n " + html)
            case "/truncated":
                self.send(200, self.server.content[:10], length=len(self.server.content))
            case "/slow":
                time.sleep(1)
            case "/garbage":
                self.send(200, b"no zip at all")
            case "/second-try" if len(self.server.asked) == 1:
                self.send(503, b"busy")
            case _:
                self.send(200, self.server.content)

    def send(self, status: int, content: bytes, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Answer) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_download_arrives_whole_and_tells_its_sha256(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    for known in (None, sha256(CONTENT)):
        assert fetching.download(server.url("good"), target, known) == sha256(CONTENT)
        assert target.read_bytes() == CONTENT
    assert list(tmp_path.iterdir()) == [target]


def test_download_is_tried_again_when_the_server_is_busy(server: Server, tmp_path: Path) -> None:
    assert fetching.download(server.url("second-try"), tmp_path / "a.zip", None) == sha256(CONTENT)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("path", "known", "says"),
    [
        ("wrong-hash", "0" * 64, [sha256(CONTENT), "0" * 64]),
        ("gone", None, ["404"]),
        ("html", None, ["web page"]),
        ("html", "0" * 64, ["0" * 64]),
        ("truncated", None, ["12 more expected"]),
        ("slow", None, ["timed out"]),
        ("garbage", None, ["no whole zip", sha256(b"no zip at all")]),
    ],
)
def test_bad_download_names_the_address_and_leaves_the_old_copy(
    path: str, known: str | None, says: list[str], server: Server, tmp_path: Path
) -> None:
    old = tmp_path / "a.zip"
    old.write_bytes(b"old and good")
    for target in (old, tmp_path / "new.zip"):
        with pytest.raises(DataError) as caught:
            fetching.download(server.url(path), target, known, timeout=0.2, retries=1)
        for words in [server.url(path), *says]:
            assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == [old] and old.read_bytes() == b"old and good"


def test_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x did not arrive"):
        fetching.download("http://127.0.0.1:9/x", tmp_path / "x.zip", None, timeout=0.2, retries=0)


# Archives


def zipped(path: Path, **contents: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, link, size
    return info


def symlink_in_zip(path: Path) -> Path:
    info = zipfile.ZipInfo("link")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, "/etc")
    return path


HARMFUL = {
    "zip-slip": lambda folder: zipped(folder / "a.zip", **{"fine": "1", "../outside": "2"}),
    "absolute name in a zip": lambda folder: zipped(folder / "a.zip", **{str(folder / "outside"): "2"}),
    "backslashes": lambda folder: zipped(folder / "a.zip", **{"..\\outside": "2"}),
    "symlink in a zip": lambda folder: symlink_in_zip(folder / "a.zip"),
    "tar-slip": lambda folder: tarred(folder / "a.tgz", member("fine"), member("../outside", size=3)),
    "symlink out of a tar": lambda folder: tarred(
        folder / "a.tgz", member("link", tarfile.SYMTYPE, ".."), member("link/outside", size=3)
    ),
    "hard link": lambda folder: tarred(folder / "a.tgz", member("link", tarfile.LNKTYPE, "../b")),
    "device": lambda folder: tarred(folder / "a.tgz", member("null", tarfile.CHRTYPE)),
    "too large": lambda folder: tarred(folder / "a.tgz", member("big", size=2001)),
    "too large in a zip": lambda folder: zipped(folder / "a.zip", big=b"0" * 2001),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_harmful_archive_is_refused_before_anything_is_written(case: str, tmp_path: Path) -> None:
    archive = HARMFUL[case](tmp_path)
    with pytest.raises(DataError, match="refused"):
        fetching.unpack(archive, tmp_path / "new", largest=2000)
    assert list(tmp_path.iterdir()) == [archive]


def test_harmless_archives_are_unpacked(tmp_path: Path) -> None:
    fetching.unpack(zipped(tmp_path / "a.zip", **{"in/a": b"a" * 2000}), tmp_path / "zip", largest=2000)
    assert (tmp_path / "zip/in/a").read_bytes() == b"a" * 2000
    fetching.unpack(tarred(tmp_path / "a.tgz", member("in/b", size=2000)), tmp_path / "tar", largest=2000)
    assert (tmp_path / "tar/in/b").read_bytes() == b"x" * 2000


@pytest.mark.parametrize("name", ["a.tgz", "a.zip"])
def test_damaged_archive_is_named(name: str, tmp_path: Path) -> None:
    whole = (
        zipped(tmp_path / name, a=b"a" * 999) if name == "a.zip" else tarred(tmp_path / name, member("a", size=999))
    ).read_bytes()
    damaged = whole.replace(b"a" * 20, b"b" * 20) if name == "a.zip" else whole[: len(whole) // 2]
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(DataError, match=f"{name} cannot be unpacked"):
        fetching.unpack(tmp_path / name, tmp_path / "new")


# fetch


def official(view: str) -> bytes:
    """A view as UCI prints it: white-space separated, no header, no label."""
    rows = pd.read_csv(DATA_DIR / f"mfeat/mfeat-{view}.csv", header=0, dtype=str).to_numpy()[:, :-1]
    return "\n".join("  " + "  ".join(row) for row in rows).encode()


@pytest.fixture(scope="module")
def views() -> dict[str, bytes]:
    return {f"mfeat-{view}": official(view) for view in sources.VIEWS}


def archive_of(views: dict[str, bytes], nested: bool) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        if not nested:
            for name, content in views.items():
                archive.writestr(name, content)
        else:
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w:gz", compresslevel=1) as tar:
                for name, content in views.items():
                    tar.addfile(member(f"mfeat/{name}", size=len(content)), io.BytesIO(content))
            archive.writestr("mfeat.tar.gz", inner.getvalue())
    return out.getvalue()


@pytest.fixture
def official_address(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    source = sources.Source(how=sources.SHIPPED, files=sources.SOURCES["mfeat"].files, url=server.url("mfeat"))
    monkeypatch.setitem(sources.SOURCES, "mfeat", source)
    return server


@pytest.mark.parametrize("nested", [False, True])
def test_fetched_multi_feature_is_the_shipped_one_byte_for_byte(
    nested: bool, official_address: Server, views, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    official_address.content = archive_of(views, nested)
    assert run("data", "fetch", "mfeat", "--force") == 0
    folder = tmp_path / "my data"
    for view in sources.VIEWS:
        path = f"mfeat/mfeat-{view}.csv"
        assert (folder / path).read_bytes() == (DATA_DIR / path).read_bytes(), view
    assert [path.name for path in folder.iterdir()] == ["mfeat"]
    output = capsys.readouterr().out
    assert official_address.url("mfeat") in output and sha256(official_address.content) in output


def test_missing_set_with_an_official_address_is_fetchable_and_then_here(
    official_address: Server, views, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nmfbench.datasets.files.DATA_DIR", tmp_path / "nothing shipped")
    official_address.content = archive_of(views, nested=False)
    assert run("data", "list", "mfeat") == 3
    assert "fetchable" in capsys.readouterr().out
    assert run("data", "fetch", "mfeat") == 0 and run("data", "list", "mfeat") == 0
    assert "2000 samples × 585 features, 10 classes" in capsys.readouterr().out


def test_fetched_archive_that_differs_changes_nothing(
    official_address: Server, views, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for changed, says in (
        ({"mfeat-mor": views["mfeat-mor"].replace(b"133.15", b"133.16", 1)}, "mfeat-mor.csv made from it has sha256"),
        ({"mfeat-zer": b"<b>"}, "mfeat-zer is not a table of numbers"),
    ):
        official_address.content = archive_of(views | changed, nested=False)
        assert run("data", "fetch", "mfeat", "--force") == 3
        error = capsys.readouterr().err
        assert official_address.url("mfeat") in error and says in error
        assert not list((tmp_path / "my data").iterdir())


def test_what_is_here_is_not_downloaded_again(official_address: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "fetch", "mfeat") == 0
    assert "mfeat is here already" in capsys.readouterr().out and not official_address.asked


def absent(name: str, monkeypatch: pytest.MonkeyPatch, user: Path) -> None:
    """A dataset of that name whose file is not here."""
    (user / "my, 'con=fig'/dataset").mkdir(parents=True, exist_ok=True)
    file = user / "my, 'con=fig'/dataset" / f"{name}.yaml"
    file.write_text(f"# A set that is not here\n_target_: nmfbench.datasets.file.File\npath: {user}/none.mat\n")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("ar", ["aleix/ARdatabase.html", "Apply", "my data/ar/AR_55_40.mat"]),
        ("imagenet_cnn", ["data build imagenet_cnn", "my data/imagenet_cnn/features.npy"]),
        ("yale", ["dengcai/Data/", "Yale_32x32.mat", "my data/yale/Yale_32x32.mat"]),
    ],
)
def test_fetching_what_no_program_can_says_who_to_ask_and_where_to_put_it(
    name: str, says: list[str], user: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if name not in config.options("dataset"):
        absent(name, monkeypatch, user)
    assert run("data", "fetch", name) == 3
    out = capsys.readouterr().out
    assert all(words in out for words in says), out


def test_fetching_the_unknown_is_wrong_use(user: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("data", "fetch", "yael") == 2
    assert run("data", "fetch", "file") == 2
    assert "data import PATH" in capsys.readouterr().err
    absent("nowhere", monkeypatch, user)
    assert run("data", "fetch", "nowhere") == 2
    assert "knows no address" in capsys.readouterr().err


def test_every_source_can_be_had_somehow() -> None:
    for name, source in sources.SOURCES.items():
        assert source.url or source.what, name
        assert source.url is None or name in fetching.CONVERTERS, name
        assert all(digest is None or len(digest) == 64 for digest in source.files.values()), name


def test_files_of_the_table_are_those_that_were_tested_with(data_dir: str) -> None:
    for name, source in sources.SOURCES.items():
        for path, digest in source.files.items():
            if digest and (Path(data_dir) / path).exists():
                assert sha256((Path(data_dir) / path).read_bytes()) == digest, (name, path)


# list and verify


def test_list_tells_shipped_missing_and_to_be_applied_for(user: Path, monkeypatch, capsys) -> None:
    for name in ("ar", "nowhere"):
        if name not in config.options("dataset"):
            absent(name, monkeypatch, user)
    assert run("data", "list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "shipped" in lines["orl"] and "400 samples × 10304 features, 40 classes, 3.9 MiB" in lines["orl"]
    assert "shipped" in lines["digits"] and "MiB" not in lines["digits"]
    assert "on application" in lines["ar"] and "missing" in lines["nowhere"] and "yours" in lines["file"]
    assert run("data", "list", "nowhere") == 3 and run("data", "list", "digits") == 0


def test_verify_tells_a_file_from_the_one_that_was_tested_with(user: Path, monkeypatch, capsys) -> None:
    file = user / "my data/yale/Yale_32x32.mat"
    file.parent.mkdir(parents=True)
    scipy.io.savemat(file, {"fea": np.eye(4, 9), "gnd": np.arange(4)})
    monkeypatch.setitem(sources.SOURCES, "my_yale", sources.SOURCES["yale"])
    run("data", "import", file, "--name", "my_yale")
    capsys.readouterr()
    assert run("data", "verify", "my_yale") == 0
    out = capsys.readouterr().out
    assert "4 samples × 9 features, 4 classes" in out and "is not the file that nmfbench was tested with" in out
    monkeypatch.setattr(sources, "SOURCES", {})
    assert run("data", "verify", "my_yale") == 0
    assert "note" not in capsys.readouterr().out


def test_damaged_file_is_reported_by_verify(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(user / "d.npy", np.ones((4, 3)))
    assert run("data", "import", user / "d.npy") == 0
    (user / "d.npy").write_bytes(b"gone wrong")
    assert run("data", "verify", "d") == 3
    assert "damaged" in capsys.readouterr().out


# build


def images_in(folder: Path, classes: tuple[str, ...] = ("cat", "dog", "eel")) -> Path:
    """Grey, RGB and RGBA pictures of different sizes, 4 a class."""
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for k, mode in enumerate(("L", "RGB", "RGBA", "RGB")):
            pixels = rng.integers(0, 256, (9 + k, 7, {"L": 1, "RGB": 3, "RGBA": 4}[mode]), dtype=np.uint8)
            Image.fromarray(pixels.squeeze(), mode=None).save(folder / name / f"{name}{k}.png")
    (folder / ".thumbnail.png").write_bytes(b"left by a desktop")
    return folder


class Network:
    """A stand-in: 5 features of an image that depend on every pixel; remembers the sizes of its batches."""

    def __init__(self, fail_at: int | None = None):
        self.batches: list[int] = []
        self.fail_at = fail_at

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        if self.fail_at == len(self.batches):
            raise KeyboardInterrupt
        self.batches.append(len(batch))
        assert not torch.is_grad_enabled()
        return batch.flatten(1) @ torch.linspace(0, 1, 3 * 4 * 4 * 5).reshape(-1, 5)


def transform(image: Image.Image) -> torch.Tensor:
    assert image.mode == "RGB"
    return torch.tensor(np.asarray(image.resize((4, 4)), dtype=np.float32) / 255).permute(2, 0, 1)


def extractor(network: Network) -> features.Extractor:
    return features.Extractor(name="stand-in", network=network, transform=transform, n_features=5)


def expected(images: Path) -> np.ndarray:
    paths, _ = features.listed(images)
    return np.stack([Network()(transform(Image.open(path).convert("RGB"))[None])[0].numpy() for path in paths])


@pytest.fixture(autouse=True)
def no_grad_outside() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_features_and_labels_are_those_of_the_images_in_order(tmp_path: Path) -> None:
    images, out, network, seen = images_in(tmp_path / "images"), tmp_path / "out", Network(), []
    features.build(images, None, out, extractor(network), batch=5, on_rows=lambda *rows: seen.append(rows))
    X, y = np.load(out / "features.npy"), np.load(out / "labels.npy")
    assert X.shape == (12, 5) and X.dtype == np.float32
    np.testing.assert_allclose(X, expected(images), rtol=1e-5)
    assert y.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert network.batches == [5, 5, 2] and seen == [(0, 12), (5, 12), (10, 12), (12, 12)]
    note = json.loads((out / "features.json").read_text())
    assert note["network"] == "stand-in" and note["classes"] == ["cat", "dog", "eel"]
    assert {path.name for path in out.iterdir()} == {"features.npy", "labels.npy", "features.json"}


def test_interrupted_build_goes_on_where_it_stopped(tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        features.build(images, None, out, extractor(Network(fail_at=2)), batch=4)
    assert not (out / "features.npy").exists() and not (out / "labels.npy").exists()
    second = Network()
    features.build(images, None, out, extractor(second), batch=4)
    assert second.batches == [4]
    np.testing.assert_allclose(np.load(out / "features.npy"), expected(images), rtol=1e-5)
    third = Network()
    assert "was there already" in features.build(images, None, out, extractor(third))[0] and not third.batches


@pytest.mark.parametrize("damage", [lambda whole: whole[:60], lambda whole: b"P5\n60000 60000\n255\n"])
def test_unreadable_or_huge_image_is_named_and_the_rows_before_it_are_kept(damage, tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    bad = images / "dog/dog1.png"
    bad.write_bytes(damage(bad.read_bytes()))
    with pytest.raises(DataError, match=r"dog1\.png cannot be read as an image"):
        features.build(images, None, out, extractor(Network()), batch=4)
    assert not (out / "features.npy").exists()
    bad.unlink()  # now there are 11, and the first 4 are the same
    network = Network()
    features.build(images, None, out, extractor(network), batch=4)
    assert network.batches == [4, 3]
    np.testing.assert_allclose(np.load(out / "features.npy"), expected(images), rtol=1e-5)


def test_other_images_or_another_network_start_anew(tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        features.build(images, None, out, extractor(Network(fail_at=1)), batch=4)
    (images / "cat/aaa.png").write_bytes((images / "cat/cat0.png").read_bytes())
    network = Network()
    features.build(images, None, out, extractor(network), batch=13)
    assert network.batches == [13]
    np.testing.assert_allclose(np.load(out / "features.npy"), expected(images), rtol=1e-5)


def test_rows_of_another_network_do_not_count(tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    for fail_at in (1, None):  # one that was interrupted, then one that was finished
        with contextlib.suppress(KeyboardInterrupt):
            features.build(images, None, out, extractor(Network(fail_at)), batch=4)
        network = Network()
        features.build(images, None, out, features.Extractor("other", network, transform, 5), batch=4)
        assert network.batches == [4, 4, 4]
        assert json.loads((out / "features.json").read_text())["network"] == "other"


def test_network_that_gives_nan_is_refused(tmp_path: Path) -> None:
    bad = features.Extractor("bad", lambda batch: torch.full((len(batch), 5), torch.nan), transform, 5)
    with pytest.raises(DataError, match=r"cat0\.png and on: the network gave"):
        features.build(images_in(tmp_path / "images"), None, tmp_path / "out", bad)
    assert not (tmp_path / "out/features.npy").exists()


def test_labels_come_from_a_csv_or_from_the_ground_truth(tmp_path: Path) -> None:
    images = images_in(tmp_path / "images", ("b", "a"))
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "filename,label\n" + "".join(f"{k}{i}.png,{'odd' if i % 2 else 'even'}\n" for k in "ab" for i in range(4))
    )
    features.build(images, labels, tmp_path / "out", extractor(Network()))
    assert np.load(tmp_path / "out/labels.npy").tolist() == [0, 1] * 4
    labels.write_text("\n".join(map(str, range(10, 18))) + "\n")
    features.build(images, labels, tmp_path / "out", extractor(Network()))
    assert np.load(tmp_path / "out/labels.npy").tolist() == list(range(10, 18))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1\n2\n", "has 2 labels, but .* holds 4 images"),
        ("a0.png,1\na1.png,2\n", "has no label for a/a2.png"),
        ("a0.png,1,2\n", "row 1: expected filename,label"),
        (b"\xff\xfe\x00", "cannot be read as text"),
    ],
)
def test_labels_that_do_not_fit_are_refused(text, says: str, tmp_path: Path) -> None:
    images, labels = images_in(tmp_path / "images", ("a",)), tmp_path / "labels.csv"
    labels.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=says):
        features.build(images, labels, tmp_path / "out", extractor(Network()))
    assert not (tmp_path / "out/features.npy").exists()


def test_build_needs_images_and_their_classes(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no folder"):
        features.listed(tmp_path / "none")
    (tmp_path / "flat").mkdir()
    with pytest.raises(DataMissing, match="holds no images"):
        features.listed(tmp_path / "flat")
    Image.new("L", (3, 4)).save(tmp_path / "flat/a.png")
    with pytest.raises(ConfigError, match="--labels"):
        features.listed(tmp_path / "flat")


def test_build_without_torchvision_says_how_to_get_it(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert run("data", "build", "imagenet_cnn", "--images", images_in(tmp_path / "images")) == 2
    assert "pip install 'nmfbench[imagenet]'" in capsys.readouterr().err


def test_build_command_puts_the_features_into_the_users_folder(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(features, "resnet50", lambda device: extractor(Network()))
    assert run("data", "build", "imagenet_cnn", "--images", images_in(tmp_path / "images"), "--batch", "5") == 0
    assert np.load(tmp_path / "my data/imagenet_cnn/features.npy").shape == (12, 5)
    assert "12 images × 5 features" in capsys.readouterr().out


# import


@pytest.fixture
def rows() -> np.ndarray:
    """11 samples in rows, 7 features."""
    return np.random.default_rng(0).uniform(size=(11, 7))


LABELS = np.array([2, 4, 9, 2, 4, 9, 2, 4, 9, 2, 4])


def write(path: Path, rows: np.ndarray) -> None:
    match path.suffix:
        case ".npz":
            np.savez(path, fea=rows, gnd=LABELS, mean=rows.mean(0))
        case ".npy":
            np.save(path, rows)
            np.save(path.with_name("labels.npy"), LABELS)
        case ".mat":
            scipy.io.savemat(path, {"DATA": rows.T, "labels": LABELS[:, None]})
        case _:
            frame = pd.DataFrame(rows, columns=[f"f{i}" for i in range(7)]).assign(species=LABELS.astype(str) + "x")
            frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)


@pytest.mark.parametrize("suffix", guess.READERS)
def test_imported_file_of_every_kind_works_by_its_name(suffix: str, rows, tmp_path: Path, capsys) -> None:
    path = tmp_path / f"${{My}} #Data{suffix}"
    write(path, rows)
    assert run("data", "import", path) == 0
    output = capsys.readouterr().out
    assert "11 samples × 7 features, 3 classes" in output and "never negative" in output
    data = load_dataset("my_data", scaling="none")
    np.testing.assert_allclose(data.X, rows.T)
    assert data.name == "my_data" and data.y.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1]
    assert "11 samples, 7 features, 3 classes" in config.describe("dataset", "my_data")


def test_imported_dataset_runs_alone_and_in_a_sweep(rows, tmp_path: Path, capsys) -> None:
    write(tmp_path / "mine.npz", rows)
    run("data", "import", tmp_path / "mine.npz")
    short = ["solver=pca", "rank=2", "seeds=1", f"results_dir='{tmp_path}/results'", "threads=1"]
    assert run("run", "dataset=mine", *short) == 0
    assert run("run", "-m", "dataset=mine,digits", *short) == 0
    assert {path.name for path in (tmp_path / "results/runs").iterdir()} == {"mine", "digits"}
    assert run("list", "datasets", "--plain") == 0
    assert "mine" in capsys.readouterr().out.splitlines()


def test_guess_explains_itself_and_lists_every_key(tmp_path: Path) -> None:
    write(tmp_path / "d.mat", np.arange(11 * 64.0).reshape(11, 64) - 9)
    seen = guess.look_at(tmp_path / "d.mat")
    assert seen.lines == [
        "X: array DATA, 64 × 11, float64, -9 to 694; 1.28% of it negative: only some solvers take that",
        "labels: labels, 11 entries, 3 classes, 3 to 4 each",
        "samples: in columns, because labels has 11 entries",
        "images: square, 8 × 8? Then set shape in the YAML",
        "so: 11 samples × 64 features, 3 classes",
    ]
    written = guess.save(seen, "d").read_text()
    assert yaml.safe_load(written).keys() == config.defaults("dataset", "file").keys()
    assert "shape: null   # [8, 8] when samples are images" in written


def test_what_is_said_is_not_guessed(rows, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", a=rows, b=rows[:3], one=LABELS, two=LABELS % 2)
    with pytest.raises(DataError, match=r"Add --x NAME; it holds: a: 11 × 7"):
        guess.look_at(tmp_path / "d.npz")
    seen = guess.look_at(tmp_path / "d.npz", x="a", y="two")
    assert (seen.node["x"], seen.node["y"], seen.node["samples"]) == ("a", "two", "rows")
    assert "one, two would fit; --y NAME says which" in "\n".join(guess.look_at(tmp_path / "d.npz", x="a").lines)
    with pytest.raises(DataError, match="7 samples but 11 labels"):
        guess.look_at(tmp_path / "d.npz", x="a", y="two", samples="columns")


@pytest.mark.parametrize("name", ["orl", "file"])
def test_import_never_shadows_a_dataset_of_nmfbench(name: str, rows, tmp_path: Path, capsys) -> None:
    write(tmp_path / f"{name}.npz", rows)
    assert run("data", "import", tmp_path / f"{name}.npz") == 2
    assert "is a dataset of nmfbench" in capsys.readouterr().err and config.options("dataset").count(name) == 1


def test_import_replaces_an_earlier_one_only_by_force(rows, tmp_path: Path, capsys) -> None:
    write(tmp_path / "d.npz", rows)
    assert run("data", "import", tmp_path / "d.npz") == 0
    np.save(tmp_path / "e.npy", rows[:5])
    assert run("data", "import", tmp_path / "e.npy", "--name", "d") == 2
    assert load_dataset("d").n_samples == 11
    assert run("data", "import", tmp_path / "e.npy", "--name", "d", "--force") == 0
    assert load_dataset("d").n_samples == 5


@pytest.mark.parametrize("name", ["../evil", "a b", "null", "2024", ""])
def test_name_that_an_override_cannot_hold_is_refused(name: str, rows, tmp_path: Path) -> None:
    write(tmp_path / "d.npz", rows)
    seen = guess.look_at(tmp_path / "d.npz")
    with pytest.raises(ConfigError, match="--name"):
        guess.save(seen, name)
    guess.save(seen, guess.slug(name))


BAD = {
    "truncated": (b"PK\x03\x04 not whole", "d.npz", DataError, "cannot be read as .npz"),
    "a pickle": (np.array([{}], dtype=object), "d.npy", DataError, "cannot be read as .npy"),
    "nan": (np.full((3, 4), np.nan), "d.npy", DataError, "12 NaN"),
    "a vector": (np.ones(5), "d.npy", DataError, "which array is X"),
    "unknown kind": (b"x", "d.xlsx", ConfigError, "must end in"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_file_is_refused_and_no_yaml_is_written(case: str, tmp_path: Path, capsys) -> None:
    content, name, kind, says = BAD[case]
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    assert run("data", "import", tmp_path / name) == (2 if kind is ConfigError else 3)
    assert says in capsys.readouterr().err and not config.user_dir().exists()


def test_sparse_matrix_is_refused_by_name(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "s.mat", {"fea": scipy.sparse.eye(30, format="csc")})
    with pytest.raises(DataError, match="fea is sparse, 30 × 30"):
        guess.look_at(tmp_path / "s.mat")


def test_folder_of_images_becomes_a_dataset_of_images(tmp_path: Path, capsys) -> None:
    images_in(tmp_path / "Zoo")
    assert run("data", "import", tmp_path / "Zoo") == 0
    node = config.defaults("dataset", "zoo")
    assert node["_target_"] == "nmfbench.datasets.images.Images"
    assert (node["path"], node["size"], node["grey"]) == (str(tmp_path / "Zoo"), [9, 7], True)
    output = capsys.readouterr().out
    assert "12 images, 3 of them 9 × 7 pixels" in output and "3 sub-folders, 4 each" in output
    assert "63 features" in output


def test_folder_with_an_unreadable_image_or_none_is_refused(tmp_path: Path) -> None:
    (images_in(tmp_path / "Zoo") / "cat/cat1.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cat1\.png"):
        guess.look_at(tmp_path / "Zoo")
    with pytest.raises(DataError, match="no sub-folders with images"):
        guess.look_at(tmp_path / "Zoo/cat")


# The user's configs


def test_yamls_are_looked_for_in_the_users_config_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv("NMFBENCH_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert config.config_dirs() == [config.CONFIG_DIR, tmp_path / "xdg/nmfbench"]
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert config.user_dir() == tmp_path / "home/.config/nmfbench"


def test_broken_yaml_of_a_user_is_named(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = config.user_dir() / "dataset"
    folder.mkdir(parents=True)
    (folder / "broken.yaml").write_text("# Mine\n{a: [\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml is not YAML"):
        load_dataset("broken")
    assert run("run", "dataset=broken") == 2
    assert "broken.yaml" in capsys.readouterr().err
    assert run("list", "datasets") == 0 and run("data", "list") == 3
