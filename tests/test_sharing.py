"""Results that travel: `submit` packs them, `verify` fits some again, `load_results` reads them."""

import importlib
import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from packed import members, zipped
from shell import load, nmfbench, run
from sklearn.pipeline import Pipeline

import nmfbench as package
from nmfbench import config
from nmfbench.adapters.source import source_hash
from nmfbench.errors import ConfigError, DataError
from nmfbench.records import Store, packs, verdicts
from nmfbench.records.summaries import is_own_data
from nmfbench.running import verifying_packs

TINY = ["dataset=uci_iris", "seeds=2", "evaluator.n_init=2", "stopping.max_iter=20"]
METHOD = """
import numpy as np

def my_nmf(X, rank, seed):
    rng = np.random.default_rng(seed)
    W, H = rng.random((X.shape[0], rank)), rng.random((rank, X.shape[1]))
    while True:
        yield W, H
        H = H * (W.T @ X) / (W.T @ W @ H + 1e-12)
        W = W * (X @ H.T) / (W @ (H @ H.T) + 1e-12)

def fails(X, rank, seed):
    raise RuntimeError("out of luck")
"""
PACK = f"mine{packs.SUFFIX}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results of mu, of a method of one's own, of one that fails, and of mu on data of one's own."""
    folder = tmp_path_factory.mktemp("secret folder")
    (folder / "mine.py").write_text(METHOD)
    X = np.random.default_rng(0).random((20, 6))
    pd.DataFrame(X, columns=list("abcdef")).assign(label=[0, 1] * 10).to_csv(folder / "my_data.csv", index=False)
    results = folder / "results"
    assert run(results, f"solver={folder}/mine.py:my_nmf", *TINY) == 0
    assert run(results, "solver=mu", *TINY) == 0
    assert run(results, f"solver={folder}/mine.py:fails", *TINY) == 1
    own = ["dataset=file", f"dataset.path={folder}/my_data.csv", "dataset.y=label", *TINY[1:]]
    assert run(results, "solver=mu", *own) == 0
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder, which is the current one."""
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "copy"))
    return tmp_path / "copy"


def edit(pack: Path, old: str, new: str) -> None:
    """Replace a text in the records of a pack, once."""
    content = members(pack)
    text = content["records.jsonl"].decode()
    assert old in text
    pack.write_bytes(zipped(content | {"records.jsonl": text.replace(old, new, 1).encode()}))


def outcomes(pack: Path) -> dict[tuple[str, str], str]:
    return {(verdict.solver, verdict.dataset): verdict.outcome for verdict in verdicts.read(pack)}


def test_submit_packs_what_is_finished_and_names_the_rest(here: Path, capsys) -> None:
    assert nmfbench("submit", "results", "--name", "A. Nonymous") == 0
    shown = capsys.readouterr().out
    (path,) = here.glob(f"*{packs.SUFFIX}")
    assert path.name == f"mu+my_nmf{packs.SUFFIX}"
    assert "records: 6: 6 max_iter" in shown and "CC-BY-4.0; by: A. Nonymous" in shown
    assert "left out, failed: 2 records of fails on uci_iris: RuntimeError: out of luck" in shown
    assert "my_data (2, own data, which others cannot check)" in shown
    source = load(here / "results")[-1]["config"]["solver"]["source"]
    assert f"my_nmf (2, code {source[:6]}, checksum only)" in shown
    pack = packs.read(path)
    assert pack.code == {} and pack.manifest["solvers"]["my_nmf"]["sources"] == [source]
    assert {record["status"] for record in pack.records} == {"max_iter"}
    everything = b"".join(members(path).values()).decode()
    assert "secret folder" not in everything and os.uname().nodename not in everything.split('"')
    assert str(here) not in everything and str(here.parent) not in everything


def test_words_choose_what_is_packed_and_a_file_that_is_there_stays(here: Path, capsys) -> None:
    words = ["results_dir=results", "solver=mu", "dataset=uci_iris", f"--output={PACK}", "--licence", "CC0-1.0"]
    assert nmfbench("submit", *words) == 0
    manifest = packs.read(Path(PACK)).manifest
    assert (manifest["records"], list(manifest["datasets"]), manifest["licence"]) == (2, ["uci_iris"], "CC0-1.0")
    before = Path(PACK).read_bytes()
    assert nmfbench("submit", "results", f"--output={PACK}") == 2
    assert "exists; --force replaces it" in capsys.readouterr().err
    assert Path(PACK).read_bytes() == before
    assert nmfbench("submit", "results", f"--output={PACK}", "--force") == 0
    assert len(packs.read(Path(PACK)).records) == 6


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["results", "results"], "takes one results folder"),
        (["absent"], "absent is no results folder"),
        (["results", "solver=fails"], "all 2 records chosen failed"),
        (["results", "solver=hals"], "no record in"),
        (["results", "--output=mine.zip"], f"must end in {packs.SUFFIX}"),
    ],
)
def test_submit_refuses_what_it_cannot_pack(here: Path, capsys, words: list[str], reason: str) -> None:
    assert nmfbench("submit", *words) == 2
    assert reason in capsys.readouterr().err
    assert not list(here.glob("*.zip"))


def test_code_travels_only_if_asked_and_only_that_which_made_the_records(here: Path, made: Path, capsys) -> None:
    assert nmfbench("submit", "results", "solver=my_nmf", f"--output={PACK}", "--with-code") == 0
    (checksum,) = packs.read(Path(PACK)).code
    assert packs.read(Path(PACK)).code[checksum] == {"mine": METHOD}
    source = made / "mine.py"
    try:
        source.write_text(METHOD + "\n# changed\n")
        assert nmfbench("submit", "results", "solver=my_nmf", f"--output={PACK}", "--with-code", "--force") == 0
    finally:
        source.write_text(METHOD)
    assert "left out, code: " in (shown := capsys.readouterr().out) and "is not the source" in shown
    assert packs.read(Path(PACK)).code == {}


def test_verify_tells_for_each_method_and_dataset(here: Path, made: Path, capsys) -> None:
    assert nmfbench("submit", "results", f"--output={PACK}", "--with-code") == 0
    elsewhere = ["results_dir=elsewhere", "--sample", "5%"]
    assert nmfbench("verify", PACK, *elsewhere) == 3
    shown = capsys.readouterr().out
    assert "mu: verified on uci_iris, 1 of 2 records fitted again" in shown
    assert "mu: not verified on my_data, 2 records: my_data is data of its author's own" in shown
    assert "my_nmf (code " in shown and "is not here: name its file, solver=FILE.py:my_nmf" in shown
    assert "its source is in the pack: code/" in shown
    expected = {
        ("mu", "uci_iris"): "verified",
        ("mu", "my_data"): "not verified",
        ("my_nmf", "uci_iris"): "not verified",
    }
    assert outcomes(Path(PACK)) == expected
    # With the file named, and the data card of the author's own results folder, all is here.
    assert nmfbench("verify", PACK, f"solver={made}/mine.py:my_nmf", *elsewhere) == 0
    assert nmfbench("verify", PACK, "solver=mu", "results_dir=results") == 0
    assert set(outcomes(Path(PACK)).values()) == {"verified"}
    marks = [verdicts.standing(record, verdicts.read(Path(PACK))) for record in packs.read(Path(PACK)).records]
    assert marks == ["verified"] * 6
    assert str(here) not in Path("mine.verified.json").read_text()


def test_verify_of_a_folder_takes_the_file_of_a_method(here: Path, made: Path, monkeypatch, capsys) -> None:
    assert nmfbench("verify", "results_dir=results", "solver=my_nmf") == 1
    assert "is refused: importing a class runs its module" in capsys.readouterr().out
    monkeypatch.chdir(made)
    assert nmfbench("verify", "results_dir=results", "solver=mine.py:my_nmf") == 0
    assert "2 of 2 records in results/runs have the right name, data and code" in capsys.readouterr().out


def test_verify_finds_a_number_that_was_changed(here: Path, capsys) -> None:
    assert nmfbench("submit", "results", "solver=mu", "dataset=uci_iris", f"--output={PACK}") == 0
    before = packs.read(Path(PACK)).records[0]["objective"]
    edit(Path(PACK), f'"objective":{before}', f'"objective":{before * 0.9}')
    assert nmfbench("verify", PACK, "--sample", "100%", "results_dir=elsewhere") == 1
    shown = capsys.readouterr().out
    assert "final objective: record" in shown and "mu: differs on uci_iris, 2 of 2 records fitted again" in shown
    (verdict,) = verdicts.read(Path(PACK))
    assert verdict.outcome == "differs" and "final objective" in verdict.reason
    assert verdicts.standing(packs.read(Path(PACK)).records[0], [verdict]) == "differs"


def test_verdicts_hold_for_the_very_file_alone(here: Path) -> None:
    assert nmfbench("submit", "results", "solver=mu", "dataset=uci_iris", f"--output={PACK}") == 0
    assert nmfbench("verify", PACK, "results_dir=elsewhere") == 0
    assert outcomes(Path(PACK)) == {("mu", "uci_iris"): "verified"}
    seconds = packs.read(Path(PACK)).records[0]["seconds"]
    edit(Path(PACK), f'"seconds":{seconds}', '"seconds":0.0')
    assert verdicts.read(Path(PACK)) == []
    assert verdicts.standing(packs.read(Path(PACK)).records[0], []) == "reported"
    Path("mine.verified.json").write_text("{")
    assert verdicts.read(Path(PACK)) == []


def test_sample_is_the_same_each_time_and_has_each_method_and_dataset(here: Path, monkeypatch) -> None:
    assert run(here / "results", "-m", "solver=hals,pca", *TINY) == 0
    assert nmfbench("submit", "results", f"--output={PACK}") == 0
    fitted: list[str] = []
    again = verifying_packs.verifying.fit_again
    monkeypatch.setattr(
        verifying_packs.verifying, "fit_again", lambda run, *rest: (fitted.append(run.label), again(run, *rest))
    )
    assert nmfbench("verify", PACK, "results_dir=results", "--sample", "1%") == 3
    first, fitted[:] = list(fitted), []
    assert nmfbench("verify", PACK, "results_dir=results", "--sample", "1%") == 3
    assert fitted == first and len(first) == 4  # hals, pca and mu on iris, mu on one's own data


def test_decomposition_of_scikit_learn_is_verified_where_its_version_is_here(here: Path, monkeypatch, capsys) -> None:
    folder = here / "configs/solver"
    folder.mkdir(parents=True)
    node = "_target_: nmfbench.adapters.sklearn.SklearnSolver\nrank: ${rank}\nestimator: sklearn.decomposition.NMF\n"
    node += "params: {max_iter: 5000}\n"
    (folder / "sk_nmf.yaml").write_text(node)
    monkeypatch.setenv("NMFBENCH_CONFIG", str(here / "configs"))
    assert run(here / "results", "solver=sk_nmf", *TINY) == 0
    monkeypatch.delenv("NMFBENCH_CONFIG")
    assert nmfbench("submit", "results", "solver=sk_nmf", f"--output={PACK}", "--with-code") == 0
    assert "left out" not in capsys.readouterr().out
    assert nmfbench("verify", PACK, "results_dir=elsewhere") == 0


HARMFUL = {
    "function": ("nmfbench.adapters.function.FunctionSolver", "function", "harm.py:my_nmf"),
    "module": ("nmfbench.adapters.module.ModuleSolver", "module", "harm.Module"),
    "estimator of one's own": ("nmfbench.adapters.sklearn.SklearnSolver", "estimator", "harm.Estimator"),
    "estimator that writes": ("nmfbench.adapters.sklearn.SklearnSolver", "estimator", "sklearn.pipeline.Pipeline"),
    "class": ("harm.Solver", "beta", 2.0),
}


@pytest.mark.parametrize("kind", HARMFUL)
def test_verify_runs_nothing_that_a_pack_names(here: Path, monkeypatch: pytest.MonkeyPatch, capsys, kind: str) -> None:
    """Even if a module of that name lies on the path, and whether or not the pack admits to foreign code."""
    (here / "harm.py").write_text(f"open({str(here / 'harmed')!r}, 'w')\n" + METHOD)
    monkeypatch.syspath_prepend(str(here))
    target, key, value = HARMFUL[kind]
    (record,) = [r for r in load(here / "results") if (r["solver"], r["dataset"], r["seed"]) == ("mu", "uci_iris", 0)]
    for source in ({}, {"source": "0" * 16}, {"source": source_hash(Pipeline)}):
        node = {"name": "mu", "version": 1, "_target_": target, "rank": 3, key: value, **source}
        packs.write(Path(PACK), [record | {"config": record["config"] | {"solver": node}}])
        assert nmfbench("verify", PACK, "results_dir=elsewhere") == 3
        shown = capsys.readouterr().out
        assert "mu: not verified" in shown or "mu (code" in shown
        assert kind != "estimator that writes" or "of scikit-learn a pack may name decompositions alone" in shown
    assert not (here / "harmed").exists()


def test_verify_reads_no_file_that_a_pack_names(here: Path, made: Path, capsys) -> None:
    """The data of a pack may say that it is a file of this machine; only a data card of one's own counts."""
    (record, *_) = [r for r in load(here / "results") if r["dataset"] == "my_data"]
    node = record["config"]["dataset"] | {"path": str(made / "my_data.csv"), "y": "label"}
    packs.write(Path(PACK), [record | {"config": record["config"] | {"dataset": node}}])
    edit(Path(PACK), '"path":"my_data.csv"', f'"path":{json.dumps(str(made / "my_data.csv"))}')
    assert nmfbench("verify", PACK, "results_dir=elsewhere") == 3
    assert "is data of its author's own" in capsys.readouterr().out


