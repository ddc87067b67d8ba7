"""How the time of an iteration grows with the data and the rank, which the survey says is linear."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.figure import Figure

from nmfbench.reports import curves
from nmfbench.reports.figures.common import NAMES, PaperFigure, Run

SIZES = {"samples": "samples n", "features": "features m", "rank": "rank r of the top layer"}


def iteration_times(runs: Sequence[Run]) -> pd.DataFrame:
    """Median over seeds of the processor time of an iteration in seconds, a row a method and size."""
    rows = [
        {
            "solver": run.solver,
            "features": run.record["data"]["features"],
            "samples": run.record["data"]["samples"],
            "rank": run.record["rank"],
            "seconds": run.record["cpu_seconds"] / run.record["iterations"],
        }
        for run in runs
    ]
    grouped = pd.DataFrame(rows).groupby(["solver", "features", "samples", "rank"], sort=False)["seconds"]
    return grouped.agg(seconds="median", fastest="min", slowest="max", n="count").reset_index()


def series(times: pd.DataFrame) -> dict[str, dict[str, pd.Series]]:
    """Size → method → seconds by that size, where the other two sizes have their most frequent value."""
    usual = times[[*SIZES]].mode().iloc[0]
    panels: dict[str, dict[str, pd.Series]] = {}
    for size in SIZES:
        others = [other for other in SIZES if other != size]
        rows = times[(times[others] == usual[others]).all(axis=1)].sort_values(size)
        of_solver = rows.set_index(size).groupby("solver")["seconds"]
        panels[size] = {solver: of_solver.get_group(solver) for solver in times["solver"].unique()}
    return panels


def growth_numbers(runs: Sequence[Run]) -> pd.DataFrame:
    """The times, and in the rows of each size that varies the slope over it."""
    times = iteration_times(runs)
    for size, of_method in series(times).items():
        slopes = {solver: curves.slope(seconds) for solver, seconds in of_method.items()}
        times[f"slope_over_{size}"] = times["solver"].map(slopes)
    return times


def growth(runs: Sequence[Run]) -> Figure:
    times = iteration_times(runs)
    panels = {
        SIZES[size]: {NAMES[solver]: seconds for solver, seconds in of_method.items()}
        for size, of_method in series(times).items()
    }
    usual = times[[*SIZES]].mode().iloc[0]
    environment = runs[0].record["environment"]
    note = (
        f"Median of {times['n'].max()} seeds; where a size does not vary it is m = {usual['features']:,}, "
        f"n = {usual['samples']:,}, r = {usual['rank']}. Two layers: [r/2, r] for deep NMF, [2r, r] for the others; "
        f"NMF has one. Start included, without pre-training. One thread of {environment['cpu']}, which other work "
        "shared. The survey: linear in the size of the data and the ranks."
    )
    title = "Processor time of an iteration against the size of the data and the rank (survey, Sec. 3.3.2)"
    return curves.growth(panels, "seconds an iteration", title, note)


FIGURES = {
    "scaling": PaperFigure(
        "survey, Sec. 3.3.2: seconds an iteration against samples, features and rank",
        ("experiment=scaling",),
        growth,
        codes=False,
        numbers=growth_numbers,
    ),
}
