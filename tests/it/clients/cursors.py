"""Cursors of SQL through psycopg, beside a real PostgreSQL: the same rows, tags and errors; named cursors of the driver."""

import os

import psycopg
from psycopg import errors, pq

ours = psycopg.connect(autocommit=True)
theirs = psycopg.connect(os.environ["ORACLE"], autocommit=True)


def said(conn, statement):
    """What comes of a statement: rows and tag, or the error."""
    try:
        cursor = conn.execute(statement)
    except psycopg.Error as error:
        return error.diag.sqlstate, error.diag.message_primary
    return (cursor.fetchall() if cursor.description else None), cursor.statusmessage, conn.info.transaction_status


SERIES = "SELECT i::bigint AS n, 'x' || i AS t FROM generate_series(1, 10) AS g(i) ORDER BY i"
SCRIPT = [
    f"DECLARE c CURSOR FOR {SERIES}",
    "BEGIN",
    f"DECLARE c NO SCROLL CURSOR FOR {SERIES}",
    "FETCH c",
    "FETCH 3 FROM c",
    "FETCH FORWARD 2 IN c",
    "MOVE 1 FROM c",
    "FETCH RELATIVE 1 FROM c",
    "FETCH ABSOLUTE 9 FROM c",
    "FETCH ALL FROM c",
    "FETCH c",
    "MOVE ALL FROM c",
    "CLOSE c",
    "FETCH c",
    "ROLLBACK",
    "BEGIN",
    f"DECLARE s SCROLL CURSOR FOR {SERIES}",
    "FETCH LAST FROM s",
    "FETCH PRIOR FROM s",
    "FETCH BACKWARD 3 FROM s",
    "FETCH FIRST FROM s",
    "FETCH 0 FROM s",
    "MOVE 0 FROM s",
    "FETCH BACKWARD ALL FROM s",
    "MOVE FORWARD ALL IN s",
    "FETCH RELATIVE -2 FROM s",
    "SAVEPOINT a",
    f"DECLARE t CURSOR FOR {SERIES}",
    "FETCH 2 FROM t",
    f"DECLARE t CURSOR FOR {SERIES}",
    "FETCH s",
    "ROLLBACK TO a",
    "FETCH s",
    "FETCH t",
    "ROLLBACK",
    "BEGIN",
    f"DECLARE n NO SCROLL CURSOR FOR {SERIES}",
    "FETCH 2 FROM n",
    "SAVEPOINT a",
    "FETCH PRIOR FROM n",
    "FETCH n",
    # Here PostgreSQL's cursor is dead; ours goes on.
    "ROLLBACK",
    "FETCH n",
    "BEGIN",
    f"DECLARE n NO SCROLL CURSOR FOR {SERIES}",
    "FETCH 3 FROM n",
    "SAVEPOINT b",
    "FETCH ABSOLUTE 1 FROM n",
    "ROLLBACK TO b",
    "COMMIT",
    "FETCH n",
    f"DECLARE h NO SCROLL CURSOR WITH HOLD FOR {SERIES}",
    "FETCH 2 FROM h",
    "BEGIN",
    f"DECLARE i CURSOR WITH HOLD FOR {SERIES}",
    "FETCH h",
    "ROLLBACK",
    "FETCH h",
    "FETCH i",
    "BEGIN",
    f"DECLARE i CURSOR WITH HOLD FOR {SERIES}",
    "FETCH 4 FROM i",
    "COMMIT",
    "FETCH 2 FROM i",
    "SELECT name, is_holdable, is_binary FROM pg_cursors WHERE name <> '' ORDER BY name",
    "CLOSE ALL",
    "FETCH i",
    "SELECT count(*) FROM pg_cursors WHERE name <> ''",
    "DECLARE x SCROLL NO SCROLL CURSOR FOR SELECT 1",
    "FETCH 1 FROM nowhere",
    "CLOSE nowhere",
    "BEGIN",
    "DECLARE e CURSOR FOR SELECT 1::bigint AS a WHERE false",
    "FETCH ALL FROM e",
    "FETCH e",
    "MOVE e",
    "COMMIT",
    "DISCARD ALL",
]


def script():
    for statement in SCRIPT:
        found, expected = said(ours, statement), said(theirs, statement)
        assert found == expected, (statement, found, expected)


