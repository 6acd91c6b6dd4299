"""Statements that define and write, through psycopg: tags, rows counted, parameters, transactions, notices."""

import psycopg
from psycopg import errors, pq


def raises(error, work):
    try:
        work()
    except error as met:
        return met
    raise AssertionError(f"no {error.__name__}")


def main():
    conn = psycopg.connect(autocommit=True)
    notices = []
    conn.add_notice_handler(lambda diag: notices.append((diag.severity, diag.sqlstate, diag.message_primary)))

    def status(sql, *parameters, **options):
        return conn.execute(sql, parameters or None, **options).statusmessage

    def one(sql, *parameters):
        return conn.execute(sql, parameters or None).fetchall()

    # Tags, in the simple and in the extended protocol.
    assert status("CREATE TABLE few (id bigint, ra float8, dec float8, name text)") == "CREATE TABLE"
    assert status("INSERT INTO few VALUES (1, 10, 20, 'a')") == "INSERT 0 1"
    cursor = conn.execute("INSERT INTO few (id, ra, dec, name) VALUES (%s, %s, %s, %s), (%s, 0, 90, NULL)", [2, 1.5, -2.5, "é", 3])
    assert (cursor.statusmessage, cursor.rowcount, cursor.description) == ("INSERT 0 2", 2, None)
    cursor = conn.execute("CREATE TABLE near AS SELECT hip, ra, dec FROM hipparcos WHERE parallax > %s", [300.0])
    assert cursor.statusmessage == f"SELECT {cursor.rowcount}" and cursor.rowcount > 5, cursor.statusmessage
    assert one("SELECT id, ra, name FROM few ORDER BY id") == [(1, 10.0, "a"), (2, 1.5, "é"), (3, 0.0, None)]
    assert one("SELECT count(*) FROM near") == [(cursor.rowcount,)]
    assert status("COPY (SELECT * FROM few) TO 'few.csv' (FORMAT csv)") == "COPY 3"
    assert status("COMMENT ON TABLE few IS 'some'") == "COMMENT"
    assert status("ALTER TABLE near RENAME TO nearer") == "ALTER TABLE"
    assert status("CREATE VIEW seen AS SELECT id FROM few") == "CREATE VIEW"
    assert status("CREATE TEMP TABLE passing AS SELECT 1 AS a") == "SELECT 1"
    assert status("VACUUM few") == "VACUUM"
    conn.execute("INSERT INTO few VALUES (4, 1, 1, 'x'); INSERT INTO few VALUES (5, 1, 1, 'y')")
    assert one("SELECT count(*) FROM seen") == [(5,)]

    # Many rows, one statement a row.
    with conn.cursor() as cursor:
        cursor.executemany("INSERT INTO few (id, ra, dec) VALUES (%s, %s, %s)", [(n, n, 0) for n in range(10, 13)])
        assert cursor.rowcount == 3
    assert one("SELECT sum(id) FROM few WHERE id >= %s", 10) == [(33,)]

    # Comments reach the catalogue.
    assert one("SELECT obj_description('few'::regclass, 'pg_class')") == [("some",)]
    assert status("COMMENT ON COLUMN few.ra IS 'right ascension'") == "COMMENT"
    comment = "SELECT col_description(attrelid, attnum) FROM pg_attribute WHERE attrelid = 'few'::regclass AND attname = 'ra'"
    assert one(comment)[0][0].startswith("right ascension"), one(comment)
    assert one("SELECT description FROM pg_description d JOIN pg_class c ON d.objoid = c.oid "
               "WHERE c.relname = 'few' AND d.objsubid = 0") == [("some",)]

    # Errors keep their code; notices come as such.
    raises(errors.DuplicateTable, lambda: conn.execute("CREATE TABLE few (a int)"))
    raises(errors.UndefinedTable, lambda: conn.execute("DROP TABLE nowhere"))
    raises(errors.InsufficientPrivilege, lambda: conn.execute("CREATE TABLE public.x (a int)"))
    raises(errors.FeatureNotSupported, lambda: conn.execute("UPDATE few SET id = 1"))
    error = raises(errors.UndefinedTable, lambda: conn.execute("INSERT INTO nowhere VALUES (1)"))
    assert error.diag.statement_position == "13", error.diag.statement_position
    notices.clear()
    assert status("DROP TABLE IF EXISTS nowhere") == "DROP TABLE"
    assert status("CREATE TABLE IF NOT EXISTS few (a int)") == "CREATE TABLE"
    assert [notice[:2] for notice in notices] == [("NOTICE", "00000")] * 2, notices

    # A block: each statement commits by itself, and who rolls back is told so.
    notices.clear()
    conn.autocommit = False
    conn.execute("CREATE TABLE block AS SELECT 1 AS a")
    assert conn.info.transaction_status == pq.TransactionStatus.INTRANS
    conn.rollback()
    assert [notice[0] for notice in notices if "commits by itself" in notice[2]] == ["WARNING"], notices
    assert one("SELECT a FROM block") == [(1,)]
    conn.commit()
    conn.execute("SET TRANSACTION READ ONLY")
    raises(errors.ReadOnlySqlTransaction, lambda: conn.execute("DROP TABLE block"))
    conn.rollback()
    conn.execute("DROP TABLE block")
    conn.commit()
    conn.autocommit = True

    # A cancelled statement leaves nothing.
    conn.execute("SET statement_timeout = 500")
    endless = "SELECT a.hip, a.ra, a.dec FROM hipparcos a CROSS JOIN hipparcos b"
    raises(errors.QueryCanceled, lambda: conn.execute(f"CREATE TABLE endless AS {endless}"))
    raises(errors.QueryCanceled, lambda: conn.execute(f"CREATE TABLE endless AS {endless} WHERE a.hip > %s", [0]))
    conn.execute("SET statement_timeout = 0")
    raises(errors.UndefinedTable, lambda: conn.execute("SELECT * FROM endless"))

    # Another session sees what was written, and not what is temporary.
    with psycopg.connect(autocommit=True) as other:
        assert other.execute("SELECT count(*) FROM few").fetchall() == [(8,)]
        raises(errors.UndefinedTable, lambda: other.execute("SELECT * FROM passing"))
    print("ok")


main()
