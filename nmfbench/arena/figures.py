"""Pictures of a ranking."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

from nmfbench.arena import ranking
from nmfbench.arena.claims import Verdict
from nmfbench.arena.protocol import LINES_TO_BEAT
from nmfbench.reports import plots
from nmfbench.reports.charts import Chart
from nmfbench.reports.plots import COLOURS, captioned, styled
from nmfbench.reports.statistics import holm, paired

NO_METHODS = (*LINES_TO_BEAT, "random")
BY_DEFAULT = " by default"


def charts(scores: pd.DataFrame) -> Iterator[Chart]:
    """Yield the ranking, who can be told apart, time against quality, and who beats whom."""
    first = scores[(scores["times"] == scores["times"].min()) & (scores["solver"] != "labels")]
    ranked = ranking.on_open_data(first)
    yield strength(ranked)
    yield apart(ranked)
    yield frontier(ranked)
    yield duels(ranked)


@styled
def strength(scores: pd.DataFrame) -> Chart:
    """Elo of each method, tuned and with its defaults, where both rows of all methods play in one pool."""
    tuned, default = (ranking.matrix(scores, row) for row in ("tuned", "default"))
    names = tuned.columns
    pool = ranking.elo(ranking.filled(tuned.join(default.add_suffix(BY_DEFAULT))))
    board = pool.loc[names].sort_values("elo")
    board["elo_default"] = pool["elo"].reindex(board.index + BY_DEFAULT).to_numpy()
    figure = Figure(figsize=(7, 1.2 + 0.19 * len(board)), layout="constrained")
    ax = figure.subplots()
    y = np.arange(len(board))
    colours = [COLOURS[1] if name in NO_METHODS else COLOURS[0] for name in board.index]
    ax.hlines(y, board["low"], board["high"], color=colours, linewidth=1.5)
    ax.scatter(board["elo_default"], y, facecolor="white", edgecolor=colours, s=22, zorder=2)
    ax.scatter(board["elo"], y, color=colours, s=22, zorder=3)
    ax.scatter([], [], color=COLOURS[0], s=22, label="tuned without labels")
    ax.scatter([], [], facecolor="white", edgecolor=COLOURS[0], s=22, label="defaults")
    ax.set_yticks(y, board.index)
    ax.set_ylim(-0.7, len(board) - 0.3)
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)
    ax.set_xlabel("Elo")
    ax.legend(loc="lower right")
    note = (
        f"NMI of k-means on the codes, {len(tuned)} tasks; all dots play in one pool. Lines: 95 % intervals by "
        "bootstrap over tasks. Orange: raw data, PCA and random codes. A method that cannot take a task comes last on "
        "it."
    )
    captioned(figure, "Which method's codes cluster best", note)
    best = ", ".join(reversed(board.index[-3:]))
    text = f"Elo of {len(board)} methods with intervals; the first are {best}."
    return Chart("ranking", "Ranking", text, figure, board.iloc[::-1].rename_axis("solver").reset_index())


@styled
def apart(scores: pd.DataFrame) -> Chart:
    """The critical-difference diagram of the methods that take every task."""
    import scikit_posthocs  # an extra, which takes a second

    values = ranking.matrix(scores, "tuned").dropna(axis=1)
    ranks = values.rank(axis=1, ascending=False).mean().sort_values()
    names = list(ranks.index)
    nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(values[names].to_numpy())
    nemenyi.index = nemenyi.columns = pd.Index(names)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    numbers = pd.DataFrame(
        {
            "method": [a for a, _ in pairs],
            "other": [b for _, b in pairs],
            "p_nemenyi": [nemenyi.loc[a, b] for a, b in pairs],
            "p_wilcoxon_holm": holm([paired(list(values[a]), list(values[b])).p for a, b in pairs]),
        }
    )
    figure = Figure(figsize=(9, 2 + 0.2 * len(names)), layout="constrained")
    ax = figure.subplots()
    scikit_posthocs.critical_difference_diagram(
        ranks, nemenyi, ax=ax, color_palette=dict.fromkeys(names, "black"), label_props={"size": 8}
    )
    friedman = stats.friedmanchisquare(*(values[name] for name in names)).pvalue if len(names) > 2 else math.nan
    separate, strictly = (int((numbers[p] < 0.05).sum()) for p in ("p_nemenyi", "p_wilcoxon_holm"))
    note = (
        f"Mean rank over {len(values)} tasks of the {len(names)} methods that take all of them; Friedman's test that "
        f"all are alike: p = {friedman:.1g}. A bar joins methods that Nemenyi's test cannot tell apart at 5 %: it "
        f"tells {separate} of {len(pairs)} pairs apart, Wilcoxon's signed-rank test with Holm's correction for all "
        f"pairs {strictly}, where its smallest possible p is {min(1.0, len(pairs) * 2.0 ** (1 - len(values))):.2g}."
    )
    captioned(figure, "Which methods can be told apart", note)
    text = f"Critical-difference diagram: Nemenyi's test tells {separate} of {len(pairs)} pairs apart."
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
        f"{tasks} tasks, methods that take all of them. Bold: none is faster and better. "
        "Fits below 1 ms stand at 1 ms.",
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
