"""The same texts asked of dreyer and of PostgreSQL with Q3C, over the sample sky: pair by pair the same."""

import os

import psycopg

ours = psycopg.connect(autocommit=True)
theirs = psycopg.connect(os.environ["ORACLE"], autocommit=True)

TABLES = {
    "hipparcos": "hip bigint, ra double precision, dec double precision, parallax real, pmra real, pmdec real",
    "gaia_bright": "source_id bigint, ra double precision, dec double precision, phot_g_mean_mag real",
}


def bring_over():
    """Copies the tables in PostgreSQL's own binary format, and indexes them as Q3C's manual says."""
    theirs.execute("CREATE EXTENSION q3c")
    for table, columns in TABLES.items():
        names = ", ".join(f"{column.split()[0]}::{column.split(maxsplit=1)[1]}" for column in columns.split(", "))
        theirs.execute(f"CREATE TABLE {table} ({columns})")
        query = f"COPY (SELECT {names} FROM {table}) TO STDOUT (FORMAT binary)"
        with ours.cursor() as source, theirs.cursor() as target:
            with source.copy(query) as rows, target.copy(f"COPY {table} FROM STDIN (FORMAT binary)") as copy:
                for block in rows:
                    copy.write(block)
        theirs.execute(f"CREATE INDEX ON {table} (q3c_ang2ipix(ra, dec))")
        theirs.execute(f"ANALYZE {table}")
    # The planner knows nothing of how few rows an index of Q3C gives back.
    theirs.execute("SET enable_seqscan = off")


NEAR = "q3c_join(h.ra, h.dec, g.ra, g.dec, {radius} / 3600.)"
# Q3C finds right rows of its function by their index, so these are the ones that are looked up.
SAME_WORDS = {
    "all pairs": f"SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g ON {NEAR}",
    "comma and WHERE": f"SELECT h.hip, g.source_id FROM hipparcos h, gaia_bright g WHERE {NEAR} AND h.hip % 3 = 1",
    "LEFT": f"SELECT h.hip, g.source_id FROM hipparcos h LEFT JOIN gaia_bright g ON {NEAR}",
    "LEFT, more in ON": f"SELECT h.hip, g.source_id FROM hipparcos h LEFT JOIN gaia_bright g ON {NEAR} "
    "AND g.phot_g_mean_mag < 8",
    "RIGHT": f"SELECT h.hip, g.source_id FROM gaia_bright g RIGHT JOIN hipparcos h ON {NEAR}",
    "semi": f"SELECT h.hip, 0 FROM hipparcos h WHERE EXISTS (SELECT 1 FROM gaia_bright g WHERE {NEAR})",
    "anti": f"SELECT h.hip, 0 FROM hipparcos h WHERE NOT EXISTS (SELECT 1 FROM gaia_bright g WHERE {NEAR})",
    "a radius of each row": "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g "
    "ON q3c_join(h.ra, h.dec, g.ra, g.dec, {radius} * (h.hip % 7) / 7. / 3600.)",
    "least separation": f"SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g ON {NEAR} "
    "AND q3c_dist(h.ra, h.dec, g.ra, g.dec) > {radius} / 5. / 3600.",
    "ellipse": "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g "
    "ON q3c_ellipse_join(h.ra, h.dec, g.ra, g.dec, {radius} / 3600., 0.3, 40.)",
    "itself": "SELECT h.hip, o.hip FROM hipparcos h JOIN hipparcos o "
    "ON q3c_join(h.ra, h.dec, o.ra, o.dec, {radius} / 3600.) AND h.hip < o.hip",
    "three": f"SELECT h.hip + o.hip * 1000000, g.source_id FROM hipparcos h JOIN gaia_bright g ON {NEAR} "
    "JOIN hipparcos o ON q3c_join(h.ra, h.dec, o.ra, o.dec, {radius} / 3600.)",
}
OWN_WORDS = {
    "nearest": (
        "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g "
        "ON XMATCH(h.ra, h.dec, g.ra, g.dec, radius_arcsec => {radius}, mode => 'nearest')",
        "SELECT h.hip, g.source_id FROM hipparcos h CROSS JOIN LATERAL (SELECT g.source_id FROM gaia_bright g "
        f"WHERE {NEAR} ORDER BY q3c_dist(h.ra, h.dec, g.ra, g.dec) LIMIT 1) g",
    ),
    "two nearest": (
        "SELECT h.hip, g.source_id FROM hipparcos h JOIN gaia_bright g "
        "ON XMATCH(h.ra, h.dec, g.ra, g.dec, radius_arcsec => {radius}, k => 2)",
        "SELECT h.hip, g.source_id FROM hipparcos h CROSS JOIN LATERAL (SELECT g.source_id FROM gaia_bright g "
        f"WHERE {NEAR} ORDER BY q3c_dist(h.ra, h.dec, g.ra, g.dec) LIMIT 2) g",
    ),
}


def rows(conn, sql):
    return sorted(conn.execute(sql).fetchall(), key=lambda row: tuple((value is None, value or 0) for value in row))


def compare(name, ours_asked, theirs_asked):
    for radius in (1, 600):
        found = rows(ours, ours_asked.format(radius=radius))
        truth = rows(theirs, theirs_asked.format(radius=radius))
        if found != truth:
            missing, extra = set(truth) - set(found), set(found) - set(truth)
            raise AssertionError(f"{name}, {radius} arcsec: {len(truth)} rows; missing {list(missing)[:5]}, extra {list(extra)[:5]}")
        yield len(truth)


bring_over()
for name, sql in SAME_WORDS.items():
    assert max(compare(name, sql, sql)) > 100, f"{name}: few rows to compare"
for name, (sql, oracle) in OWN_WORDS.items():
    assert max(compare(name, sql, oracle)) > 100, f"{name}: few rows to compare"
print("ok")
