"""Zachary's karate club."""

from dataclasses import dataclass

import numpy as np

from nmfbench.datasets import base


@dataclass(frozen=True, kw_only=True)
class Karate(base.Loader):
    """34 members of a karate club, and who met whom outside of it: X (34, 34), the adjacency matrix of 78 edges.

    y: the club that a member joined when it split, that of Mr. Hi (0) or of the officer (1).
    Part of networkx; Zachary, An Information Flow Model for Conflict and Fission in Small Groups (1977).

    Parameters
    ----------
    weighted: whether an edge has the number of contexts in which its ends met, 1 to 7, instead of 1.
    """

    weighted: bool = False

    def read(self) -> base.Dataset:
        import networkx as nx  # takes a moment, and planning needs none of it

        club = nx.karate_club_graph()
        X = nx.to_numpy_array(club, weight="weight" if self.weighted else None)
        y = np.array([name != "Mr. Hi" for _, name in club.nodes(data="club")], dtype=int)
        return base.Dataset("karate", X, y, sample="member")
