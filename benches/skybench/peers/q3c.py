"""Q3C on PostgreSQL: narrow tables, indexed and clustered on the sky, in a private cluster on a loopback port."""

import glob
import os
import pwd
import shutil
import socket
import subprocess

import psycopg
import pyarrow.csv
import pyarrow.parquet as pq
from bench import Peer, cpu_of

NARROW = {"gaia": "source_id", "wise": "cntr", "candidates": "id"}
# Were seqscan on, the planner would compare 600 candidates with every row: it guesses badly what this index costs.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 3GB
work_mem = 256MB
maintenance_work_mem = 1GB
fsync = off
autovacuum = off
jit = off
enable_seqscan = off
max_wal_size = 8GB
random_page_cost = 1.1
effective_cache_size = 12GB
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Q3c(Peer):
    sql_folder = "q3c"

    def version(self):
        return self.value("SELECT q3c_version()") + ", PostgreSQL " + self.value("SHOW server_version")

    def program(self, name, *arguments):
        """Runs a program of PostgreSQL, which refuses to be root, as its own user."""
        path = max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
        user = "postgres" if os.getuid() == 0 else None
        subprocess.run([path, *arguments], check=True, user=user, stdout=subprocess.DEVNULL, cwd="/")

    def start(self, folder):
        self.folder, self.port = folder, free_port()
        parallel = f"-c max_parallel_workers_per_gather={self.bench.cores} -c max_parallel_workers={self.bench.cores}"
        self.program("pg_ctl", "start", "-w", "-D", folder, "-l", f"{folder}/log", "-o", f"-p {self.port} {parallel}")
        with open(f"{folder}/postmaster.pid") as file:
            self.server = int(file.readline())
        address = f"host=127.0.0.1 port={self.port} user=bench dbname=postgres"
        self.connection = psycopg.connect(address, autocommit=True)

    def prepare(self):
        folder = self.bench.stored("q3c")
        if os.path.exists(folder):
            return
        part = f"{folder}.part"
        shutil.rmtree(part, ignore_errors=True)
        os.mkdir(part)
        if os.getuid() == 0:
            os.chown(part, pwd.getpwnam("postgres").pw_uid, -1)
        self.program("initdb", "-D", part, "-U", "bench", "--auth=trust", "--no-sync")
        with open(f"{part}/postgresql.conf", "a") as file:
            file.write(SETTINGS)
        self.start(part)
        self.connection.execute("CREATE EXTENSION q3c")
        self.connection.execute(self.sql("parallel"))
        for table, path in self.bench.inputs.items():
            self.ingest(table, path)
        self.close()
        os.rename(part, folder)

    def ingest(self, table, path):
        magnitude = {"gaia": "phot_g_mean_mag", "wise": "w1mpro"}.get(table)
        columns = [NARROW[table], "ra", "dec"] + ([magnitude] if magnitude else [])
        types = ("bigint", "float8", "float8", "real")
        self.connection.execute(f"CREATE TABLE {table} ({', '.join(map(' '.join, zip(columns, types)))})")
        options = pyarrow.csv.WriteOptions(include_header=False)
        with self.connection.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv)") as copy:
            for batch in pq.ParquetFile(path).iter_batches(columns=columns):
                text = pyarrow.BufferOutputStream()
                pyarrow.csv.write_csv(batch, text, options)
                copy.write(text.getvalue().to_pybytes())
        self.connection.execute(f"CREATE INDEX {table}_sky ON {table} (q3c_ang2ipix(ra, dec))")
        self.connection.execute(f"CLUSTER {table} USING {table}_sky")
        self.connection.execute(f"VACUUM ANALYZE {table}")

    def open(self):
        self.start(self.bench.stored("q3c"))

    def close(self):
        if hasattr(self, "server"):
            del self.server
            self.connection.close()
            self.program("pg_ctl", "stop", "-w", "-m", "fast", "-D", self.folder)

    def pids(self):
        return []  # its processes share their memory, so sums would mean little

    def cpu_seconds(self):
        """Of the session, and of the parallel workers that the server has seen end."""
        if not hasattr(self, "server"):
            return 0.0
        return cpu_of(self.connection.info.backend_pid) + cpu_of(self.server, children=True)

    def value(self, sql):
        return self.connection.execute(sql).fetchone()[0]

    def cone(self, ra, dec, radius):
        return len(self.connection.execute(self.sql("cone").format(ra=ra, dec=dec, radius=radius)).fetchall())


PEER = Q3c
