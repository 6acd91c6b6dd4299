"""Pairs of Hipparcos and Gaia stars in the sample sky by astropy, as an independent truth.

Usage: astropy_pairs.py SAMPLE_DIR RADIUS_ARCSEC {catalogued|epoch}; prints one `hip source_id` a line.
"""

import sys

import numpy as np
import pyarrow.dataset as ds
from astropy import units as u
from astropy.coordinates import Distance, SkyCoord, search_around_sky
from astropy.time import Time


def read(folder, columns):
    return ds.dataset(folder, format="parquet", exclude_invalid_files=True).to_table(columns=columns)


def main(sample, radius_arcsec, when):
    hip = read(f"{sample}/hipparcos/dataset", ["hip", "ra", "dec", "parallax", "pmra", "pmdec"])
    gaia = read(f"{sample}/gaia_bright/dataset", ["source_id", "ra", "dec"])
    column = {name: hip[name].to_numpy() for name in hip.column_names}
    stars = SkyCoord(column["ra"] * u.deg, column["dec"] * u.deg)
    if when == "epoch":
        # A parallax of zero or less tells no distance: far enough away that none shows.
        parallax = np.where(column["parallax"] > 0, column["parallax"], 1e-6)
        stars = SkyCoord(
            column["ra"] * u.deg,
            column["dec"] * u.deg,
            distance=Distance(parallax=parallax * u.mas),
            pm_ra_cosdec=column["pmra"] * u.mas / u.yr,
            pm_dec=column["pmdec"] * u.mas / u.yr,
            radial_velocity=np.zeros(len(parallax)) * u.km / u.s,
            obstime=Time(1991.25, format="jyear", scale="tcb"),
        ).apply_space_motion(new_obstime=Time(2016.0, format="jyear", scale="tcb"))
        stars = SkyCoord(stars.ra, stars.dec)
    sources = SkyCoord(gaia["ra"].to_numpy() * u.deg, gaia["dec"].to_numpy() * u.deg)
    left, right, _, _ = search_around_sky(stars, sources, float(radius_arcsec) * u.arcsec)
    ids = gaia["source_id"].to_numpy()
    for a, b in zip(left, right):
        print(column["hip"][a], ids[b])


if __name__ == "__main__":
    main(*sys.argv[1:])
