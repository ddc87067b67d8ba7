"""A renderer, a metric, a paper and a launcher are added without editing a file, but for a line in a registry."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from nmfbench import papers
from nmfbench.cli import main
from nmfbench.evaluators.base import Evaluator
from nmfbench.evaluators.metric import Metric
from nmfbench.records import Store
from nmfbench.reports.renderers import RENDERERS
from nmfbench.reports.report import Report, build

CALL = ["solver=mu", "dataset=synthetic", "dataset.n_samples=20", "seeds=2", "stopping.max_iter=3", "threads=1"]


@dataclass(frozen=True, kw_only=True)
class Darkness(Evaluator):
    """The share of codes below a level.

    Parameters
    ----------
    level: entries below it count, > 0.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("darkness", "share of dark codes", "%", 1, "lower"),)

    level: float = 0.5

    def check(self, dataset, labelled) -> None:
        """Every dataset will do."""

    def evaluate(self, fitted, dataset, seed, labelled) -> list[dict]:
        share = float((fitted.codes[-1] < self.level).mean())
        return [{"layer": 1, "n_clusters": None, "metric": "darkness", "value": share}]


@pytest.fixture
def dark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A results folder with two records that `Darkness` scored."""
    (tmp_path / "configs/evaluator").mkdir(parents=True)
    (tmp_path / "configs/evaluator/dark.yaml").write_text(f"_target_: {__name__}.Darkness\nlevel: 0.5\n")
    monkeypatch.setenv("NMFBENCH_CONFIG", str(tmp_path / "configs"))
    assert main(["run", *CALL, "evaluator=dark", f"results_dir='{tmp_path / 'r'}'"]) == 0
    return tmp_path / "r"


def test_metric_of_an_evaluator_from_elsewhere_is_shown_as_it_declares(dark: Path, capsys) -> None:
    assert main(["table", "--results", str(dark)]) == 0
    shown = capsys.readouterr().out
    assert "darkness" in shown and "share of dark codes" in shown and "darkness in percent" in shown


def test_renderer_is_a_function_of_a_report(dark: Path, monkeypatch) -> None:
    def outline(report: Report) -> str:
        return "\n".join(f"{block.heading}: {len(block.grids[0].rows)} rows" for block in report.blocks)

    monkeypatch.setitem(RENDERERS, "outline", outline)
    report = build(Store(dark).load()[0])
    assert RENDERERS["outline"](report) == "synthetic: 20 samples × 100 features, 5 classes: 1 rows"


def test_paper_is_found_by_lying_in_the_package(dark: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers/darkness.py").write_text(
        "from nmfbench.papers import Paper\n"
        "PAPER = Paper('darkness', 'Darkness', 'Nobody (2030), Table 1')\n"
        "def printed(record):\n"
        "    return {(1, None, 'darkness'): 12.5} if record['solver'] == 'mu' else {}\n"
    )
    monkeypatch.setattr(papers, "__path__", [*papers.__path__, str(tmp_path / "papers")])
    assert main(["table", "--results", str(dark)]) == 0
    shown = capsys.readouterr().out
    assert "(12.5, " in shown and "the number that the Darkness paper prints" in shown


def test_launcher_is_a_class_and_a_yaml(tmp_path: Path, monkeypatch, capsys) -> None:
    (tmp_path / "configs/launcher").mkdir(parents=True)
    (tmp_path / "configs/launcher/backwards.yaml").write_text("_target_: backwards.Backwards\n")
    (tmp_path / "backwards.py").write_text(
        "from contextlib import contextmanager\n"
        "from dataclasses import dataclass\n"
        "from nmfbench.running import executing\n"
        "from nmfbench.running.launchers.base import Launcher\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Backwards(Launcher):\n"
        "    def describe(self, workers, settings):\n"
        "        return 'this process, the last task first'\n"
        "    @contextmanager\n"
        "    def start(self, workers, settings):\n"
        "        yield Engine()\n"
        "class Engine:\n"
        "    slots, ahead = 9, 0\n"
        "    def __init__(self):\n"
        "        self.tasks = []\n"
        "    def submit(self, task):\n"
        "        self.tasks.append(task)\n"
        "    def wait(self):\n"
        "        task = self.tasks.pop()\n"
        "        return task, executing.run(task)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["-m", "--config-dir", str(tmp_path / "configs"), "launcher=backwards", *CALL, "rank=2,3"]
    words = [*words, f"results_dir='{tmp_path / 'results'}'"]
    assert main(["run", "--dry-run", *words]) == 0
    assert "it would run in this process, the last task first" in capsys.readouterr().out
    assert main(["run", *words]) == 0
    ran = [line for line in capsys.readouterr().err.splitlines() if line.startswith("[")]
    assert len(ran) >= 2 and len(Store(tmp_path / "results").load()[0]) == 4
