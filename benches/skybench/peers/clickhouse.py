"""ClickHouse in this process (chDB): the same order and the same grid as DuckDB's."""

import json
import os
import shutil

import chdb
from bench import Peer
from chdb.session import Session
from sphere import box


class Clickhouse(Peer):
    sql_folder = "clickhouse"

    def version(self):
        return f"{self.value('SELECT version()')} (chdb {chdb.__version__})"

    def connect(self, path):
        session = Session(path)
        session.query(f"SET max_threads = {self.bench.cores}")
        for statement in self.sql("grid").split(";"):
            if statement.strip():
                session.query(statement)
        return session

    def prepare(self):
        path = self.bench.stored("clickhouse")
        if os.path.exists(path):
            return
        session = self.connect(f"{path}.part")
        for table in self.bench.inputs:
            session.query(self.sql("store").format(table=table, leaves=self.bench.leaves(table)))
            session.query(f"OPTIMIZE TABLE {table} FINAL")
        session.close()
        shutil.move(f"{path}.part", path)

    def open(self):
        self.session = self.connect(self.bench.stored("clickhouse"))

    def close(self):
        if hasattr(self, "session"):
            self.session.close()

    def value(self, sql):
        return json.loads(self.session.query(sql, "JSONCompactEachRow").bytes().splitlines()[0])[0]

    def pairs(self, columns, small):
        return self.sql("pairs").format(columns=columns, small=small)

    def match(self):
        return self.value(self.pairs("count(*)", "wise"))

    def candidates(self):
        return self.value(self.pairs("count(*), sum(g.phot_g_mean_mag)", "candidates"))

    def cone(self, ra, dec, radius):
        sql = self.sql("cone").format(ra=ra, dec=dec, radius=radius, **box(ra, dec, radius))
        return self.session.query(sql, "ArrowTable").num_rows


PEER = Clickhouse
