"""A sweep of 20 methods on 10 datasets makes a page of less than 5 MB and few elements."""

from pathlib import Path
from typing import Any

import browser
import numpy as np
import pytest

from nmfbench.cli import main
from nmfbench.datasets.base import Dataset
from nmfbench.evaluators.base import Fitted
from nmfbench.records import Store
from nmfbench.reports import charts, pictures, report
from nmfbench.reports.renderers import html

SOLVERS, DATASETS, SEEDS, LOOKS = 20, 10, 5, 100


def sweep(record: dict[str, Any]) -> list[dict[str, Any]]:
    """This record as if by other methods, on other data, from other seeds, with numbers of their own and many looks."""
    draw, records = np.random.default_rng(0), []
    for dataset in range(DATASETS):
        for solver in range(SOLVERS):
            for seed in range(SEEDS):
                falling = draw.uniform(1, 100) * (1 + np.arange(LOOKS)) ** -draw.uniform(0.01, 1)
                rows = [row | {"value": draw.uniform()} for row in record["metrics"] if row["value"] is not None]
                config = record["config"]
                config = config | {"solver": config["solver"] | {"name": f"method{solver}"}}
                config |= {"dataset": config["dataset"] | {"name": f"data{dataset}", "sha256": f"{dataset:064}"}}
                records.append(
                    record
                    | {"config": config, "solver": f"method{solver}", "dataset": f"data{dataset}", "seed": seed}
                    | {"metrics": rows, "objective": falling[-1], "seconds": draw.uniform(0.01, 50)}
                    | {"history": [[10 * i, o, 0.1 * i] for i, o in enumerate(falling)], "iterations": 10 * LOOKS}
                )
    return records


def found_by(dataset: str) -> list[charts.Chart]:
    """Pictures of 40 bases of 32 × 32 pixels, bumps here and there, and of the codes of 400 samples of 40 classes."""
    draw, pixels = np.random.default_rng(1), np.indices((32, 32)).reshape(2, -1)
    away = np.linalg.norm(pixels[:, :, None] - draw.uniform(0, 32, (2, 1, 40)), axis=0)
    codes = draw.gamma(0.3, size=(40, 400)) + np.eye(40)[:, np.arange(400) % 40]
    fitted = Fitted([codes], bases=[np.exp(-((away / 4) ** 2))])
    record = {"dataset": dataset, "solver": "method0", "rank": 40, "seed": 0}
    data = Dataset(dataset, np.ones((1024, 400)), np.arange(400) % 40, shape=(32, 32))
    return [chart for draw in pictures.KINDS.values() if (chart := draw(record, fitted, data))]


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="needs Chromium (Debian: apt install chromium)")
def test_page_of_a_large_sweep_is_small(tmp_path: Path) -> None:
    words = ["solver=mu", "dataset=synthetic", "dataset.n_samples=20", "rank=2", "seeds=1", "stopping.max_iter=2"]
    assert main(["run", *words, "threads=1", f"results_dir='{tmp_path / 'r'}'"]) == 0
    records = sweep(Store(tmp_path / "r").load()[0][0])
    drawn = (chart for dataset in range(DATASETS) for chart in found_by(f"data{dataset}"))
    page = html.page(report.build(records, sort=""), charts.charts(records), records, "large", drawn)
    assert page.count('<button type="button" class="copy"') == SOLVERS * DATASETS
    assert len(page.encode()) < 5 * 2**20
    # Seconds are the machine's (`pytest -s` prints them), so the count of what a browser lays out stands for them.
    script = "document.body.offsetHeight; const result = [performance.now(), document.querySelectorAll('*').length];"
    took, elements = browser.found(page, script, tmp_path, "--window-size=1400,900")
    print(f"{len(page.encode()) / 2**20:.1f} MB, {elements} elements, {took:.0f} ms")
    assert elements < 6_000
