"""DuckDB: rows in sky order, and a grid of cells to join on; the cell of each row is stored."""

import os

import duckdb as library
from bench import Peer
from sphere import box


class Duckdb(Peer):
    sql_folder = "duckdb"

    def version(self):
        return library.__version__

    def connect(self, path):
        connection = library.connect(path, config={"threads": self.bench.cores})
        connection.execute(self.sql("grid"))
        return connection

    def prepare(self):
        path = f"{self.bench.stored('duckdb')}.db"
        if os.path.exists(path):
            return
        connection = self.connect(f"{path}.part")
        for table in self.bench.inputs:
            connection.execute(self.sql("store").format(table=table, leaves=self.bench.leaves(table)))
        connection.close()
        os.rename(f"{path}.part", path)

    def open(self):
        self.connection = self.connect(f"{self.bench.stored('duckdb')}.db")

    def close(self):
        if hasattr(self, "connection"):
            self.connection.close()

    def value(self, sql):
        return self.connection.execute(sql).fetchone()[0]

    def pairs(self, columns, small):
        return self.sql("pairs").format(columns=columns, small=small)

    def match(self):
        return self.value(self.pairs("count(*)", "wise"))

    def candidates(self):
        return self.value(self.pairs("count(*), sum(g.phot_g_mean_mag)", "candidates"))

    def cone(self, ra, dec, radius):
        sql = self.sql("cone").format(ra=ra, dec=dec, radius=radius, **box(ra, dec, radius))
        return len(self.connection.execute(sql).fetchall())

    def write(self, path, columns):
        self.connection.execute(f"COPY ({self.pairs(columns, 'wise')}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")


PEER = Duckdb
