"""Pictures of a ranking."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from nmfbench.arena import page, ranking
from nmfbench.arena.claims import Verdict
from nmfbench.arena.protocol import LINES_TO_BEAT
from nmfbench.reports import plots
from nmfbench.reports.charts import Chart
from nmfbench.reports.plots import COLOURS, captioned, styled
from nmfbench.reports.statistics import holm, paired

NO_METHODS = (*LINES_TO_BEAT, "random")


def charts(scores: pd.DataFrame) -> Iterator[Chart]:
    """The ranking, who can be told apart, time against quality, who beats whom, and ranks by kind of data."""
    first = scores["times"] == scores["times"].min()
    ranked = scores[first & (scores["solver"] != "labels") & ~scores["licensed"].astype(bool)]
    yield strength(ranked)
    yield apart(ranked)
    yield frontier(ranked)
    yield duels(ranked)


@styled
def strength(scores: pd.DataFrame) -> Chart:
    """Elo of each method, tuned and with its defaults."""
    tuned, default = (page.board(scores, row).set_index("solver") for row in ("tuned", "default"))
    order = tuned.sort_values("elo").index
    figure = Figure(figsize=(7, 1.2 + 0.19 * len(order)), layout="constrained")
    ax = figure.subplots()
    y = np.arange(len(order))
    board = tuned.loc[order]
    colours = [COLOURS[1] if name in NO_METHODS else COLOURS[0] for name in order]
    ax.hlines(y, board["low"], board["high"], color=colours, linewidth=1.5)
    ax.scatter(board["elo"], y, color=colours, s=22, zorder=3, label="tuned without labels")
    shown = default.reindex(order)["elo"]
    ax.scatter(shown, y, facecolor="white", edgecolor=colours, s=22, zorder=2, label="defaults, among defaults")
    ax.set_yticks(y, order)
    ax.set_ylim(-0.7, len(order) - 0.3)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.set_xlabel("Elo")
    ax.legend(loc="lower right")
    tasks = scores["task"].nunique()
    note = (
        f"NMI of k-means on the codes, {tasks} tasks. Lines: 95 % intervals by bootstrap over tasks. Orange: raw data, "
        "PCA and random codes. A method that cannot take a task comes last on it."
    )
    captioned(figure, "Which method's codes cluster best", note)
    numbers = board[["elo", "low", "high", "rank", "mean"]].join(shown.rename("elo_default")).iloc[::-1].reset_index()
    best = ", ".join(reversed(order[-3:]))
    return Chart(
        "ranking", "Ranking", f"Elo of {len(order)} methods with intervals; the first are {best}.", figure, numbers
    )


@styled
def apart(scores: pd.DataFrame) -> Chart:
    """The critical-difference diagram of the methods that take every task."""
    import scikit_posthocs  # an extra, which takes a second

    values = ranking.matrix(scores, "tuned").dropna(axis=1)
    ranks = values.rank(axis=1, ascending=False).mean().sort_values()
    names = list(ranks.index)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    p = pd.DataFrame(1.0, index=names, columns=names)
    corrected = holm([paired(list(values[a]), list(values[b])).p for a, b in pairs])
    for (a, b), value in zip(pairs, corrected, strict=True):
        p.loc[a, b] = p.loc[b, a] = value
    figure = Figure(figsize=(9, 1.5 + 0.16 * len(names)), layout="constrained")
    ax = figure.subplots()
    scikit_posthocs.critical_difference_diagram(
        ranks, p, ax=ax, color_palette=dict.fromkeys(names, "black"), label_props={"size": 8}
    )
    friedman = stats.friedmanchisquare(*(values[name] for name in names)).pvalue if len(names) > 2 else math.nan
    note = (
        f"Mean rank over {len(values)} tasks of the {len(names)} methods that take all of them; Friedman's test that "
        f"all are alike: p = {friedman:.1g}. A bar joins methods that Wilcoxon's signed-rank test cannot tell apart at "
        "5 %, corrected by Holm for all pairs."
    )
    captioned(figure, "Which methods can be told apart", note)
    numbers = pd.DataFrame([{"method": a, "other": b, "p_holm": p.loc[a, b]} for a, b in pairs])
    separate = int((numbers["p_holm"] < 0.05).sum()) if len(numbers) else 0
    text = f"Critical-difference diagram: {separate} of {len(pairs)} pairs can be told apart."
    return Chart("critical_differences", "Critical differences", text, figure, numbers)


@styled
def frontier(scores: pd.DataFrame) -> Chart:
    """Time of a fit against NMI, with the methods that no other beats in both."""
    chosen = scores[(scores["row"] == "tuned") & scores["seconds"].notna()]
    tasks = chosen["task"].nunique()
    whole = chosen.groupby("solver").filter(lambda rows: rows["task"].nunique() == tasks)
    board = whole.groupby("solver").agg(
        seconds=("seconds", lambda values: float(np.exp(np.log(values.clip(lower=1e-3)).mean()))), nmi=("nmi", "mean")
    )
    board = board.sort_values("seconds")
    board["best"] = board["nmi"] >= board["nmi"].cummax()
    figure = Figure(figsize=(7, 5), layout="constrained")
    ax = figure.subplots()
    ax.set_xscale("log")
    edge = board[board["best"]]
    ax.step(edge["seconds"], edge["nmi"], where="post", color="0.6", linewidth=1)
    ax.scatter(board["seconds"], board["nmi"], color=np.where(board["best"], COLOURS[1], COLOURS[0]), s=20, zorder=3)
    ax.set_xlabel("seconds of a fit, geometric mean over tasks")
    ax.set_ylabel("NMI in percent, mean over tasks")
    ordered = board.sort_values(["best", "nmi"], ascending=False)
    plots.named(ax, [(str(name), row["seconds"], row["nmi"], bool(row["best"])) for name, row in ordered.iterrows()])
    captioned(
        figure,
        "Time against quality",
        f"{tasks} tasks, methods that take all of them. Bold: none is faster and better.",
    )
    text = f"On the frontier, from fast to slow: {', '.join(map(str, edge.index))}."
    return Chart("frontier", "Time against quality", text, figure, board.reset_index())


@styled
def duels(scores: pd.DataFrame) -> Chart:
    """The share of tasks on which each method beats each other."""
    values = ranking.matrix(scores, "tuned")
    won = ranking.wins(values)
    played = won + won.T
    share = (won / played.where(played > 0)).astype(float)
    order = share.mean(axis=1).sort_values(ascending=False).index
    share = share.loc[order, order]
    size = 2 + 0.2 * len(order)
    figure = Figure(figsize=(size + 0.8, size + 0.6), layout="constrained")
    ax = figure.subplots()
    image = ax.imshow(share, cmap="PuOr_r", vmin=0, vmax=1)
    ax.set_xticks(range(len(order)), order, rotation=90, fontsize=7)
    ax.set_yticks(range(len(order)), order, fontsize=7)
    figure.colorbar(image, ax=ax, shrink=0.6, label="share of the tasks on which the row is ahead")
    captioned(figure, "Who beats whom", "On the tasks that both take; a tie counts half.")
    numbers = share.rename_axis("method").reset_index()
    return Chart("duels", "Who beats whom", "Shares of won tasks for each pair of methods.", figure, numbers)


@styled
def effects(found: Sequence[Verdict]) -> Chart:
    """The effect of each claim with its interval, in multiples of the smallest effect that matters."""
    tested = [one for one in reversed(found) if math.isfinite(one.shift)]
    figure = Figure(figsize=(7, 1.4 + 0.32 * len(tested)), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(-1, 1, color="0.93")
    ax.axvline(0, color="0.6", linewidth=1)
    for y, one in enumerate(tested):
        colour = COLOURS[2] if one.low > 0 else COLOURS[1] if one.high < 0 else "0.4"
        low, shift, high = (value / one.claim.smallest for value in (one.low, one.shift, one.high))
        ax.plot([low, high], [y, y], color=colour, linewidth=1.5)
        ax.plot(shift, y, "o", color=colour, markersize=5)
    ax.set_yticks(range(len(tested)), [f"{one.claim.name}: {one.words}" for one in tested])
    ax.set_xlabel("effect, in multiples of the smallest that matters")
    note = (
        "Hodges–Lehmann estimates with 95 % intervals over datasets. Grey: too small to matter, as each claim set it "
        "before its runs. Green: above 0; orange: below."
    )
    captioned(figure, "Claims about NMF", note)
    columns = ("shift", "low", "high", "p", "power", "datasets")
    numbers = pd.DataFrame(
        [
            {"claim": one.claim.name, "verdict": one.words, "smallest": one.claim.smallest}
            | {column: getattr(one, column) for column in columns}
            for one in found
        ]
    )
    text = "; ".join(f"{one.claim.name}: {one.words}" for one in found)
    return Chart("effects", "Claims", f"Effects of the claims with intervals. {text}.", figure, numbers)