def named():
    """The driver's own: DECLARE, Describe, FETCH FORWARD, MOVE, CLOSE."""
    for binary in (False, True):
        with psycopg.connect() as conn:
            with conn.cursor("rows", binary=binary) as cursor:
                cursor.execute("SELECT hip, ra FROM hipparcos WHERE hip > %s ORDER BY hip", [100])
                cursor.itersize = 1000
                first = cursor.fetchone()
                assert (first[0], [column.name for column in cursor.description]) == (101, ["hip", "ra"]), first
                assert [row[0] for row in cursor.fetchmany(2)] == [102, 103]
                cursor.scroll(1000)
                rest = [row[0] for row in cursor]
                assert rest == sorted(rest) and len(rest) > 116_000, len(rest)
            with conn.cursor("back", scrollable=True, binary=binary) as cursor:
                cursor.execute("SELECT hip FROM hipparcos ORDER BY hip")
                all_of_them = [row[0] for row in cursor.fetchall()]
                cursor.scroll(10, mode="absolute")
                assert cursor.fetchone()[0] == all_of_them[10]
                cursor.scroll(-5)
                assert cursor.fetchone()[0] == all_of_them[6]
            with conn.cursor("kept", withhold=True, binary=binary) as cursor:
                cursor.execute("SELECT hip FROM hipparcos ORDER BY hip")
                assert cursor.fetchone()[0] == all_of_them[0]
                conn.commit()
                assert cursor.fetchone()[0] == all_of_them[1]
            with conn.cursor("twice") as cursor:
                for _ in range(8):  # Often enough for FETCH to be prepared.
                    cursor.execute("SELECT 1::bigint AS a, 'x' AS b")
                    assert cursor.fetchall() == [(1, "x")]
    # A FETCH that is cancelled does not take its cursor along.
    with psycopg.connect() as conn:
        conn.execute("DECLARE slow CURSOR FOR SELECT a.hip FROM hipparcos a CROSS JOIN hipparcos b")
        conn.execute("SAVEPOINT s")
        conn.execute("SET LOCAL statement_timeout = 300")
        try:
            conn.execute("FETCH ALL FROM slow")
            raise AssertionError("a minute's work in 300 ms")
        except errors.QueryCanceled:
            pass
        conn.execute("ROLLBACK TO s")
        conn.execute("SET LOCAL statement_timeout = 0")
        assert conn.execute("SELECT name FROM pg_cursors").fetchall() == [("slow",)]
        assert len(conn.execute("FETCH 3 FROM slow").fetchall()) == 3


PREPARED = [
    "PREPARE p (int, text) AS SELECT $1 + 1 AS a, $2 || 'x' AS b",
    "EXECUTE p(1, 'a')",
    "EXECUTE p(1)",
    "EXECUTE p('7', 'a')",
    "EXECUTE p(1 + 2, upper('q'))",
    "EXECUTE p('x', 'a')",
    "PREPARE p AS SELECT 1",
    "SELECT name, statement, parameter_types::text[], from_sql FROM pg_prepared_statements WHERE from_sql",
    "PREPARE f (float8, date, numeric(10, 2), bigint[]) AS SELECT $1 AS v, $2 AS d, $3 AS n, $4 AS l",
    "EXECUTE f(1.5, '2020-01-01', 2.50, ARRAY[1, 2])",
    "EXECUTE nope(1)",
    "DEALLOCATE p",
    "EXECUTE p(1, 'a')",
    "DEALLOCATE nope",
    "PREPARE one AS SELECT 1::bigint AS a",
    "BEGIN",
    "DECLARE c CURSOR FOR SELECT 1::bigint AS a",
    "EXECUTE one",
    "ROLLBACK",
    "DEALLOCATE ALL",
    "EXECUTE one",
    "PREPARE two AS SELECT 2::bigint AS a",
    "DISCARD ALL",
    "EXECUTE two",
    "PREPARE bad AS SELECT nope",
    "PREPARE bad (nonsense) AS SELECT 1",
    "LISTEN x",
    "UNLISTEN *",
]


def prepared():
    for statement in PREPARED:
        found, expected = said(ours, statement), said(theirs, statement)
        if "nonsense" in statement:
            assert found[0] == expected[0] or found[0] in ("42704", "42601", "0A000"), (found, expected)
            continue
        assert found == expected, (statement, found, expected)


script()
prepared()
named()
print("ok")
