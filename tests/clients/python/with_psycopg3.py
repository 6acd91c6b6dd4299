"""psycopg 3: parameters on the server in text and binary, prepared statements, pipelines, cursors, COPY."""

import psycopg
from ask import URL, ask
from dbapi import questions


def connect():
    return psycopg.connect(f"postgresql://{URL}", autocommit=True)


def one(connection, sql, parameters):
    return connection.execute(sql, parameters or None).fetchall()


def described(connection, sql):
    return [[column.name, column.type_code, column.type_display] for column in connection.execute(sql).description]


connection = questions(connect, one, "%s", described, lambda connection: connection.cancel())
BINARY = "SELECT * FROM stars ORDER BY id LIMIT 40"
ask("every column in binary", lambda: connection.execute(BINARY, binary=True).fetchall())
ask("binary parameter", lambda: connection.execute("SELECT id FROM stars WHERE ra < %b ORDER BY id LIMIT 3", [90.0]).fetchall())


def prepared():
    got = [connection.execute("SELECT n FROM stars WHERE id = %s", [i]).fetchone() for i in range(1, 15)]
    connection.execute("DEALLOCATE ALL")
    return got + connection.execute("SELECT n FROM stars WHERE id = %s", [1], prepare=True).fetchall()


def pipeline():
    with connection.pipeline():
        cursors = [connection.execute("SELECT %s::int + n FROM stars WHERE id = 2", [i]) for i in range(5)]
        return [cursor.fetchone() for cursor in cursors]


def cursor(binary):
    with connection.transaction(), connection.cursor("pages", binary=binary) as cursor:
        cursor.itersize = 7
        cursor.execute("SELECT id, mags FROM stars WHERE id > %s ORDER BY id LIMIT 20", [3])
        return cursor.fetchall()


def streamed():
    with connection.cursor() as cursor:
        return [row for row in cursor.stream("SELECT id FROM stars ORDER BY id LIMIT 9")]


def copied(options):
    sql = f"COPY (SELECT id, ra, note, mags, moment FROM stars ORDER BY id LIMIT 12) TO STDOUT {options}"
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        return b"".join(copy)


def nested():
    with connection.transaction():
        try:
            with connection.transaction():
                connection.execute("SELECT nope")
        except psycopg.errors.UndefinedColumn:
            pass
        return connection.execute("SELECT 2").fetchall()


def parameter_types():
    sql = b'SELECT 1 FROM stars WHERE id = $1 AND "Vmag" > $2 AND name LIKE $3 AND seen < $4 AND flag = $5 LIMIT $6'
    connection.pgconn.prepare(b"", sql, [])
    got = connection.pgconn.describe_prepared(b"")
    return [got.param_type(i) for i in range(got.nparams)]


ask("prepared after five", prepared)
ask("pipeline", pipeline)
ask("cursor in text", cursor, False)
ask("cursor in binary", cursor, True)
ask("stream", streamed)
ask("COPY as text", copied, "")
ask("COPY as CSV", copied, "(FORMAT csv, HEADER)")
ask("COPY in binary", copied, "(FORMAT binary)")
ask("nested transactions", nested)
ask("parameter types", parameter_types)
ask("type by name", lambda: [psycopg.types.TypeInfo.fetch(connection, name) is None for name in ("hstore", "float8")])
ask("what the server said", lambda: [
    connection.info.parameter_status(name)
    for name in ("client_encoding", "DateStyle", "TimeZone", "integer_datetimes", "standard_conforming_strings")
])
