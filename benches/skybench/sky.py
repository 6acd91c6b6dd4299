"""Generated skies: a Gaia-like catalogue and an AllWISE-like one that saw about half of the same stars.

Deterministic by seed, whatever else runs; made, written and forgotten chunk by chunk, so memory does not grow with
the number of rows. Half of the AllWISE-like rows are Gaia-like ones displaced by 0.1 to 0.3 arcseconds (one sigma on
each axis), the other half were never seen by the first; both crowd where the real sky does.
"""

import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CHUNK = 1_000_000

# Share of the rows, and where they lie: Galactic longitude and latitude of the middle, scale lengths in degrees.
CLOUDS = {
    "bulge": (0.15, 0.0, -2.0, 8.0, 4.0),
    "lmc": (0.03, 280.47, -32.89, 2.0, 1.6),
    "smc": (0.01, 302.80, -44.30, 1.0, 0.8),
    "omega_cen": (0.002, 309.10, 14.97, 0.15, 0.15),
    "tuc_47": (0.002, 305.89, -44.89, 0.12, 0.12),
}
DISC, SEAMS = 0.50, 0.002  # seams: rows at RA 0/360 and around both poles; what is left is the halo

# Rows are Galactic axes in equatorial coordinates (J2000).
GALACTIC = np.array(
    [
        [-0.0548755604, -0.8734370902, -0.4838350155],
        [0.4941094279, -0.4448296300, 0.7469822445],
        [-0.8676661490, -0.1980763734, 0.4559837762],
    ]
)


def equatorial(longitude, latitude):
    lon, lat = np.radians(longitude), np.radians(latitude)
    x, y, z = GALACTIC.T @ np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    return np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arcsin(np.clip(z, -1, 1)))


def anywhere(rng, count):
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))


def disc(rng, count):
    """Thin in latitude, and twice as dense towards the centre as away from it."""
    longitude = rng.uniform(-180, 180, count)
    towards = rng.random(count) < 0.35
    longitude[towards] = rng.normal(0, 45, towards.sum())
    latitude = rng.laplace(0, 6, count)
    return longitude, np.where(np.abs(latitude) < 89, latitude, 0)


def seams(rng, count):
    """Half at right ascension 0, half within two arcminutes of a pole."""
    ra, dec = rng.normal(0, 1e-4, count), rng.uniform(-89, 89, count)
    pole = np.sign(rng.uniform(-1, 1, count)) * (90 - 0.03 * np.sqrt(rng.random(count)))
    polar = rng.random(count) < 0.5
    return np.where(polar, rng.uniform(0, 360, count), ra) % 360, np.where(polar, pole, dec)


def positions(rng, count):
    """Right ascension and declination of so many rows, in no order."""
    shares = [DISC, SEAMS] + [cloud[0] for cloud in CLOUDS.values()]
    counts = rng.multinomial(count, [*shares, 1 - sum(shares)])
    parts = [equatorial(*disc(rng, counts[0])), seams(rng, counts[1])]
    for size, (_, longitude, latitude, along, across) in zip(counts[2:], CLOUDS.values()):
        b = np.clip(latitude + rng.normal(0, across, size), -89, 89)
        parts.append(equatorial(longitude + rng.normal(0, along, size) / np.cos(np.radians(b)), b))
    parts.append(anywhere(rng, counts[-1]))
    ra, dec = (np.concatenate(axis) for axis in zip(*parts))
    order = rng.permutation(count)
    return ra[order], dec[order]


def scattered(rng, ra, dec):
    """The same stars as another instrument saw them, with the sigma of each in arcseconds."""
    sigma = rng.uniform(0.1, 0.3, len(ra))
    stretch = np.maximum(np.cos(np.radians(dec)), 1e-9)
    east, north = rng.normal(0, 1, (2, len(ra))) * sigma / 3600
    # Over the pole and down the other side.
    dec = dec + north
    over = np.abs(dec) > 90
    ra = np.where(over, ra + 180, ra + east / stretch) % 360
    return ra, np.where(over, np.sign(dec) * 180 - dec, dec)


def normal(mean, sigma):
    return lambda rng, count: rng.normal(mean, sigma, count).astype("f4")


def positive(scale):
    return lambda rng, count: rng.exponential(scale, count).astype("f4")


def counted(low, high):
    return lambda rng, count: rng.integers(low, high, count, dtype="i2")


def words(*choices):
    return lambda rng, count: pa.DictionaryArray.from_arrays(rng.integers(0, len(choices), count, dtype="i4"), choices)


