"""What peers without a sky need from outside: rows in an order that keeps neighbours together, boxes around cones."""

import math

import numpy as np
import pyarrow.parquet as pq

ZONES_PER_DEGREE = 4


def positions(path):
    """Right ascension and declination of a file's rows, zone by zone: trees are several times as fast on such."""
    table = pq.read_table(path, columns=["ra", "dec"])
    ra, dec = table["ra"].to_numpy(), table["dec"].to_numpy()
    order = np.lexsort((ra, np.floor(dec * ZONES_PER_DEGREE)))
    return ra[order], dec[order]


def box(ra, dec, radius):
    """Declinations, and a condition on right ascension, that no row of the cone fails."""
    south, north = dec - radius, dec + radius
    if north >= 90 or south <= -90:
        return {"south": south, "north": north, "ra_range": "true"}
    half = math.degrees(math.asin(math.sin(math.radians(radius)) / math.cos(math.radians(dec)))) * (1 + 1e-9)
    west, east = ra - half, ra + half
    if west < 0:
        within = f"ra <= {east} OR ra >= {west + 360}"
    elif east > 360:
        within = f"ra >= {west} OR ra <= {east - 360}"
    else:
        within = f"ra BETWEEN {west} AND {east}"
    return {"south": south, "north": north, "ra_range": within}
