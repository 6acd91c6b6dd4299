"""asyncpg: everything in binary, types of parameters from the server, cursors, a pool."""

import asyncio

import asyncpg
from ask import DATABASE, ENDLESS, FAULTS, HOST, PORT, USER, ask
from dbapi import CATALOGUE, MOMENT, VALUES
import datetime as dt
from decimal import Decimal

LINE = {"host": HOST, "port": PORT, "user": USER, "database": DATABASE}
loop = asyncio.new_event_loop()


def wait(coroutine):
    return loop.run_until_complete(coroutine)


connection = wait(asyncpg.connect(**LINE))


def rows(sql, *parameters):
    return [list(row.values()) for row in wait(connection.fetch(sql, *parameters))]


def types(sql):
    statement = wait(connection.prepare(sql))
    columns = [[a.name, a.type.name, a.type.kind] for a in statement.get_attributes()]
    return [columns, [parameter.name for parameter in statement.get_parameters()]]


for name, sql in (CATALOGUE | VALUES).items():
    ask(name, rows, sql)
    ask(f"{name}: columns", types, sql)
for name, sql in FAULTS.items():
    ask(f"fault: {name}", rows, sql)

PARAMETERS = {
    "integer": ("SELECT id, name FROM stars WHERE id = $1", 7),
    "number": ("SELECT count(*) FROM stars WHERE ra BETWEEN $1 AND $2", 10.5, 200.25),
    "text": ("SELECT id FROM stars WHERE note = $1 ORDER BY id LIMIT 2", 'a "quote"'),
    "pattern": ("SELECT count(*) FROM stars WHERE name LIKE $1", "star 00%"),
    "truth": ("SELECT count(*) FROM stars WHERE flag = $1", True),
    "day": ("SELECT count(*) FROM stars WHERE day > $1", dt.date(2024, 2, 1)),
    "moment": ("SELECT count(*) FROM stars WHERE moment > $1", MOMENT),
    "time without zone": ("SELECT count(*) FROM stars WHERE seen > $1", MOMENT.replace(tzinfo=None)),
    "decimal": ("SELECT count(*) FROM stars WHERE flux > $1", Decimal("1234.5")),
    "in a list": ("SELECT id FROM stars WHERE id IN ($1, $2) ORDER BY id", 3, 1),
    "array": ("SELECT id FROM stars WHERE id = ANY($1) ORDER BY id", [3, 1, 2]),
    "array of text": ("SELECT id FROM stars WHERE name = ANY($1::text[]) ORDER BY id", ["star 0003", "star 0001"]),
    "page": ("SELECT id FROM stars ORDER BY id LIMIT $1 OFFSET $2", 3, 40),
    "arithmetic": ("SELECT ra + $1, n * $2 FROM stars WHERE id = $3", 0.5, 2, 2),
    "null": ("SELECT count(*) FROM stars WHERE note = $1", None),
    "cast": ("SELECT $1::int + 1, $2::float8[], $3::timestamptz", 7, [1.5, None], MOMENT),
    "bytes": ("SELECT id FROM stars WHERE raw = $1 ORDER BY id LIMIT 3", b"\x00\x01"),
    "interval": ("SELECT seen + $1 FROM stars WHERE id = 2", dt.timedelta(hours=36)),
    "coalesce": ("SELECT coalesce(n, $1) FROM stars WHERE id = 1", 5),
    "case": ("SELECT CASE WHEN id = $1 THEN ra ELSE $2 END FROM stars ORDER BY id LIMIT 2", 1, 2.5),
    "function": ("SELECT round($1::float8), power(ra, $2) FROM stars WHERE id = 1", 2.6, 2.0),
    "bare": ("SELECT $1", "text"),
}
for name, (sql, *values) in PARAMETERS.items():
    ask(f"parameters: {name}", rows, sql, *values)
    ask(f"parameters: {name}: types", types, sql)


async def paged():
    async with connection.transaction():
        got = [row[0] async for row in connection.cursor("SELECT id FROM stars ORDER BY id LIMIT 20", prefetch=7)]
        cursor = await connection.cursor("SELECT id FROM stars ORDER BY id")
        return [got, [row[0] for row in await cursor.fetch(3)], [row[0] for row in await cursor.fetch(2)]]


async def moved():
    async with connection.transaction():
        cursor = await connection.cursor("SELECT id FROM stars ORDER BY id")
        skipped = await cursor.forward(10)
        return [skipped, (await cursor.fetchrow())[0]]


async def pool():
    async with asyncpg.create_pool(**LINE, min_size=2, max_size=3) as pool:
        async def work(i):
            async with pool.acquire() as line:
                await line.execute("SET application_name = 'other'")
                return await line.fetchval("SELECT n FROM stars WHERE id = $1", i)

        got = await asyncio.gather(*(work(i) for i in range(1, 12)))
        return [got, await pool.fetchval("SHOW application_name")]


async def cancelled():
    try:
        await asyncio.wait_for(connection.fetch(ENDLESS), 0.5)
    except TimeoutError:
        return await connection.fetchval("SELECT 7")


async def introspected():
    line = await asyncpg.connect(**LINE)
    try:
        await line.set_type_codec("numeric", encoder=str, decoder=float, schema="pg_catalog", format="text")
        return await line.fetchval("SELECT flux FROM stars WHERE id = 1")
    finally:
        await line.close()


async def copied():
    import io

    out = io.BytesIO()
    status = await connection.copy_from_query("SELECT id, note FROM stars ORDER BY id LIMIT 12", output=out, format="binary")
    return [status, out.getvalue()]


ask("cursor", wait, paged())
ask("moved cursor", wait, moved())
ask("pool", wait, pool())
ask("timeout", wait, cancelled())
ask("codec", wait, introspected())
ask("COPY in binary", wait, copied())
ask("version", lambda: connection.get_server_version()[0])
ask("settings", lambda: [getattr(connection.get_settings(), name) for name in ("TimeZone", "client_encoding")])
wait(connection.close())
