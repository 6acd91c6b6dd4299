"""psycopg2: parameters in the text, named cursors."""

import psycopg2
import psycopg2.extras
from ask import DATABASE, HOST, PORT, USER, ask
from dbapi import questions


def connect():
    connection = psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE)
    connection.autocommit = True
    return connection


def one(connection, sql, parameters):
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall()


def described(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [[column.name, column.type_code, column.internal_size] for column in cursor.description]


connection = questions(connect, one, "%s", described, lambda connection: connection.cancel())


def paged():
    with psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE) as line, line.cursor("pages") as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT id FROM stars ORDER BY id LIMIT 20")
        return [row[0] for row in cursor]


def scrolled():
    with psycopg2.connect(host=HOST, port=PORT, user=USER, dbname=DATABASE) as line:
        with line.cursor("scrolled", scrollable=True) as cursor:
            cursor.execute("SELECT id FROM stars ORDER BY id")
            cursor.scroll(10)
            first = cursor.fetchmany(2)
            cursor.scroll(-5)
            return [first, cursor.fetchmany(2)]


def block():
    connection.autocommit = False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            status = connection.info.transaction_status
            try:
                cursor.execute("SELECT nope")
            except psycopg2.Error:
                failed = connection.info.transaction_status
        connection.rollback()
        return [status, failed, connection.info.transaction_status]
    finally:
        connection.autocommit = True


def rows_by_name():
    with connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute('SELECT id, "Vmag", n AS number FROM stars WHERE id BETWEEN 4 AND 6 ORDER BY id')
        return [dict(row) for row in cursor]


ask("named cursor", paged)
ask("scrollable cursor", scrolled)
ask("transaction block", block)
ask("rows by name", rows_by_name)


def place(sql):
    try:
        one(connection, sql, ())
    except psycopg2.Error as error:
        return [error.diag.statement_position, error.diag.severity]


ask("place of a fault", place, "SELECT id,\n nope FROM stars")
with connection.cursor() as cursor:
    import io

    def copied(options):
        out = io.StringIO()
        cursor.copy_expert(f"COPY (SELECT id, note, mags, flag FROM stars ORDER BY id LIMIT 12) TO STDOUT {options}", out)
        return out.getvalue()

    ask("COPY as text", copied, "")
    ask("COPY as CSV", copied, "WITH (FORMAT csv, HEADER, NULL 'none')")
