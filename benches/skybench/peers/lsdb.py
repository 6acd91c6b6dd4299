"""LSDB over the same HATS files, on dask's threads, with a margin so that no pair at a border is lost.

(Its distributed scheduler was seen to return empty cones.)
"""

import warnings

import dask
import lsdb as library
from bench import RADIUS_ARCSEC, Peer


class Lsdb(Peer):
    def version(self):
        return library.__version__

    def open(self):
        warnings.simplefilter("ignore")
        dask.config.set(scheduler="threads", num_workers=self.bench.cores)
        self.catalogue = library.open_catalog(
            f"{self.bench.root}/gaia", columns=["source_id", "ra", "dec", "phot_g_mean_mag"]
        )

    def match(self):
        """The small catalogue on the left, which is faster, and as many neighbours as any of its rows has."""
        left, right = (
            library.open_catalog(f"{self.bench.root}/{name}", columns=["ra", "dec"]) for name in ("wise", "gaia")
        )
        pairs = left.crossmatch(
            right,
            n_neighbors=self.bench.most_neighbours,
            radius_arcsec=RADIUS_ARCSEC,
            require_right_margin=True,
            suffix_method="overlapping_columns",
            log_changes=False,
        )
        return sum(dask.compute(*(dask.delayed(len)(part) for part in pairs.to_delayed())))

    def cone(self, ra, dec, radius):
        return len(self.catalogue.cone_search(ra, dec, radius * 3600).compute(progress_bar=False))


PEER = Lsdb
