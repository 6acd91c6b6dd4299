"""COPY through psycopg, beside a real PostgreSQL: the same bytes out, the same errors, the same rows in."""

import os
import random

import psycopg
from psycopg import errors, sql

ours = psycopg.connect(autocommit=True)
theirs = psycopg.connect(os.environ["ORACLE"], autocommit=True)
for conn in (ours, theirs):
    conn.execute("SET TimeZone = 'UTC'")


def copied(conn, statement):
    """The bytes of a copy."""
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            data = b"".join(bytes(block) for block in copy)
        return data, cursor.rowcount


def fault(conn, work):
    try:
        work(conn)
    except psycopg.Error as error:
        diag = error.diag
        return diag.sqlstate, diag.message_primary, diag.context
    return None


VALUES = """
    SELECT i::bigint AS "n n", i::smallint AS s, i::bigint * 1000000007 AS b, i / 7.0::float8 AS x, (i / 7.0)::real AS r,
           CASE WHEN i % 5 = 0 THEN NULL ELSE i % 2 = 0 END AS t,
           (i * 1.25)::numeric(10, 2) AS d,
           CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'tab' || chr(9) || 'nl' || chr(10) || 'cr' || chr(13)
                      WHEN 3 THEN 'back\\slash' WHEN 4 THEN 'a,b;c|d' WHEN 5 THEN 'say "hi" it''s' WHEN 6 THEN '\\N'
                      WHEN 7 THEN '\\.' ELSE 'é ☉ ' || chr(1) || chr(8) || chr(11) || chr(12) END AS u,
           (DATE '2016-01-01' + CAST(i || ' days' AS interval))::date AS w
    FROM generate_series(1, 40) AS g(i)
"""
ARRAYS = "SELECT ARRAY[1.5, NULL, -2]::float8[] AS a, ARRAY['a b', '', 'x', NULL, '\\', '\"', ','] AS b, decode('00ff', 'hex') AS c"
OPTIONS = [
    "",
    "(FORMAT text, HEADER)",
    "(DELIMITER '|', NULL '')",
    "(DELIMITER ',', NULL 'NULL')",
    "(FORMAT csv)",
    "(FORMAT csv, HEADER, FORCE_QUOTE *)",
    "(FORMAT csv, DELIMITER ';', NULL 'NA', QUOTE '''', ESCAPE '\\')",
    "(FORMAT csv, FORCE_QUOTE (u, t))",
    "(FORMAT csv, NULL '1')",
    "(FORMAT csv, DELIMITER '-', QUOTE '.')",
    "(FORMAT binary)",
    "CSV HEADER QUOTE AS '''' FORCE QUOTE u",
]


def out():
    for query in (VALUES, ARRAYS, "SELECT '\\.' AS u, true AS t FROM generate_series(1, 2)", "SELECT 1 AS u, 2 AS t WHERE false"):
        for options in OPTIONS:
            if query is ARRAYS and ("(u" in options or " u" in options):
                continue
            statement = f"COPY ({query}) TO STDOUT {options}"
            found, expected = copied(ours, statement), copied(theirs, statement)
            assert found == expected, (statement, found, expected)
    # One column: the mark of the end is quoted in csv.
    for options in ("", "(FORMAT csv)"):
        statement = f"COPY (SELECT '\\.' AS a) TO STDOUT {options}"
        assert copied(ours, statement) == copied(theirs, statement)
    # Typed rows, in text and in binary.
    for options in ("", "(FORMAT binary)"):
        with ours.cursor().copy(f"COPY (SELECT 1::int, 'x'::text, 2.5::float8 UNION ALL SELECT 2, NULL, 1e300) TO STDOUT {options}") as copy:
            copy.set_types(["int4", "text", "float8"])
            assert sorted(copy.rows(), key=lambda row: row[0]) == [(1, "x", 2.5), (2, None, 1e300)]
    # A table, and columns of it; parameters.
    whole, count = copied(ours, "COPY hipparcos (hip, ra) TO STDOUT (FORMAT csv)")
    assert count == 117955 == whole.count(b"\n")
    with ours.cursor() as cursor, cursor.copy("COPY (SELECT hip FROM hipparcos WHERE hip < %s) TO STDOUT", [4]) as copy:
        assert sorted(bytes(block) for block in copy) == [b"1\n", b"2\n", b"3\n"]


FAULTY = [
    "COPY (SELECT 1) TO STDOUT (FORMAT xml)",
    "COPY (SELECT 1) TO STDOUT (DELIMITER 'ab')",
    "COPY (SELECT 1) TO STDOUT (FORMAT csv, QUOTE ',')",
    "COPY (SELECT 1) TO STDOUT (FORMAT binary, NULL 'x')",
    "COPY (SELECT 1 AS a) TO STDOUT (FORMAT csv, FORCE_QUOTE (b))",
    "COPY (SELECT 1) TO STDOUT (HEADER match)",
    "COPY nowhere TO STDOUT",
    "COPY nowhere FROM STDIN",
    "COPY t (nope) FROM STDIN",
    "COPY t (a, a) FROM STDIN",
    "COPY t FROM STDIN (FORMAT csv, FORCE_QUOTE *)",
]

