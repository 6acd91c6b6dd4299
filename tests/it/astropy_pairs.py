"""Pairs of Hipparcos and Gaia stars in the sample sky by astropy, as an independent truth.

Usage: astropy_pairs.py SAMPLE_DIR RADIUS_ARCSEC WHICH; prints one `hip source_id` a line. WHICH is one of

catalogued, epoch    all pairs, as catalogued or carried to Gaia's epoch
nearest, two         of each Hipparcos star the nearest source, or the two nearest
best                 pairs of which each is the nearest of the other
alone                Hipparcos stars without a source, and 0
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
    ids = gaia["source_id"].to_numpy()
    for a, b in pairs(stars, sources, float(radius_arcsec) * u.arcsec, when):
        print(column["hip"][a], ids[b] if b >= 0 else 0)


def pairs(stars, sources, radius, which):
    if which in ("catalogued", "epoch"):
        left, right, _, _ = search_around_sky(stars, sources, radius)
        return zip(left, right)
    every = np.arange(len(stars))
    nearest, apart, _ = stars.match_to_catalog_sky(sources)
    near = apart < radius
    if which == "alone":
        return [(a, -1) for a in every[~near]]
    if which == "best":
        back, _, _ = sources.match_to_catalog_sky(stars)
        near &= back[nearest] == every
    found = list(zip(every[near], nearest[near]))
    if which == "two":
        second, apart, _ = stars.match_to_catalog_sky(sources, nthneighbor=2)
        found += zip(every[apart < radius], second[apart < radius])
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
