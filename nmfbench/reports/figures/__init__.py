"""The figures, one paper or subject a module: the runs that each figure needs, and how to draw it."""

from nmfbench.reports.figures import deep_kl, dnsnmf, neural, recovery, wnnf
from nmfbench.reports.figures.common import PaperFigure, Run

__all__ = ["FIGURES", "PaperFigure", "Run"]

FIGURES: dict[str, PaperFigure] = {
    **wnnf.FIGURES,
    **dnsnmf.FIGURES,
    **deep_kl.FIGURES,
    **neural.FIGURES,
    **recovery.FIGURES,
}
