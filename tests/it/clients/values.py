"""Each type of value, read in text and in binary, against what Python knows it to be."""

import datetime as dt
import math
from decimal import Decimal

import psycopg

UTC = dt.timezone.utc

# SQL, the type's oid, the value.
CASES = [
    ("true", 16, True),
    ("(-7)::smallint", 21, -7),
    ("arrow_cast(200, 'UInt8')", 21, 200),
    ("2147483647::int", 23, 2147483647),
    ("arrow_cast(65535, 'UInt16')", 23, 65535),
    ("(-9223372036854775807)::bigint", 20, -9223372036854775807),
    ("arrow_cast(4294967295, 'UInt32')", 20, 4294967295),
    ("arrow_cast(18446744073709551615, 'UInt64')", 1700, Decimal("18446744073709551615")),
    ("1.5::real", 700, 1.5),
    ("arrow_cast(1.5, 'Float16')", 700, 1.5),
    ("0.1::float8", 701, 0.1),
    ("1e300::float8", 701, 1e300),
    ("5e-324::float8", 701, 5e-324),
    ("'Infinity'::float8", 701, math.inf),
    ("'-Infinity'::float8", 701, -math.inf),
    ("'NaN'::float8", 701, math.nan),
    ("(-0.0)::float8", 701, 0.0),  # one zero, as there is one NaN
    ("12345.6700::decimal(12, 4)", 1700, Decimal("12345.6700")),
    ("(-0.05)::decimal(4, 2)", 1700, Decimal("-0.05")),
    ("0::decimal(4, 2)", 1700, Decimal("0.00")),
    ("arrow_cast(-1.25, 'Decimal256(60, 3)')", 1700, Decimal("-1.250")),
    ("'Å ''quoted'' \\ text'", 25, "Å 'quoted' \\ text"),
    ("''", 25, ""),
    ("arrow_cast('a', 'Utf8View')", 25, "a"),
    ("arrow_cast('a', 'LargeUtf8')", 25, "a"),
    ("arrow_cast('a', 'Dictionary(Int32, Utf8)')", 25, "a"),
    ("arrow_cast('ab', 'Binary')", 17, b"ab"),
    ("arrow_cast('ab', 'BinaryView')", 17, b"ab"),
    ("DATE '2016-01-02'", 1082, dt.date(2016, 1, 2)),
    ("DATE '0001-01-01'", 1082, dt.date(1, 1, 1)),
    ("arrow_cast('03:04:05.5', 'Time64(Nanosecond)')", 1083, dt.time(3, 4, 5, 500000)),
    ("arrow_cast('03:04:05', 'Time32(Second)')", 1083, dt.time(3, 4, 5)),
    ("TIMESTAMP '2016-01-02 03:04:05.123456789'", 1114, dt.datetime(2016, 1, 2, 3, 4, 5, 123457)),
    ("arrow_cast('1999-12-31 23:59:59', 'Timestamp(Second, None)')", 1114, dt.datetime(1999, 12, 31, 23, 59, 59)),
    (
        "arrow_cast('2016-01-02 03:04:05', 'Timestamp(Millisecond, Some(\"UTC\"))')",
        1184,
        dt.datetime(2016, 1, 2, 3, 4, 5, tzinfo=UTC),
    ),
    ("INTERVAL '1' DAY", 1186, dt.timedelta(days=1)),
    ("arrow_cast(5, 'Duration(Millisecond)')", 1186, dt.timedelta(milliseconds=5)),
    ("[1, 2, NULL]", 1016, [1, 2, None]),
    ("[1.5::real]", 1021, [1.5]),
    ("[0.1::float8, 'NaN'::float8]", 1022, [0.1, math.nan]),
    ("['a', 'b c', NULL, '', 'NULL', '{\"}']", 1009, ["a", "b c", None, "", "NULL", '{"}']),
    ("[true, false]", 1000, [True, False]),
    ("[DATE '2016-01-02']", 1182, [dt.date(2016, 1, 2)]),
    ("arrow_cast([], 'List(Int64)')", 1016, []),
    ("arrow_cast([1, 2], 'FixedSizeList(2, Int64)')", 1016, [1, 2]),
    ("arrow_cast([1, 2], 'LargeList(Int64)')", 1016, [1, 2]),
    ("POINT(1.25, -2)", 1022, [1.25, -2.0]),
    ("CIRCLE(1, 2, 3)", 1022, [1.0, 2.0, 3.0]),
    ("POLYGON(1, 1, 2, 1, 2, 2)", 1022, [1.0, 1.0, 2.0, 1.0, 2.0, 2.0]),
    ("named_struct('a', 1, 'b', 'x', 'c', NULL)", 114, {"a": 1, "b": "x", "c": None}),
    ("[[1, 2], [3]]", 114, [[1, 2], [3]]),
    ("NULL", 25, None),
    ("NULL::float8", 701, None),
    ("NULL::int[]", 1007, None),
    ("16385::oid", 26, 16385),
    ("'hipparcos'::name", 19, "hipparcos"),
]


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, Decimal) and isinstance(b, Decimal):
        return a.as_tuple() == b.as_tuple()
    return type(a) is type(b) and a == b


with psycopg.connect(autocommit=True) as conn:
    for sql, oid, expected in CASES:
        for binary in (False, True):
            cursor = conn.execute(f"SELECT {sql}", binary=binary)
            described, [(value,)] = cursor.description[0].type_code, cursor.fetchall()
            where = f"{sql} in {'binary' if binary else 'text'}"
            assert described == oid, f"{where}: described as {described}, not {oid}"
            assert same(value, expected), f"{where}: {value!r}, not {expected!r}"

    # A table's columns, row by row alike.
    sql = "SELECT hip, ra, dec, parallax, hpmag, _healpix_29 FROM hipparcos ORDER BY hip"
    texts, binaries = (conn.execute(sql, binary=binary).fetchall() for binary in (False, True))
    assert len(texts) == 117955 and all(same(list(t), list(b)) for t, b in zip(texts, binaries))

    # Several columns with a format each, and the zone of the session.
    conn.execute("SET TimeZone = 'Asia/Kolkata'")
    [(text,)] = conn.execute("SELECT arrow_cast('2016-01-01', 'Timestamp(Second, Some(\"UTC\"))')").fetchall()
    assert text.isoformat() == "2016-01-01T05:30:00+05:30", text

print("ok")
