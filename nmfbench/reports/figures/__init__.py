"""The figures, one paper or subject a module: the runs that each figure needs, and how to draw it."""

from nmfbench.reports.figures import deep_kl, dnsnmf, neural, recovery, scaling, truth, unmixing, wnnf
from nmfbench.reports.figures.common import PaperFigure, Run, TableFigure

__all__ = ["FIGURES", "PaperFigure", "Run", "TableFigure"]

FIGURES: dict[str, PaperFigure | TableFigure] = {
    **wnnf.FIGURES,
    **dnsnmf.FIGURES,
    **deep_kl.FIGURES,
    **neural.FIGURES,
    **recovery.FIGURES,
    **truth.FIGURES,
    **unmixing.FIGURES,
    **scaling.FIGURES,
}
