"""dreyer itself, over one open connection to a server with as many partitions as cores."""

import glob
import os
import re
import shutil
import subprocess

import plan
import psycopg
from bench import Peer, cpu_of

MARGIN_ARCSEC = "5"  # for LSDB, which needs one; dreyer does not
TIMEOUT_S = 60  # what is matched by a nested loop takes days


class Dreyer(Peer):
    sql_folder = "dreyer"

    def version(self):
        return subprocess.run([self.bench.binary, "--version"], capture_output=True, text=True).stdout.split()[-1]

    def prepare(self):
        """Imports again whenever the program is another one: it may write better files."""
        root, binary = self.bench.root, os.stat(self.bench.binary)
        tables, mark = self.bench.inputs | self.bench.extra, f"{root}/made_by"
        made_by = f"{binary.st_size} {binary.st_mtime_ns} {' '.join(tables)}"
        if os.path.exists(mark) and open(mark).read() == made_by:
            return
        shutil.rmtree(root, ignore_errors=True)
        for table, path in tables.items():
            command = [self.bench.binary, "import", path, "--into", root, "--name", table, "--ra", "ra", "--dec", "dec"]
            margin = ["--margin", MARGIN_ARCSEC] if table == "gaia" else []
            subprocess.run(command + margin, check=True, stdout=subprocess.DEVNULL)
        with open(mark, "w") as file:
            file.write(made_by)

    def open(self):
        configuration = f"{self.bench.folder}/dreyer.toml"
        with open(configuration, "w") as file:
            file.write(f"access = 'full'\n[limits]\ntarget_partitions = {self.bench.cores}\n")
            file.write(f"statement_timeout_s = {TIMEOUT_S}\n")
        command = [self.bench.binary, "serve", self.bench.root, "--pg", "127.0.0.1:0", "--config", configuration]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        port = re.search(r"-p (\d+)", self.server.stdout.readline()).group(1)
        self.connection = psycopg.connect(f"host=127.0.0.1 port={port} user=dreyer dbname=dreyer", autocommit=True)

    def close(self):
        if hasattr(self, "server"):
            self.connection.close()
            self.server.terminate()
            self.server.wait(40)

    def pids(self):
        return [self.server.pid]

    def cpu_seconds(self):
        return cpu_of(self.server.pid) if hasattr(self, "server") else 0.0

    def rows(self, sql):
        return self.connection.execute(sql).fetchall()

    def value(self, sql):
        return self.rows(sql)[0][0]

    def cone(self, ra, dec, radius):
        return len(self.rows(self.sql("cone").format(ra=ra, dec=dec, radius=radius)))

    def explain(self, name, verbose=False):
        words = "EXPLAIN ANALYZE VERBOSE" if verbose else "EXPLAIN ANALYZE"
        return "\n".join(row[-1] for row in self.rows(f"{words} {self.sql(name)}"))

    def balance(self, name):
        """Work of the partitions, and the share of the cores that the whole server kept busy."""
        before, started = self.cpu_seconds(), os.times().elapsed
        self.run(name)
        elapsed = os.times().elapsed - started
        busy = (self.cpu_seconds() - before) / (elapsed * self.bench.cores)
        return plan.balance(self.explain(name, verbose=True)) | {"cores_busy": round(busy, 3)}

    def bytes_share(self, name, table):
        """Bytes of a catalogue that a query read, in percent of its files."""
        whole = sum(os.path.getsize(path) for path in glob.glob(self.bench.leaves(table)))
        return round(100 * plan.bytes_read(self.explain(name), table) / whole, 3)

    def write(self, path, columns):
        sql = self.sql("match").replace("count(*)", columns)
        self.connection.execute(f"COPY ({sql}) TO '{path}' STORED AS PARQUET")


PEER = Dreyer
