"""SQLAlchemy 2 over three drivers: reflection, the ORM, pandas in chunks."""

import asyncio

import pandas as pd
import sqlalchemy as sa
from ask import FAULTS, URL, ask
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import create_async_engine

DRIVERS = ["psycopg2", "psycopg"]


def reflected(engine, schema, name):
    table = sa.Table(name, sa.MetaData(), autoload_with=engine, schema=schema)
    return [[column.name, repr(column.type), column.nullable, column.comment] for column in table.columns]


# What an inspector is asked, each by itself.
INSPECTED = {
    "schemas": lambda inspector: inspector.get_schema_names(),
    "tables": lambda inspector: [inspector.get_table_names(), inspector.get_table_names("survey")],
    "views": lambda inspector: inspector.get_view_names(),
    "materialized views": lambda inspector: inspector.get_materialized_view_names(),
    "is there": lambda inspector: [inspector.has_table("stars"), inspector.has_table("nowhere"), inspector.has_schema("survey")],
    "key": lambda inspector: inspector.get_pk_constraint("stars"),
    "foreign keys": lambda inspector: inspector.get_foreign_keys("stars"),
    "indexes": lambda inspector: inspector.get_indexes("stars"),
    "unique": lambda inspector: inspector.get_unique_constraints("stars"),
    "checks": lambda inspector: inspector.get_check_constraints("stars"),
    "comment": lambda inspector: inspector.get_table_comment("stars"),
    "sequences": lambda inspector: inspector.get_sequence_names(),
    "enums": lambda inspector: inspector.get_enums(),
    "several": lambda inspector: sorted(str(key) for key in inspector.get_multi_columns(schema="survey")),
    "default schema": lambda inspector: inspector.default_schema_name,
}


class Base(orm.DeclarativeBase):
    pass


class Star(Base):
    __tablename__ = "stars"
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    name: orm.Mapped[str]
    ra: orm.Mapped[float]
    vmag: orm.Mapped[float | None] = orm.mapped_column("Vmag")
    flag: orm.Mapped[bool | None]
    mags: orm.Mapped[list[float] | None] = orm.mapped_column(sa.ARRAY(sa.Float))
    detections: orm.Mapped[list["Detection"]] = orm.relationship(
        primaryjoin="foreign(Detection.star_id) == Star.id", order_by="Detection.mjd", viewonly=True
    )


class Detection(Base):
    __tablename__ = "detections"
    __table_args__ = {"schema": "survey"}
    star_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, primary_key=True)
    mjd: orm.Mapped[float] = orm.mapped_column(primary_key=True)
    band: orm.Mapped[str]
    mag: orm.Mapped[float | None]


def mapped(engine):
    with orm.Session(engine) as session:
        star = session.get(Star, 5)
        query = sa.select(Star).where(Star.name.like("star 00%"), Star.flag.is_(True)).order_by(Star.ra.desc()).limit(3)
        loaded = session.scalars(sa.select(Star).where(Star.id.in_([1, 2, 3])).options(orm.selectinload(Star.detections)))
        joined = session.execute(
            sa.select(Detection.band, sa.func.count(), sa.func.max(Detection.mag)).join(Star, Star.id == Detection.star_id)
            .where(Star.id < 50).group_by(Detection.band).having(sa.func.count() > 3).order_by(Detection.band)
        )
        latest = sa.select(sa.func.max(Detection.mjd)).where(Detection.star_id == Star.id).scalar_subquery()
        return [
            [star.name, star.ra, star.vmag, star.mags],
            [found.id for found in session.scalars(query)],
            sorted([found.id, len(found.detections), found.detections[0].mjd] for found in loaded),
            [list(row) for row in joined],
            [list(row) for row in session.execute(sa.select(Star.id, latest).where(Star.id < 4).order_by(Star.id))],
            session.scalar(sa.select(sa.exists().where(Star.id == 3))),
        ]


def streamed(engine):
    with engine.connect().execution_options(stream_results=True, max_row_buffer=7) as connection:
        return [row[0] for row in connection.execute(sa.text("SELECT id FROM stars ORDER BY id LIMIT 20"))]


def chunks(engine):
    with engine.connect().execution_options(stream_results=True) as connection:
        frames = list(pd.read_sql("SELECT id, ra, flag, moment FROM stars ORDER BY id", connection, chunksize=150))
    return [[len(frame), str(frame.dtypes.to_dict()), frame.id.sum()] for frame in frames]


def whole(engine):
    frame = pd.read_sql_table("stars", engine, columns=["id", "Vmag", "day", "moment"]).sort_values("id")
    return [len(frame), str(frame.dtypes.to_dict()), frame.head(12).to_json(date_format="iso")]


def faults(engine):
    got = {}
    for name, sql in FAULTS.items():
        with engine.connect() as connection:
            try:
                connection.execute(sa.text(sql))
                got[name] = "no fault"
            except sa.exc.DBAPIError as error:
                got[name] = [type(error).__name__, getattr(error.orig, "sqlstate", None) or error.orig.pgcode]
    return got


def pooled(engine):
    with engine.connect() as connection:
        connection.execute(sa.text("SET application_name = 'pooled'"))
        return [connection.scalar(sa.text("SHOW application_name")), connection.get_isolation_level()]


def isolated(engine):
    with engine.connect().execution_options(isolation_level="SERIALIZABLE", postgresql_readonly=True) as connection:
        return [connection.get_isolation_level(), connection.scalar(sa.text("SHOW transaction_read_only"))]


async def asynchronous():
    engine = create_async_engine(f"postgresql+asyncpg://{URL}")
    try:
        async with engine.connect() as connection:
            rows = await connection.execute(sa.select(Star.id, Star.ra).where(Star.id < 4).order_by(Star.id))
            tables = await connection.run_sync(lambda line: sa.inspect(line).get_table_names())
            columns = await connection.run_sync(lambda line: reflected(line, None, "stars"))
            return [[list(row) for row in rows], tables, columns]
    finally:
        await engine.dispose()


for driver in DRIVERS:
    engine = sa.create_engine(f"postgresql+{driver}://{URL}")
    ask(f"{driver}: reflection", reflected, engine, None, "stars")
    ask(f"{driver}: reflection in a schema", reflected, engine, "survey", "detections")
    for name, work in INSPECTED.items():
        ask(f"{driver}: {name}", lambda: work(sa.inspect(engine)))
    for name, answer in faults(engine).items():
        ask(f"{driver}: fault: {name}", lambda: answer)
    for work in (mapped, streamed, chunks, whole, pooled, isolated):
        ask(f"{driver}: {work.__name__}", work, engine)
    engine.dispose()
ask("asyncpg", lambda: asyncio.run(asynchronous()))