def test_verify_gives_a_fit_up_that_takes_far_longer_than_reported(here: Path, monkeypatch, capsys) -> None:
    (record,) = [r for r in load(here / "results") if (r["solver"], r["dataset"], r["seed"]) == ("mu", "uci_iris", 0)]
    stopping = record["config"]["stopping"] | {"max_iter": 10**9, "tol": 0.0}
    packs.write(Path(PACK), [record | {"config": record["config"] | {"stopping": stopping}}])
    monkeypatch.setattr(verifying_packs, "AT_LEAST", 0.2)
    assert nmfbench("verify", PACK, "results_dir=elsewhere") == 3
    assert "a time limit ends its fits" in capsys.readouterr().out


def test_verify_takes_a_file_that_is_no_pack_for_damaged_data(here: Path, capsys) -> None:
    Path(PACK).write_bytes(b"nothing")
    assert nmfbench("verify", PACK) == 3
    assert "not a zip archive" in capsys.readouterr().err
    assert nmfbench("submit", "results", f"--output={PACK}", "--force") == 0
    assert nmfbench("verify", PACK, "rank=3") == 2
    assert "by solver= and dataset=" in capsys.readouterr().err


def test_data_of_one_s_own_is_told_from_that_of_nmfbench() -> None:
    for name in config.options("dataset"):
        node = config.defaults("dataset", name)
        module, _, loader = node["_target_"].rpartition(".")
        own = getattr(importlib.import_module(module), loader).own
        assert is_own_data({"config": {"dataset": node}}) == own, name


