"""astropy's search_around_sky, coordinates in memory; the tree is built anew each time, since it is kept otherwise."""

import astropy as library
from astropy import units
from astropy.coordinates import SkyCoord, search_around_sky
from bench import RADIUS_ARCSEC, Peer
from sphere import positions


class Astropy(Peer):
    def version(self):
        return library.__version__

    def open(self):
        self.degrees = [positions(self.bench.inputs[name]) for name in ("gaia", "wise")]

    def match(self):
        left, right = (SkyCoord(ra, dec, unit="deg") for ra, dec in self.degrees)
        return len(search_around_sky(left, right, RADIUS_ARCSEC * units.arcsec)[0])


PEER = Astropy
