"""The README's section about one's own method, run as a reader would, in an empty folder."""

import re
import shlex
from pathlib import Path

import pytest

from nmfbench.adapters import source
from nmfbench.cli import main
from nmfbench.records import Store

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Your own method\n")[2].partition("\n## ")[0]
PROSE = re.sub(r"```.*?```", "", SECTION, flags=re.DOTALL)
BLOCKS = dict(re.findall(r"```(\w+)\n(.*?)```", SECTION, flags=re.DOTALL))
COMMANDS = [" ".join(found.split()) for found in re.findall(r"`(nmfbench [^`]+)`", PROSE)]
BODY = """    import numpy as np
    W, H = np.random.default_rng(seed).random((len(X), rank)), np.ones((rank, X.shape[1]))
    for _ in range(5):
        H *= (W.T @ X) / (W.T @ W @ H + alpha)
        W *= (X @ H.T) / (W @ H @ H.T + alpha)
"""
"""What stands for the three dots of the README's function."""
CLASSES = """
import numpy as np
import torch

class Mean:
    def __init__(self, n_components=2):
        self.n_components = n_components

    def fit_transform(self, X):
        self.components_ = np.tile(X.mean(0), (self.n_components, 1))
        return np.ones((len(X), self.n_components)) / self.n_components

class Module(torch.nn.Module):
    def __init__(self, X, rank):
        super().__init__()
        self.W, self.H = (torch.nn.Parameter(torch.rand(size)) for size in ((len(X), rank), (rank, X.shape[1])))

    def factors(self):
        return self.W.relu(), self.H.relu()

    def forward(self, X):
        W, H = self.factors()
        return (X - W @ H).square().mean()
"""
QUICK = ["seeds=2", "stopping.max_iter=3", "evaluator.n_clusters=[3]", "results_dir=r"]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a reader who has written down the section's blocks under the names that it gives."""
    monkeypatch.chdir(tmp_path)
    source.load.cache_clear()  # each reader has a my_file.py of her own
    source.source_hash.cache_clear()
    name = BLOCKS["python"].splitlines()[0].removeprefix("# ")
    (tmp_path / name).write_text(BLOCKS["python"].replace("    ...\n", BODY) + CLASSES)
    yaml = Path(re.search(r"`([\w/]+\.yaml)`", PROSE)[1])
    yaml.parent.mkdir(parents=True)
    yaml.write_text(BLOCKS["yaml"])
    return tmp_path


def typed(line: str, *more: str) -> int:
    """The exit code of a line of the README; its runs are short, and of a small dataset where it names none."""
    words = [*shlex.split(line)[1:], *more]
    dataset = [] if any(word.startswith("dataset=") for word in words) else ["dataset=uci_iris"]
    return main([*words, *dataset, *QUICK] if words[0] == "run" else words)


def solvers() -> set[str]:
    return {record["solver"] for record in Store(Path("r")).load()[0] if record["status"] != "failed"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("line", COMMANDS)
def test_command_of_the_section_works_as_it_stands(line: str, reader: Path) -> None:
    if " solver=my_nmf" in line:  # which `new solver` writes
        assert typed("nmfbench new solver my_nmf") == 0
    assert typed(line) == 0
    if line.startswith("nmfbench run"):
        named = [name.rpartition(":")[2] for name in re.search(r"solver=(\S+)", line)[1].split(",")]
        assert solvers() == {*named}


def test_what_has_a_default_is_swept(reader: Path) -> None:
    (words,) = re.findall(r"`(solver\.params\.[^`]+)`", PROSE)
    assert typed("nmfbench run -m solver=my_file.py:my_nmf", words) == 0
    values = {record["config"]["solver"]["params"]["alpha"] for record in Store(Path("r")).load()[0]}
    assert {*map(float, words.partition("=")[2].split(","))} == values


def test_function_that_yields_has_a_history_and_obeys_stopping(reader: Path) -> None:
    code = (reader / "my_file.py").read_text().replace("    return W, H", "        yield W, H", 1)
    assert "yield" in code
    (reader / "my_file.py").write_text(code)
    assert typed("nmfbench run solver=my_file.py:my_nmf") == 0
    assert all(len(r["history"]) >= 1 and r["iterations"] == 3 for r in Store(Path("r")).load(whole=True)[0])


def test_classes_in_the_file_work_too(reader: Path) -> None:
    assert typed("nmfbench run -m solver=my_file.py:Mean,my_file.py:Module") == 0
    assert solvers() == {"Mean", "Module"}