def test_load_results_has_the_rows_of_load_records(here: Path) -> None:
    assert nmfbench("submit", "results", f"--output={PACK}") == 0
    table = package.load_results(PACK)
    whole = package.load_records("results", solver=["mu", "my_nmf"])
    pd.testing.assert_frame_equal(table, whole, rtol=1e-6)
    assert set(package.load_results(PACK, solver="mu", dataset="uci_iris")["solver"]) == {"mu"}
    with pytest.raises(ConfigError, match=r"no record in mine\.nmfbench\.zip has solver=hals"):
        package.load_results(PACK, solver="hals")
    with pytest.raises(DataError, match="cannot be read"):
        package.load_results("absent.nmfbench.zip")


def test_load_results_reads_what_is_published(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "PUBLISHED", here / "published")
    with pytest.raises(ConfigError, match=r"no published results in .*; nmfbench submit DIR packs"):
        package.load_results()
    (here / "published/arena").mkdir(parents=True)
    for solver in ("mu", "my_nmf"):
        assert (
            nmfbench("submit", "results", f"solver={solver}", f"--output=published/arena/{solver}{packs.SUFFIX}") == 0
        )
    assert set(package.load_results()["solver"]) == {"mu", "my_nmf"}


def test_records_of_a_pack_are_those_of_the_folder_but_for_paths(here: Path) -> None:
    assert nmfbench("submit", "results", "solver=mu", f"--output={PACK}") == 0
    store, names = Store(Path("results")), {path.stem for path in Path("results/runs").glob("*/mu/*.json")}
    assert {store.path(r["config"], r["seed"]).stem for r in packs.read(Path(PACK)).records} == names
    with zipfile.ZipFile(PACK) as archive:
        assert archive.testzip() is None
