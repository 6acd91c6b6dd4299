"""What any driver of Python's database interface is asked: the day of somebody who looks at a catalogue for the first time."""

import datetime as dt
import threading
import time
from decimal import Decimal

from ask import ENDLESS, FAULTS, ask

# What is asked of the catalogue, in standard words.
CATALOGUE = {
    "tables": "SELECT table_schema, table_name, table_type FROM information_schema.tables "
    "WHERE table_schema NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2",
    "columns": "SELECT column_name, ordinal_position, data_type, udt_name, is_nullable, numeric_precision, numeric_scale, "
    "datetime_precision FROM information_schema.columns WHERE table_name = 'stars' ORDER BY 2",
    "comments": "SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a "
    "WHERE a.attrelid = 'survey.detections'::regclass AND a.attnum > 0 ORDER BY a.attnum",
    "types": "SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute "
    "WHERE attrelid = 'stars'::regclass AND attnum > 0 ORDER BY attnum",
    "schemas": "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)' ORDER BY 1",
    "who": "SELECT current_user, current_database(), current_schema, session_user",
    "version number": "SELECT current_setting('server_version_num')::int / 10000",
}

# Values, and what type each column is said to be.
VALUES = {
    "every column": "SELECT * FROM stars ORDER BY id LIMIT 40",
    "aggregates": "SELECT count(*), min(ra), max(name), sum(n), sum(error), min(day), max(moment), bool_or(flag) FROM stars",
    "sum of bigint": "SELECT sum(id) FROM stars",
    "average of integer": "SELECT avg(n) FROM stars",
    "average": "SELECT round(avg(mag)::numeric, 9) FROM survey.detections",
    "groups": "SELECT band, count(*), max(mag) FROM survey.detections GROUP BY band ORDER BY band",
    "joined": "SELECT s.name, count(d.mag) FROM stars s LEFT JOIN survey.detections d ON d.star_id = s.id "
    "GROUP BY s.name ORDER BY 1 LIMIT 10",
    "literals": "SELECT 1, 'a', NULL, true, 1e3::float8, 3000000000, DATE '2024-01-01', TIMESTAMP '2024-01-01 10:00'",
    "decimals": "SELECT 1.5",
    "dates": "SELECT date_trunc('hour', seen), extract(year FROM day), seen + INTERVAL '1 day', moment::date "
    "FROM stars WHERE id < 16 ORDER BY id",
    "time between": "SELECT b.seen - a.seen FROM stars a, stars b WHERE a.id = 1 AND b.id = 9",
    "arrays": "SELECT mags[1], array_length(mags, 1), 10.5 = ANY (mags), array_append(bands, 'z') FROM stars WHERE id < 9 ORDER BY id",
    "text": "SELECT upper(name), length(note), note || '!', substring(name FROM 1 FOR 4), name LIKE 'star 000%', "
    "position('a' IN name) FROM stars WHERE id < 12 ORDER BY id",
    "nulls": "SELECT coalesce(note, '-'), nullif(note, ''), note IS NULL FROM stars WHERE id < 12 ORDER BY id",
    "order of nulls": "SELECT id FROM stars ORDER BY \"Vmag\" DESC, id LIMIT 30",
    "order of nulls upwards": "SELECT id FROM stars ORDER BY \"Vmag\", id OFFSET 470",
    "case": "SELECT CASE WHEN n > 0 THEN 'up' WHEN n < 0 THEN 'down' END AS way, count(*) FROM stars GROUP BY 1 ORDER BY 1",
    "window": "SELECT id, row_number() OVER (ORDER BY ra), lag(n) OVER (ORDER BY id) FROM stars ORDER BY id LIMIT 5",
    "with": "WITH a AS (SELECT id, n FROM stars WHERE n > 0) SELECT count(*), max(n) FROM a",
    "set operations": "(SELECT 1 AS a UNION ALL SELECT 2) EXCEPT SELECT 2",
    "no rows": "SELECT * FROM stars WHERE false",
    "generated": "SELECT generate_series(1, 3)",
    "casts to text": "SELECT ra::text, dec || '°', error::text, \"Vmag\"::text, flag::text, seen::text, moment::text, day::text, "
    "flux::text, mags::text, bands::text, raw::text, (seen - timestamp '2024-01-01')::text, n || note FROM stars "
    "WHERE id < 40 ORDER BY id",
    "texts cast": "SELECT (array_to_string(bands, ',') || '')::text, ('{' || id || ',\"a b\",NULL}')::text[], "
    "('{' || n || ',1.5}')::float8[], ('\\x0' || small % 9)::text, left(flag::text, 1)::boolean, "
    "(id || ' day 12:00:00')::interval, raw::text::bytea FROM stars WHERE id < 40 AND small % 9 >= 0 ORDER BY id",
    "casts": "SELECT ra::int, n::text, n::float8, id::numeric, flag::int, day::timestamp, '7'::int FROM stars WHERE id < 4 ORDER BY id",
}

