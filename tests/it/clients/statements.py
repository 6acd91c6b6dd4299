"""Prepared statements, parameters of every kind, pipelines, transactions, errors, cancel."""

import datetime as dt
import threading
import time
from decimal import Decimal

import psycopg
from psycopg import errors, pq

ENDLESS = "SELECT count(*) FROM hipparcos a, hipparcos b WHERE sin(a.ra * b.dec) + cos(a.dec * b.ra) > 1.9"


def raises(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


with psycopg.connect(autocommit=True) as conn:
    one = lambda sql, *args, **more: conn.execute(sql, args, **more).fetchall()

    # Parameters with the types that psycopg declares, and without, in text (%s, %t) and in binary (%b).
    assert one("SELECT hip, hpmag FROM hipparcos WHERE hip = %s", 11767) == [(11767, 2.1077)]
    assert one("SELECT hip FROM hipparcos WHERE hip = %b", 11767) == [(11767,)]
    assert one("SELECT count(*) FROM hipparcos WHERE DISTANCE(ra, dec, %s, %s) < %b", 56.75, 24.12, 1.0)[0][0] > 10
    assert one("SELECT hip FROM hipparcos WHERE hip = ANY(%s) ORDER BY 1", [3, 1, 2]) == [(1,), (2,), (3,)]
    assert one("SELECT hip FROM hipparcos WHERE ra BETWEEN %s AND %s ORDER BY hip LIMIT %s", 10.0, 11.0, 2)[1][0] > 0
    assert one("SELECT %s::text, %s", "Å", None) == [("Å", None)]
    assert one("SELECT %s, %s, %b", 2.5, Decimal("1.50"), Decimal("-12345.678")) == [
        (2.5, Decimal("1.50"), Decimal("-12345.678"))
    ]
    moment = dt.datetime(2016, 1, 2, 3, 4, 5, 678901)
    for format in ("%s", "%b"):
        values = [dt.date(2016, 1, 2), moment, moment.replace(tzinfo=dt.timezone.utc), dt.time(3, 4, 5), True]
        assert one(f"SELECT {', '.join([format] * 5)}", *values) == [tuple(values)]
        assert one(f"SELECT {format}, {format}::text[]", [1.5, None, -2.5], ["a,b", None, ""]) == [
            ([1.5, None, -2.5], ["a,b", None, ""])
        ]
        assert one(f"SELECT {format}", b"\x00\xff") == [(b"\x00\xff",)]

    # Types that the server infers: what a client without types of its own is told.
    def inferred(sql):
        assert conn.pgconn.prepare(b"", sql.encode(), []).status == pq.ExecStatus.COMMAND_OK, conn.pgconn.error_message
        described = conn.pgconn.describe_prepared(b"")
        return [described.param_type(i) for i in range(described.nparams)]

    INT4, INT8, FLOAT8, TEXT, INT4_ARRAY = 23, 20, 701, 25, 1007
    for sql, types in [
        ("SELECT 1 FROM hipparcos WHERE hip = $1", [INT4]),
        ("SELECT 1 FROM hipparcos WHERE $1 < ra", [FLOAT8]),
        ("SELECT 1 FROM hipparcos WHERE ra BETWEEN $1 AND $2", [FLOAT8, FLOAT8]),
        ("SELECT 1 FROM hipparcos WHERE hip IN ($1, $2)", [INT4, INT4]),
        ("SELECT 1 FROM hipparcos WHERE hip = ANY($1)", [INT4_ARRAY]),
        ("SELECT 1 FROM hipparcos LIMIT $1 OFFSET $2", [INT8, INT8]),
        ("SELECT 'x' LIKE $1", [TEXT]),
        ("SELECT CASE WHEN hip = 1 THEN ra ELSE $1 END FROM hipparcos", [FLOAT8]),
        ("SELECT coalesce(hip, $1) FROM hipparcos", [INT4]),
        ("SELECT ra + $1 FROM hipparcos", [FLOAT8]),
        ("SELECT $1::int, $2::text", [INT4, TEXT]),
        ("SELECT $1", [TEXT]),
        ("SELECT 1 FROM hipparcos WHERE DISTANCE(ra, dec, $1, $2) < $3", [FLOAT8] * 3),
        ("SELECT 1 FROM hipparcos WHERE q3c_radial_query(ra, dec, $1, $2, $3)", [FLOAT8] * 3),
        ("SELECT 1 FROM hipparcos WHERE 1 = CONTAINS(POINT(ra, dec), CIRCLE($1, $2, $3))", [FLOAT8] * 3),
        ("SELECT ivo_healpix_index($1, $2, $3)", [INT4, FLOAT8, FLOAT8]),
        ("SELECT 1 FROM hipparcos WHERE ra > $1 AND ra < $1 + 1", [FLOAT8]),
    ]:
        assert inferred(sql) == types, f"{sql}: {inferred(sql)}, not {types}"

    # Statements that stay prepared, and go.
    for hip in range(1, 20):
        assert one("SELECT hip + 0 FROM hipparcos WHERE hip = %s", hip, prepare=True) == [(hip,)]
    conn.execute("DEALLOCATE ALL")
    assert one("SELECT hip + 0 FROM hipparcos WHERE hip = %s", 5) == [(5,)]
    conn.execute("DISCARD ALL")

    # Errors keep their code and place, and the session.
    error = raises(errors.UndefinedColumn, lambda: conn.execute("SELECT nope FROM hipparcos WHERE hip = %s", [1]))
    assert error.diag.statement_position == "8", error.diag.statement_position
    raises(errors.InvalidTextRepresentation, lambda: conn.execute("SELECT 1 FROM hipparcos WHERE hip = %s", ["seven"]))
    raises(errors.DivisionByZero, lambda: conn.execute("SELECT 1 / %s", [0]))
    raises(errors.ReadOnlySqlTransaction, lambda: conn.execute("CREATE TABLE t (a int)"))
    raises(errors.SyntaxError, lambda: conn.execute("SELECT 1; SELECT %s", [1]))
    assert one("SELECT 1") == [(1,)]

    # Transactions.
    with conn.transaction():
        assert one("SELECT 1") == [(1,)] and conn.info.transaction_status == pq.TransactionStatus.INTRANS
        with conn.transaction():
            raises(errors.UndefinedTable, lambda: conn.execute("SELECT 1 FROM nowhere"))
            raises(errors.InFailedSqlTransaction, lambda: conn.execute("SELECT 1"))
            raise psycopg.Rollback()
        assert one("SELECT 2") == [(2,)]
    assert conn.info.transaction_status == pq.TransactionStatus.IDLE

    # A pipeline, with a fault in the middle that takes the rest up to the sync with it.
    with conn.pipeline() as pipeline:
        first, second = conn.execute("SELECT 1"), conn.execute("SELECT 2")
        assert (first.fetchall(), second.fetchall()) == ([(1,)], [(2,)])
        conn.execute("SELECT 1 FROM nowhere")
        after = conn.execute("SELECT 3")
        raises(errors.UndefinedTable, pipeline.sync)
        raises(psycopg.ProgrammingError, after.fetchall)
        assert conn.execute("SELECT 4").fetchall() == [(4,)]

    # Cancel stops the statement at once, in both protocols; one that comes late stops nothing.
    for work in (lambda: conn.execute(ENDLESS), lambda: conn.execute(ENDLESS + " AND a.hip > %s", [0])):
        timer = threading.Timer(0.7, conn.cancel)
        timer.start()
        began = time.monotonic()
        raises(errors.QueryCanceled, work)
        assert time.monotonic() - began < 3, time.monotonic() - began
        timer.join()
    conn.cancel()
    time.sleep(0.2)
    assert one("SELECT 1") == [(1,)]

    # Columns of a result say which column of which table they are; what is computed does not.
    described = conn.execute("SELECT h.dec, h.ra + 1, x.hip FROM (SELECT hip, dec FROM hipparcos) x JOIN hipparcos h USING (dec)")
    result = described.pgresult
    table, column = result.ftable(0), result.ftablecol(0)
    named = conn.execute(
        "SELECT a.attrelid::regclass::text, a.attname FROM pg_attribute a WHERE a.attrelid = %s AND a.attnum = %s", [table, column]
    )
    assert named.fetchall() == [("hipparcos", "dec")]
    assert (result.ftable(1), result.ftablecol(1)) == (0, 0)
    assert result.ftable(2) == table and result.ftablecol(2) not in (0, column)

    # What is added to a time is an interval.
    for added in [dt.timedelta(hours=36), "1 day 12:00:00", "36:00", "2 days -12:00:00.000"]:
        assert one("SELECT TIMESTAMP '2020-01-01' + %s", added) == [(dt.datetime(2020, 1, 2, 12),)], added

    # Tables of one's own need no place to write to, and end with the session, or before.
    conn.execute("CREATE TEMP TABLE targets (name text, ra float8, dec float8)")
    with conn.cursor() as cursor, cursor.copy("COPY targets FROM STDIN") as copy:
        copy.write_row(("Sirius", 101.28715, -16.71612))
        copy.write_row(("Vega", 279.23473, 38.78369))
    matched = "SELECT t.name FROM targets t JOIN hipparcos h ON XMATCH(radius_arcsec => 30) ORDER BY 1"
    assert [name for name, in one(matched)] == ["Sirius", "Vega"]
    conn.execute("DISCARD TEMP")
    raises(errors.UndefinedTable, lambda: conn.execute("SELECT * FROM targets"))

    # The session of another client is its own.
    conn.execute("SET application_name = 'one'")
    with psycopg.connect(application_name="two") as other:
        assert other.execute("SHOW application_name").fetchall() == [("two",)]
    assert conn.info.parameter_status("application_name") == "one"
    assert conn.info.parameter_status("server_version").startswith("15.")

print("ok")