# Beside identifier, ra and dec; the first of each are what the queries name.
GAIA = {"phot_g_mean_mag": normal(18, 1.6), "parallax": normal(0.5, 1), "pmra": normal(-1, 6), "pmdec": normal(-3, 6)}
GAIA |= {f"{name}_error": positive(0.2) for name in ("ra", "dec", "parallax", "pmra", "pmdec")}
GAIA |= {"phot_bp_mean_mag": normal(18.5, 1.8), "phot_rp_mean_mag": normal(17.3, 1.6), "bp_rp": normal(1.2, 0.5)}
GAIA |= {"ruwe": positive(0.3), "teff_gspphot": normal(5200, 900), "logg_gspphot": normal(4.2, 0.5)}
GAIA |= {"phot_g_n_obs": counted(20, 900), "visibility_periods_used": counted(8, 35)}
WISE = {f"w{band}mpro": normal(16 - band, 1.5) for band in (1, 2, 3, 4)}
WISE |= {f"w{band}sigmpro": positive(0.1) for band in (1, 2, 3, 4)} | {f"w{band}snr": positive(20) for band in (1, 2)}
WISE |= {
    "sigra": positive(0.1),
    "sigdec": positive(0.1),
    "rchi2": positive(1),
    "nb": counted(1, 4),
    "na": counted(0, 2),
}
WISE |= {"cc_flags": words("0000", "0dh0", "dd00", "hhhh"), "ph_qual": words("AAAB", "AABU", "AAUU", "ABCU")}


def table(rng, kinds, width, key, first, ra, dec):
    columns = {key: np.arange(first, first + len(ra)) * 1_000_003 + 17, "ra": ra, "dec": dec}
    for name, make in list(kinds.items())[: width - 3]:
        columns[name] = make(rng, len(ra))
    return pa.table(columns)


def gaia_chunks(rows, width, seed):
    for chunk, first in enumerate(range(0, rows, CHUNK)):
        ra, dec = positions(np.random.default_rng([seed, 0, chunk]), min(CHUNK, rows - first))
        yield table(np.random.default_rng([seed, 1, chunk]), GAIA, width, "source_id", first, ra, dec)


def wise_chunks(rows, gaia_rows, width, seed):
    shared, first = min(rows // 2, gaia_rows), 0
    starts = range(0, gaia_rows, CHUNK)
    for chunk, start in enumerate(starts):
        size = min(CHUNK, gaia_rows - start)
        ra, dec = positions(np.random.default_rng([seed, 0, chunk]), size)
        rng = np.random.default_rng([seed, 2, chunk])
        seen = (start + size) * shared // gaia_rows - start * shared // gaia_rows
        chosen = rng.choice(size, seen, replace=False)
        own = (start + size) * (rows - shared) // gaia_rows - start * (rows - shared) // gaia_rows
        pairs = zip(scattered(rng, ra[chosen], dec[chosen]), positions(rng, own))
        order = rng.permutation(seen + own)
        ra, dec = (np.concatenate(axis)[order] for axis in pairs)
        yield table(rng, WISE, width, "cntr", first, ra, dec)
        first += seen + own


def write(path, chunks):
    """Writes the chunks to a Parquet file unless it is there; it is there only when it is whole."""
    if os.path.exists(path):
        return path
    writer = None
    for chunk in chunks:
        writer = writer or pq.ParquetWriter(f"{path}.part", chunk.schema, compression="zstd")
        writer.write_table(chunk)
    writer.close()
    os.rename(f"{path}.part", path)
    return path


def candidate_chunks(gaia_rows, seed, count=600):
    """Rows of the Gaia-like catalogue as somebody else measured them."""
    ra, dec = positions(np.random.default_rng([seed, 0, 0]), min(CHUNK, gaia_rows))
    rng = np.random.default_rng([seed, 3])
    chosen = rng.choice(len(ra), count, replace=False)
    ra, dec = scattered(rng, ra[chosen], dec[chosen])
    yield pa.table({"id": np.arange(count), "ra": ra, "dec": dec})


def inputs(folder, left_rows, right_rows, width, seed):
    """Files by table name, made now or earlier."""
    gaia = f"{folder}/gaia-{left_rows}-{width}-{seed}.parquet"
    wise = f"{folder}/wise-{right_rows}-of-{left_rows}-{width}-{seed}.parquet"
    candidates = f"{folder}/candidates-of-{left_rows}-{seed}.parquet"
    return {
        "gaia": write(gaia, gaia_chunks(left_rows, width, seed)),
        "wise": write(wise, wise_chunks(right_rows, left_rows, width, seed)),
        "candidates": write(candidates, candidate_chunks(left_rows, seed)),
    }