# What goes into t (a int8, b text, c float8): options, bytes.
INPUTS = [
    ("", b"1\tx\t1.5\n2\t\\N\t\\N\n"),
    ("", b"1\tx\t1.5\r\n2\ty\tNaN\r\n"),
    ("", b"1\tx\t1.5\n\\.\nrubbish"),
    ("", b"1\tta\\tb\\\\\\x41\\101\\n\\q\t-Infinity"),
    ("", b""),
    ("", b"1\tx\n"),
    ("", b"1\tx\t2\t3\n"),
    ("", b"\n"),
    ("", b"1\tx\t2\nabc\ty\t3\n"),
    ("", b"1\tx\t1e400\n"),
    ("", b"99999999999999999999\tx\t1\n"),
    ("", b"1\tx\xff\t1\n"),
    ("", b"1\tx\\xff\t1\n"),
    ("", b"1\tx\\0\t1\n"),
    ("", b"1\tx\t1\n2\ty\t2\r3"),
    ("", b"1\tx\t1\n\\.x\n"),
    ("", b"1\t" + b"y" * 200 + b"\tz" + b"z" * 200 + b"\n"),
    ("(DELIMITER ',', NULL 'null')", b"1,null,2\nnull,x,3\n"),
    ("(FORMAT csv)", b'1,"a ""quoted""\nline",2\n2,,\n3,"",\n'),
    ("(FORMAT csv)", b'1,"open,2\n3,x,4\n'),
    ("(FORMAT csv)", b"1,x\n"),
    ("(FORMAT csv)", b"1,x,2,3\n"),
    ("(FORMAT csv)", b"1,x,\n\\.\n5"),
    ("(FORMAT csv)", b"1,x,2\n2,y\r,3\n"),
    ("(FORMAT csv)", b'1,"a\nb",x\n'),
    ("(FORMAT csv, HEADER)", b"whatever\n1,x,2\n"),
    ("(FORMAT csv, HEADER match)", b"a,b,c\n1,x,2\n"),
    ("(FORMAT csv, HEADER match)", b"a,x,c\n1,x,2\n"),
    ("(FORMAT csv, HEADER match)", b"a,b\n1,x,2\n"),
    ("(FORMAT csv, FORCE_NOT_NULL (b), FORCE_NULL (c))", b'1,,""\n2,"",\n'),
    ("(FORMAT csv, QUOTE '''', ESCAPE '\\', NULL '-')", b"1,'it\\'s -',-\n2,'-',1\n"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\0\3\0\0\0\x08\0\0\0\0\0\0\0\1\xff\xff\xff\xff\0\0\0\x08?\xf8\0\0\0\0\0\0" + b"\xff\xff"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8),
    ("(FORMAT binary)", b"PGCOPX\n\xff\r\n\0" + b"\0" * 8),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\0\2"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\0\3\0\0\0\x08\0\0"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\0\3\0\0\0\x04\0\0\0\1\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\0\3\xff\xff\xff\xfe\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0\1\0\0" + b"\0" * 4 + b"\xff\xff"),
    ("(FORMAT binary)", b"PGCOPY\n\xff\r\n\0" + b"\0" * 8 + b"\xff\xff\0"),
]
# Where we say more, or PostgreSQL's words are of its own making.
LOOSE = {b"99999999999999999999\tx\t1\n"}


def put(conn, table, options, data, piece):
    with conn.cursor() as cursor:
        with cursor.copy(f"COPY {table} FROM STDIN {options}") as copy:
            for start in range(0, len(data), piece):
                copy.write(data[start : start + piece])
        return cursor.rowcount


def inward():
    for conn in (ours, theirs):
        conn.execute("CREATE TEMP TABLE t (a int8, b text, c float8)")
    ours.execute("CREATE TABLE lasting (a int8, b text, c float8)")
    theirs.execute("CREATE TEMP TABLE lasting (a int8, b text, c float8)")
    for statement in FAULTY:
        run = lambda conn: copied(conn, statement) if "STDOUT" in statement else put(conn, *statement[5:].split(" FROM STDIN"), b"", 1)
        found, expected = fault(ours, run), fault(theirs, run)
        assert found and found[:2] == expected[:2], (statement, found, expected)
    for options, data in INPUTS:
        for table in ("t", "lasting"):
            for piece in (1 << 20, 1, 7):
                run = lambda conn: put(conn, table, options, data, piece)
                found, expected = fault(ours, run), fault(theirs, run)
                if data in LOOSE:
                    assert found and expected and found[0] == expected[0], (options, data, found, expected)
                else:
                    assert found == expected, (options, data, piece, found, expected)
        rows = [conn.execute("SELECT a, b, c FROM t ORDER BY a, b, c").fetchall() for conn in (ours, theirs)]
        assert repr(rows[0]) == repr(rows[1]), (options, data, rows)
    rows = [conn.execute("SELECT a, b, c FROM lasting ORDER BY a, b, c").fetchall() for conn in (ours, theirs)]
    assert repr(rows[0]) == repr(rows[1]), rows


def every_type():
    """What PostgreSQL writes, we read, and write again as it was: all types, all formats."""
    columns = "a bool, b smallint, c int, d bigint, e real, f float8, g numeric(12, 3), h text, i date, j timestamp, k bytea"
    theirs.execute(f"CREATE TEMP TABLE kinds ({columns})")
    ours.execute(f"CREATE TEMP TABLE kinds ({columns})")
    rng = random.Random(1)
    with theirs.cursor() as cursor, cursor.copy("COPY kinds FROM STDIN") as copy:
        for _ in range(2000):
            some = lambda value: None if rng.random() < 0.1 else value
            word = "".join(rng.choice("ab,;\t\n\r\\\"'é☉{} ") for _ in range(rng.randrange(8)))
            copy.write_row([
                some(rng.random() < 0.5), some(rng.randrange(-(2**15), 2**15)), some(rng.randrange(-(2**31), 2**31)),
                some(rng.randrange(-(2**63), 2**63)), some(rng.gauss(0, 1e3)), some(rng.gauss(0, 1) * 10 ** rng.randrange(-300, 300)),
                some(f"{rng.gauss(0, 1e5):.3f}"), some(word), some(f"{rng.randrange(1900, 2100)}-03-{rng.randrange(1, 31):02}"),
                some(f"20{rng.randrange(10, 99)}-07-01 0{rng.randrange(10)}:00:00.{rng.randrange(10**6):06}"), some(rng.randbytes(rng.randrange(6))),
            ])
    for options in ("", "(FORMAT csv, HEADER)", "(FORMAT csv, FORCE_QUOTE *)", "(FORMAT binary)"):
        data, count = copied(theirs, f"COPY kinds TO STDOUT {options}")
        given = options.replace(", FORCE_QUOTE *", "")
        assert put(ours, "kinds", given, data, 10_000) == count == 2000
        again, _ = copied(ours, f"COPY kinds TO STDOUT {options}")
        assert again == data, (options, [pair for pair in zip(again.split(b"\n"), data.split(b"\n")) if pair[0] != pair[1]][:3])
        ours.execute("DROP TABLE kinds")
        ours.execute(f"CREATE TEMP TABLE kinds ({columns})")


def rows_and_frames():
    """psycopg's write_row in both formats, and pandas."""
    ours.execute("CREATE TEMP TABLE w (a int8, b text, c float8)")
    with ours.cursor() as cursor:
        with cursor.copy("COPY w (a, b, c) FROM STDIN") as copy:
            for row in [(1, "x\ty", 1.5), (2, None, None), (3, "\\N", float("nan"))]:
                copy.write_row(row)
        assert cursor.rowcount == 3
        with cursor.copy("COPY w FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int8", "text", "float8"])
            copy.write_row((4, "é", 2.5))
    assert repr(ours.execute("SELECT * FROM w ORDER BY a").fetchall()) == repr([(1, "x\ty", 1.5), (2, None, None), (3, "\\N", float("nan")), (4, "é", 2.5)])
    # A client that gives up leaves nothing.
    try:
        with ours.cursor().copy("COPY w FROM STDIN") as copy:
            copy.write_row((9, "z", 1.0))
            raise KeyError("changed my mind")
    except KeyError:
        pass
    assert ours.execute("SELECT count(*) FROM w").fetchone() == (4,)
    import io

    import pandas

    frame = pandas.DataFrame({"a": range(10_000), "b": [f"n{n}" for n in range(10_000)], "c": [n / 3 for n in range(10_000)]})
    text = io.StringIO()
    frame.to_csv(text, index=False)
    ours.execute("CREATE TABLE frame (a int8, b text, c float8)")
    with ours.cursor().copy("COPY frame FROM STDIN (FORMAT csv, HEADER match)") as copy:
        copy.write(text.getvalue())
    data, _ = copied(ours, "COPY (SELECT * FROM frame ORDER BY a) TO STDOUT (FORMAT csv, HEADER)")
    assert pandas.read_csv(io.BytesIO(data)).equals(frame)


out()
inward()
every_type()
rows_and_frames()
print("ok")