MOMENT = dt.datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=dt.timezone.utc)


def questions(connect, one, paramstyle, described, cancel=None, arrays=True):
    """`connect` opens a line that commits by itself, `one(connection, sql, parameters)` gives rows, `described(connection,
    sql)` the names and types of columns, `cancel(connection)` stops what runs. `paramstyle` is a parameter's spelling."""
    connection = connect()
    for name, sql in (CATALOGUE | VALUES).items():
        ask(name, one, connection, sql, ())
        ask(f"{name}: columns", described, connection, sql)

    def with_parameters(name, sql, *values):
        ask(f"parameters: {name}", one, connection, sql.replace("?", paramstyle), values)

    with_parameters("integer", "SELECT id, name FROM stars WHERE id = ?", 7)
    with_parameters("number", "SELECT count(*) FROM stars WHERE ra BETWEEN ? AND ?", 10.5, 200.25)
    with_parameters("text", "SELECT id FROM stars WHERE note = ? ORDER BY id LIMIT 2", 'a "quote"')
    with_parameters("pattern", "SELECT count(*) FROM stars WHERE name LIKE ?", "star 00%")
    with_parameters("truth", "SELECT count(*) FROM stars WHERE flag = ?", True)
    with_parameters("day", "SELECT count(*) FROM stars WHERE day > ?", dt.date(2024, 2, 1))
    with_parameters("moment", "SELECT count(*) FROM stars WHERE moment > ?", MOMENT)
    with_parameters("time without zone", "SELECT count(*) FROM stars WHERE seen > ?", MOMENT.replace(tzinfo=None))
    with_parameters("decimal", "SELECT count(*) FROM stars WHERE flux > ?", Decimal("1234.5"))
    with_parameters("in a list", "SELECT id FROM stars WHERE id IN (?, ?, ?) ORDER BY id", 3, 1, 2)
    with_parameters("page", "SELECT id FROM stars ORDER BY id LIMIT ? OFFSET ?", 3, 40)
    with_parameters("arithmetic", "SELECT ra + ?, n * ? FROM stars WHERE id = ?", 0.5, 2, 2)
    with_parameters("null", "SELECT count(*) FROM stars WHERE note = ?", None)
    with_parameters("quotes", "SELECT count(*) FROM stars WHERE name = ?", "'; DROP TABLE stars; --")
    with_parameters("bytes", "SELECT id FROM stars WHERE raw = ? ORDER BY id LIMIT 3", b"\x00\x01")
    with_parameters("concat", "SELECT name || ? FROM stars WHERE id = ?", "!", 1)
    if arrays:
        with_parameters("array", "SELECT id FROM stars WHERE id = ANY(?) ORDER BY id", [3, 1, 2])
    for name, sql in FAULTS.items():
        ask(f"fault: {name}", one, connection, sql, ())
    ask("alive after faults", one, connection, "SELECT 1", ())
    if cancel:
        ask("cancel", cancelled, connection, one, cancel)
        ask("alive after cancel", one, connection, "SELECT 1", ())
    return connection


def cancelled(connection, one, cancel):
    """The error of a statement that is cancelled, and whether that took less than two seconds."""
    asked = []

    def later():
        time.sleep(0.4)
        asked.append(time.monotonic())
        cancel(connection)

    thread = threading.Thread(target=later)
    thread.start()
    try:
        one(connection, ENDLESS, ())
        return "it ended by itself"
    except Exception as error:
        from ask import state_of

        return [state_of(error), time.monotonic() - asked[0] < 2]
    finally:
        thread.join()
