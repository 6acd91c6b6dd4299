"""scipy's KD-tree, both catalogues in memory as unit vectors: also the truth that all others are held against."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import scipy as library
from bench import RADIUS_ARCSEC, Peer
from scipy.spatial import cKDTree
from sphere import positions

CHORD = 2 * np.sin(np.radians(RADIUS_ARCSEC / 3600) / 2)


def vectors(path):
    ra, dec = np.radians(positions(path))
    return np.c_[np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]


def tree(rows):
    return cKDTree(rows, balanced_tree=False, compact_nodes=False)


class Scipy(Peer):
    def version(self):
        return library.__version__

    def open(self):
        self.left, self.right = (vectors(self.bench.inputs[name]) for name in ("gaia", "wise"))

    def match(self):
        """One tree of the left side; each thread counts against it a tree of its share of the right side."""
        left, shares = tree(self.left), np.array_split(self.right, self.bench.cores)
        with ThreadPoolExecutor(self.bench.cores) as pool:
            return int(sum(pool.map(lambda share: left.count_neighbors(tree(share), CHORD), shares)))

    def truth(self):
        """What the queries must give, from the number of neighbours that each row has."""
        cores = self.bench.cores
        of_left = tree(self.right).query_ball_point(self.left, CHORD, return_length=True, workers=cores)
        of_right = tree(self.left).query_ball_point(self.right, CHORD, return_length=True, workers=cores)
        pairs, lonely = int(of_left.sum()), int((of_left == 0).sum())
        assert pairs == of_right.sum()
        return {
            "match": pairs,
            "match_left": pairs + lonely,
            "match_semi": len(of_left) - lonely,
            "match_anti": lonely,
            "match_nearest": len(of_left) - lonely,
            "match_two_nearest": int(np.minimum(of_left, 2).sum()),
            "wide": pairs,
            "decode": len(of_left) + len(of_right),
            "most_neighbours": int(of_right.max()),
        }


PEER = Scipy
