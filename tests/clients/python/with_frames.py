"""Frames: polars through ADBC and connectorx, pandas through ADBC, Arrow tables; and ADBC by itself."""

import adbc_driver_postgresql.dbapi as adbc
import connectorx as cx
import pandas as pd
import polars as pl
from ask import ENDLESS, FAULTS, URL, ask

ADDRESS = f"postgresql://{URL}"
# connectorx wants a password in the address, whatever it is.
WITH_PASSWORD = ADDRESS.replace("@", ":none@")
COLUMNS = 'id, name, ra, "Vmag", error, n, small, flag, seen, moment, day, note'
PLAIN = f"SELECT {COLUMNS} FROM stars ORDER BY id"


def of(table):
    """An Arrow table: its types, and its first rows."""
    return [[[field.name, str(field.type)] for field in table.schema], table.num_rows, table.slice(0, 40).to_pylist()]


def adbc_table(sql, parameters=None, copy=True, batch=None):
    with adbc.connect(ADDRESS, autocommit=True) as connection, connection.cursor() as cursor:
        if not copy:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
        if batch:
            cursor.adbc_statement.set_options(**{"adbc.postgresql.batch_size_hint_bytes": str(batch)})
        cursor.execute(sql, parameters)
        return of(cursor.fetch_arrow_table())


def adbc_fault(sql):
    with adbc.connect(ADDRESS, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def adbc_schema():
    with adbc.connect(ADDRESS, autocommit=True) as connection:
        return str(connection.adbc_get_table_schema("stars"))


def adbc_objects():
    with adbc.connect(ADDRESS, autocommit=True) as connection:
        found = connection.adbc_get_objects(depth="columns", table_name_filter="stars").read_all().to_pylist()
    return [
        [catalog["catalog_name"], schema["db_schema_name"], table["table_name"], table["table_type"],
         # In no order of its own.
         sorted([column["ordinal_position"], column["column_name"], column["remarks"]] for column in table["table_columns"])]
        for catalog in found for schema in catalog["catalog_db_schemas"] or []
        for table in schema["db_schema_tables"] or []
    ]


def adbc_about():
    with adbc.connect(ADDRESS, autocommit=True) as connection:
        info = connection.adbc_get_info()
        return [info["vendor_name"], connection.adbc_current_db_schema, connection.adbc_get_table_types()]


def adbc_cancelled():
    import threading

    with adbc.connect(ADDRESS, autocommit=True) as connection, connection.cursor() as cursor:
        threading.Timer(0.4, connection.adbc_cancel).start()
        try:
            cursor.execute(ENDLESS)
            cursor.fetchall()
        except adbc.Error as error:
            return type(error).__name__


ask("ADBC: table by COPY", adbc_table, PLAIN)
ask("ADBC: every column by COPY", adbc_table, "SELECT * FROM stars ORDER BY id")
ask("ADBC: many rows in small batches", lambda: adbc_table("SELECT * FROM survey.detections ORDER BY mjd, star_id", batch=65536)[:2])
ask("ADBC: table without COPY", adbc_table, PLAIN, None, False)
ask("ADBC: every column without COPY", adbc_table, "SELECT * FROM stars ORDER BY id", None, False)
ask("ADBC: parameters", adbc_table, "SELECT id, name FROM stars WHERE id = $1 OR name = $2 ORDER BY id", (7, "star 0003"), False)
ask("ADBC: schema", adbc_schema)
ask("ADBC: objects", adbc_objects)
ask("ADBC: about", adbc_about)
ask("ADBC: cancel", adbc_cancelled)
for name, sql in FAULTS.items():
    ask(f"ADBC: fault: {name}", adbc_fault, sql)


def pandas_frame():
    with adbc.connect(ADDRESS, autocommit=True) as connection:
        frame = pd.read_sql("SELECT id, ra, flag, moment FROM stars ORDER BY id", connection)
    return [len(frame), str(frame.dtypes.to_dict()), frame.head(12).to_json(date_format="iso")]


def polars_frame(sql, engine, **more):
    frame = pl.read_database_uri(sql, WITH_PASSWORD if engine == "connectorx" else ADDRESS, engine=engine, **more)
    return [str(frame.schema), frame.sort("id").head(40).rows()]


def polars_connection():
    import psycopg

    with psycopg.connect(ADDRESS) as connection:
        return pl.read_database(PLAIN, connection).head(12).rows()


def connectorx(protocol):
    return of(cx.read_sql(WITH_PASSWORD, PLAIN, protocol=protocol, return_type="arrow"))


def divided():
    table = cx.read_sql(
        WITH_PASSWORD, "SELECT id, ra FROM stars", partition_on="id", partition_num=3, protocol="cursor", return_type="arrow"
    )
    return [table.num_rows, sum(table["id"].to_pylist())]


ask("pandas: ADBC", pandas_frame)
ask("polars: ADBC", polars_frame, PLAIN, "adbc")
ask("polars: connectorx", polars_frame, PLAIN, "connectorx")
ask("polars: psycopg", polars_connection)
for protocol in ("binary", "csv", "cursor", "simple"):
    ask(f"connectorx: {protocol}", connectorx, protocol)
ask("connectorx: divided", divided)
