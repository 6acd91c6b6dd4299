"""The tables that both servers have: one with a column of every type, one with many rows, in a schema of its own."""

import datetime as dt
import math
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

UTC = dt.timezone.utc
STARS, DETECTIONS = 500, 20_000
BANDS = ["g", "r", "i"]

# Table: column, type in PostgreSQL, type in Arrow, description, unit, UCD.
TABLES = {
    "public.stars": [
        ("id", "bigint", pa.int64(), "Identifier", None, "meta.id;meta.main"),
        ("name", "text", pa.string(), "Name", None, "meta.id"),
        ("ra", "double precision", pa.float64(), "Right ascension", "deg", "pos.eq.ra;meta.main"),
        ("dec", "double precision", pa.float64(), "Declination", "deg", "pos.eq.dec;meta.main"),
        ("Vmag", "double precision", pa.float64(), "Magnitude in V", "mag", "phot.mag;em.opt.V"),
        ("error", "real", pa.float32(), None, "mag", None),
        ("n", "integer", pa.int32(), "Number of detections", None, "meta.number"),
        ("small", "smallint", pa.int16(), None, None, None),
        ("flag", "boolean", pa.bool_(), "Whether it varies", None, None),
        ("seen", "timestamp without time zone", pa.timestamp("us"), None, None, "time.epoch"),
        ("moment", "timestamp with time zone", pa.timestamp("us", tz="UTC"), None, None, "time.epoch"),
        ("day", "date", pa.date32(), None, None, None),
        ("flux", "numeric(10,3)", pa.decimal128(10, 3), "Flux", "mJy", "phot.flux"),
        ("mags", "double precision[]", pa.list_(pa.float64()), "Magnitudes", "mag", None),
        ("bands", "text[]", pa.list_(pa.string()), "Bands of the magnitudes", None, "instr.bandpass"),
        ("raw", "bytea", pa.binary(), None, None, None),
        ("note", "text", pa.string(), None, None, None),
    ],
    "survey.detections": [
        ("star_id", "bigint", pa.int64(), "Star", None, "meta.id.cross"),
        ("time", "timestamp with time zone", pa.timestamp("us", tz="UTC"), "Time of exposure", None, "time.epoch"),
        ("mjd", "double precision", pa.float64(), "Time of exposure", "d", "time.epoch"),
        ("band", "text", pa.string(), "Band", None, "instr.bandpass"),
        ("mag", "double precision", pa.float64(), "Magnitude", "mag", "phot.mag"),
        ("mag_error", "double precision", pa.float64(), "Its error", "mag", "stat.error;phot.mag"),
        ("ra", "double precision", pa.float64(), "Right ascension", "deg", "pos.eq.ra"),
        ("dec", "double precision", pa.float64(), "Declination", "deg", "pos.eq.dec"),
    ],
}
NOTES = [None, "", "it's", 'a "quote"', "line\nbreak", "tab\t\\ backslash", "NULL", "{1,2}", "Ångström ☉", "a,b;c|d"]
FLOATS = [math.nan, math.inf, -math.inf, 0.1, 0.0, 1e-7, 1e300, 123456789.125, 5e-324, None]


def star(i, rng):
    """Most rows are plain; the first hold what is hard to write down."""
    hard = i < 20
    moment = dt.datetime(2024, 1, 1, tzinfo=UTC) + dt.timedelta(hours=7 * i, microseconds=123_456 * (i % 3))
    return (
        i + 1, f"star {i + 1:04}", round(rng.uniform(0, 360), 6), round(rng.uniform(-90, 90), 6),
        FLOATS[i % len(FLOATS)] if hard else round(rng.uniform(8, 20), 3),
        None if i % 11 == 0 else float(np.float32(round(rng.uniform(0.001, 0.1), 4))),
        None if i % 13 == 0 else int(rng.integers(0, 2000)) - 1000, (-32768, 32767, 0)[i % 3], (True, False, None)[i % 3],
        None if i % 17 == 16 else moment.replace(tzinfo=None), None if i % 17 == 15 else moment,
        None if i % 19 == 18 else (dt.date(1601, 1, 2) if i == 3 else moment.date()),
        None if i % 7 == 6 else Decimal(int(rng.integers(-10_000_000, 10_000_000))).scaleb(-3),
        None if i % 5 == 4 else [round(float(m), 3) if m < 19 else None for m in rng.uniform(10, 20, i % 4)],
        None if i % 5 == 3 else [BANDS[j % 3] if hard else "x, y" for j in range(i % 4)],
        None if i % 6 == 5 else bytes(range(i % 8)), NOTES[i % len(NOTES)],
    )


def detection(i, rng):
    time = dt.datetime(2024, 1, 1, tzinfo=UTC) + dt.timedelta(seconds=300 * (i // 4) + int(rng.integers(0, 200)))
    mjd = 60310 + (time - dt.datetime(2024, 1, 1, tzinfo=UTC)).total_seconds() / 86400
    mag, error = round(15 + rng.normal(), 3), round(rng.uniform(0.01, 0.1), 3)
    return (
        i % STARS + 1, time, mjd, BANDS[i % 3], None if i % 97 == 0 else mag, error,
        round(rng.uniform(0, 360), 6), round(rng.uniform(-30, 30), 6),
    )


def rows(table):
    rng = np.random.default_rng(15)
    make, count = (star, STARS) if table == "public.stars" else (detection, DETECTIONS)
    return [make(i, rng) for i in range(count)]


def comment(description, unit, ucd):
    """What dreyer makes of a column's description, unit and UCD."""
    parts = [description, unit and f"[{unit}]", ucd and f"({ucd})"]
    return " ".join(part for part in parts if part) or None


def write_parquet(root):
    """The tables as files, with what is known of the columns beside them."""
    for table, columns in TABLES.items():
        fields = []
        for name, _, kind, description, unit, ucd in columns:
            known = {"description": description, "unit": unit, "ucd": ucd}
            fields.append(pa.field(name, kind, metadata={key: value for key, value in known.items() if value}))
        data = [pa.array(column, field.type) for column, field in zip(zip(*rows(table)), fields)]
        schema, name = table.split(".")
        folder = root if schema == "public" else root / schema
        folder.mkdir(exist_ok=True)
        pq.write_table(pa.Table.from_arrays(data, schema=pa.schema(fields)), folder / f"{name}.parquet")


def load(connection):
    """The same in PostgreSQL, by psycopg."""
    for table, columns in TABLES.items():
        quoted = ", ".join(f'"{name}" {kind}' for name, kind, *_ in columns)
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {table.split('.')[0]}")
        connection.execute(f"CREATE TABLE {table} ({quoted})")
        for name, *_, description, unit, ucd in columns:
            if text := comment(description, unit, ucd):
                connection.execute(f'COMMENT ON COLUMN {table}."{name}" IS $${text}$$')
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows(table):
                copy.write_row(row)
        connection.execute(f"ANALYZE {table}")
