"""The southern women of Davis, Gardner & Gardner."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base


@dataclass(frozen=True, kw_only=True)
class Davis(base.Loader):
    """Visits of 18 women to 14 social events in Natchez in the 1930s: X (14, 18) of 0 and 1, 89 of them 1.

    A graph of two modes: features are events, samples women. y: the two groups, women 1 to 9 and 10 to 18, on which
    the 21 analyses that Freeman (2003) compares agree in the main.
    Part of networkx; Davis, Gardner & Gardner, Deep South (1941).
    """

    def read(self) -> base.Dataset:
        import networkx as nx  # takes a moment, and planning needs none of it

        graph = nx.davis_southern_women_graph()
        women, events = graph.graph["top"], graph.graph["bottom"]
        X = nx.bipartite.biadjacency_matrix(graph, events, women).toarray()
        return base.Dataset("davis", X, np.arange(18) // 9, feature_names=tuple(events), sample="woman")
