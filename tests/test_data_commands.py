"""`nmfbench data`: fetch, list and verify, and the user's folders of data and configs."""

import dataclasses
import io
import os
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from shell import nmfbench
from web import Server, sha256

from nmfbench import config, load_dataset
from nmfbench.datasets import fetching, sources
from nmfbench.datasets.files import DATA_DIR
from nmfbench.errors import ConfigError

pytestmark = pytest.mark.usefixtures("user")


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
                    member = tarfile.TarInfo(f"mfeat/{name}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
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
    assert nmfbench("data", "fetch", "mfeat", "--force") == 0
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
    assert nmfbench("data", "list", "mfeat") == 3
    assert "fetchable" in capsys.readouterr().out
    assert nmfbench("data", "fetch", "mfeat") == 0 and nmfbench("data", "list", "mfeat") == 0
    assert "2000 samples × 585 features, 10 classes" in capsys.readouterr().out


def test_fetched_archive_that_differs_changes_nothing(
    official_address: Server, views, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for changed, says in (
        ({"mfeat-mor": views["mfeat-mor"].replace(b"133.15", b"133.16", 1)}, "mfeat-mor.csv made from it has sha256"),
        ({"mfeat-zer": b"<b>"}, "mfeat-zer is not a table of numbers"),
    ):
        official_address.content = archive_of(views | changed, nested=False)
        assert nmfbench("data", "fetch", "mfeat", "--force") == 3
        error = capsys.readouterr().err
        assert official_address.url("mfeat") in error and says in error
        assert not list((tmp_path / "my data").iterdir())


def test_fetch_deletes_what_killed_ones_have_left(official_address: Server, views, tmp_path: Path) -> None:
    folder = tmp_path / "my data"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    names = {dead.pid: False, os.getpid(): False, os.getppid(): True}
    for pid in names:
        (folder / f".fetch.{pid}@{socket.gethostname()}.tmp" / "new").mkdir(parents=True)
    official_address.content = archive_of(views, nested=False)
    assert nmfbench("data", "fetch", "mfeat", "--force") == 0
    for pid, stays in names.items():
        assert (folder / f".fetch.{pid}@{socket.gethostname()}.tmp").exists() == stays


def test_interrupted_fetch_leaves_nothing(server: Server, tmp_path: Path, monkeypatch, capsys) -> None:
    source = dataclasses.replace(sources.SOURCES["mfeat"], url=server.url("drip"))
    monkeypatch.setitem(sources.SOURCES, "mfeat", source)

    def kill() -> None:
        while not server.asked:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=kill)
    thread.start()
    assert nmfbench("data", "fetch", "mfeat", "--force") == 143
    thread.join()
    assert capsys.readouterr().err == "nmfbench: interrupted\n" and not list((tmp_path / "my data").iterdir())


def test_what_is_here_is_not_downloaded_again(official_address: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert nmfbench("data", "fetch", "mfeat") == 0
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
    assert nmfbench("data", "fetch", name) == 3
    out = capsys.readouterr().out
    assert all(words in out for words in says), out


def test_fetching_the_unknown_is_wrong_use(user: Path, monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert nmfbench("data", "fetch", "yael") == 2
    assert nmfbench("data", "fetch", "file") == 2
    assert "data import PATH" in capsys.readouterr().err
    absent("nowhere", monkeypatch, user)
    assert nmfbench("data", "fetch", "nowhere") == 2
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
    assert nmfbench("data", "list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "shipped" in lines["orl"] and "400 samples × 10304 features, 40 classes, 3.9 MiB" in lines["orl"]
    assert "shipped" in lines["digits"] and "MiB" not in lines["digits"]
    assert "on application" in lines["ar"] and "missing" in lines["nowhere"] and "yours" in lines["file"]
    assert "here            50,000 × 2,048 seeded features" in lines["imagenet_like"]  # without drawing them
    assert nmfbench("data", "list", "nowhere") == 3 and nmfbench("data", "list", "digits") == 0


def test_verify_tells_a_file_from_the_one_that_was_tested_with(user: Path, monkeypatch, capsys) -> None:
    file = user / "my data/yale/Yale_32x32.mat"
    file.parent.mkdir(parents=True)
    scipy.io.savemat(file, {"fea": np.eye(4, 9), "gnd": np.arange(4) % 2})
    monkeypatch.setitem(sources.SOURCES, "my_yale", sources.SOURCES["yale"])
    nmfbench("data", "import", file, "--name", "my_yale")
    capsys.readouterr()
    assert nmfbench("data", "verify", "my_yale") == 0
    out = capsys.readouterr().out
    assert "4 samples × 9 features, 2 classes" in out and "is not the file that nmfbench was tested with" in out
    monkeypatch.setattr(sources, "SOURCES", {})
    assert nmfbench("data", "verify", "my_yale") == 0
    assert "note" not in capsys.readouterr().out


def test_damaged_file_is_reported_by_verify(user: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(user / "d.npy", np.ones((4, 3)))
    assert nmfbench("data", "import", user / "d.npy") == 0
    (user / "d.npy").write_bytes(b"gone wrong")
    assert nmfbench("data", "verify", "d") == 3
    assert "damaged" in capsys.readouterr().out


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
    assert nmfbench("run", "dataset=broken") == 2
    assert "broken.yaml" in capsys.readouterr().err
    assert nmfbench("list", "datasets") == 0 and nmfbench("data", "list") == 3
