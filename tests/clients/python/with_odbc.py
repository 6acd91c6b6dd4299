"""psqlODBC under unixODBC: its own questions to the catalogue, parameters, cursors by DECLARE."""

import glob

import pyodbc
from ask import DATABASE, HOST, PORT, USER, ask
from dbapi import questions

(DRIVER,) = glob.glob("/usr/lib/*/odbc/psqlodbcw.so")
LINE = f"DRIVER={DRIVER};SERVER={HOST};PORT={PORT};UID={USER};DATABASE={DATABASE};"


def connect(options=""):
    return pyodbc.connect(LINE + options, autocommit=True)


def one(connection, sql, parameters):
    return [list(row) for row in connection.execute(sql, *parameters).fetchall()]


def described(connection, sql):
    return [[column[0], column[1].__name__] for column in connection.execute(sql).description]


def stopped(connection):
    running.cancel()


class Watched:
    """A connection whose running cursor can be cancelled from another thread."""

    def __init__(self, connection):
        self.connection = connection

    def execute(self, sql, *parameters):
        global running
        running = self.connection.cursor()
        return running.execute(sql, *parameters)


connection = questions(lambda: Watched(connect()), one, "?", described, stopped, arrays=False)
cursor = connection.connection.cursor


def rows(found):
    return [list(row) for row in found]


ask("tables", lambda: [[r.table_schem, r.table_name, r.table_type] for r in cursor().tables(schema="public")])
ask("columns", lambda: [
    [r.column_name, r.data_type, r.type_name, r.nullable, r.remarks] for r in cursor().columns(table="detections")
])
ask("primary keys", lambda: rows(cursor().primaryKeys("stars")))
ask("foreign keys", lambda: rows(cursor().foreignKeys("stars")))
ask("statistics", lambda: [r.index_name for r in cursor().statistics("stars")])
ask("procedures", lambda: rows(cursor().procedures(procedure="nowhere")))
ask("types", lambda: sorted({r.type_name for r in cursor().getTypeInfo()}))
ask("about", lambda: [
    connection.connection.getinfo(what)
    for what in (pyodbc.SQL_DBMS_NAME, pyodbc.SQL_DATABASE_NAME, pyodbc.SQL_USER_NAME, pyodbc.SQL_DATA_SOURCE_READ_ONLY)
])


def declared():
    with connect("UseDeclareFetch=1;Fetch=7;") as line:
        return rows(line.execute("SELECT id, name FROM stars ORDER BY id LIMIT 20"))


def block():
    with connect("Protocol=7.4-2;") as line:  # a savepoint before each statement
        line.autocommit = False
        line.execute("SELECT 1").fetchall()
        try:
            line.execute("SELECT nope")
        except pyodbc.Error:
            pass
        got = rows(line.execute("SELECT 2"))
        line.rollback()
        return got


ask("cursor by DECLARE", declared)
ask("savepoints", block)
