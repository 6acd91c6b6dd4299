"""A large result on its way to clients, beside PostgreSQL 15 with the same table: time, first row, memory of the server.

    python benches/streaming.py DREYER_BINARY [--rows 10000000] [--rounds 3] [--postgres /usr/lib/postgresql/15/bin] [--json FILE]

Needs psycopg, adbc-driver-postgresql, pyarrow and psql. Both servers are started here, on ports and folders of their own, and take turns. The table has
six columns (int8, two float8, float4, int4, text); PostgreSQL gets it from us by a copy in binary.

- psql: SELECT of everything, in text, to /dev/null;  copy text, copy csv, copy binary: COPY TO STDOUT through psql;
- psycopg: binary rows, made into Python's values;  psycopg copy: blocks of a binary COPY, not looked at;
- ADBC: a binary COPY made into Arrow batches;
- first row: from the sending of the query, in psycopg's streaming mode; memory: the most that the server holds beyond what it
  held before.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tempfile
import threading
import time

import adbc_driver_postgresql.dbapi as adbc
import psycopg

TABLE = """
    CREATE TABLE stars AS
    SELECT value AS id, (value * 7919 % 360000007) / 1000000.0::float8 AS x, (value * 104729 % 180000017) / 1000000.0::float8 - 90 AS y,
           (value % 2500 / 100.0)::real AS mag, (value % 1000003)::int AS visits, 'J' || (value * 31 % 99999989) AS name
    FROM generate_series(1, {rows})
"""


class Dreyer:
    name = "dreyer"

    def __init__(self, binary, folder):
        command = [binary, "serve", "--pg", "127.0.0.1:0", "--writable", str(folder / "root"), "--state", str(folder / "state")]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        line = next(line for line in self.process.stdout if "listening on" in line)
        host, port = re.search(r"listening on ([0-9.]+):(\d+)", line).groups()
        self.address = f"host={host} port={port} user=dreyer dbname=dreyer"

    def resident(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Postgres:
    name = "postgres"

    def __init__(self, programs, folder):
        as_other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
        folder.mkdir()
        if as_other:
            shutil.chown(folder, "postgres", "postgres")
        run = [*as_other, f"{programs}/initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8"]
        subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
        port = 54329
        run = [*as_other, f"{programs}/postgres", "-D", str(folder / "data"), "-p", str(port), "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "shared_buffers=2GB"]
        self.process = subprocess.Popen(run, stderr=subprocess.DEVNULL)
        self.address = f"host=127.0.0.1 port={port} user=postgres dbname=postgres"
        for _ in range(200):
            try:
                psycopg.connect(self.address).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.1)
        raise SystemExit("PostgreSQL does not start")

    def resident(self):
        return 0

    def stop(self):
        self.process.send_signal(3)
        self.process.wait()


def psql(server, sql):
    subprocess.run(["psql", "-X", "-A", "-t", "-d", server.address, "-c", sql], check=True, stdout=subprocess.DEVNULL)


def rows_of(server, rows):
    with psycopg.connect(server.address, autocommit=True) as conn, conn.cursor(binary=True) as cursor:
        seen = sum(1 for _ in cursor.stream("SELECT * FROM stars", size=1000))
    assert seen == rows, (server.name, seen)


def blocks_of(server, rows):
    with psycopg.connect(server.address, autocommit=True) as conn, conn.cursor() as cursor:
        with cursor.copy("COPY stars TO STDOUT (FORMAT binary)") as copy:
            size = sum(len(block) for block in copy)
        assert cursor.rowcount == rows and size > rows * 40, (server.name, cursor.rowcount, size)


def batches_of(server, rows):
    with adbc.connect(server.address, autocommit=True) as conn, conn.cursor() as cursor:
        cursor.execute("SELECT * FROM stars")
        seen = sum(batch.num_rows for batch in cursor.fetch_record_batch())
    assert seen == rows, (server.name, seen)


def first_row(server):
    with psycopg.connect(server.address, autocommit=True) as conn, conn.cursor(binary=True) as cursor:
        began = time.perf_counter()
        rows = cursor.stream("SELECT * FROM stars")
        next(rows)
        seconds = time.perf_counter() - began
        conn.cancel_safe()
        try:
            for _ in rows:
                pass
        except psycopg.errors.QueryCanceled:
            pass
    return seconds


WAYS = {
    "psql": lambda server, _: psql(server, "SELECT * FROM stars"),
    "copy text": lambda server, _: psql(server, "COPY stars TO STDOUT"),
    "copy csv": lambda server, _: psql(server, "COPY stars TO STDOUT (FORMAT csv)"),
    "copy binary": lambda server, _: psql(server, "COPY stars TO STDOUT (FORMAT binary)"),
    "psycopg": rows_of,
    "psycopg copy": blocks_of,
    "ADBC": batches_of,
}


def measured(server, work):
    """Seconds, and the growth of the server's memory."""
    before, most, over = server.resident(), [0], threading.Event()

    def watch():
        while not over.wait(0.05):
            most[0] = max(most[0], server.resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    over.set()
    watcher.join()
    return seconds, max(0, most[0] - before)


def fill(ours, theirs, rows):
    with psycopg.connect(ours.address, autocommit=True) as mine, psycopg.connect(theirs.address, autocommit=True) as other:
        mine.execute(TABLE.format(rows=rows))
        other.execute("CREATE TABLE stars (id int8, x float8, y float8, mag real, visits int, name text)")
        with mine.cursor().copy("COPY stars TO STDOUT (FORMAT binary)") as out, other.cursor().copy("COPY stars FROM STDIN (FORMAT binary)") as into:
            for block in out:
                into.write(block)
        other.execute("VACUUM ANALYZE stars")
        sums = "SELECT count(*), sum(id), sum(visits), max(name) FROM stars"
        assert mine.execute(sums).fetchone() == other.execute(sums).fetchone()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--postgres", default="/usr/lib/postgresql/15/bin")
    parser.add_argument("--json")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        folder = pathlib.Path(folder)
        ours, theirs = Dreyer(given.binary, folder), Postgres(given.postgres, folder / "postgres")
        try:
            fill(ours, theirs, given.rows)
            found = {"rows": given.rows, "rounds": given.rounds, "cores": os.cpu_count(), "ways": {}}
            for way, work in WAYS.items():
                times, growth = {ours.name: [], theirs.name: []}, 0
                for _ in range(given.rounds):
                    for server in (ours, theirs):
                        seconds, grown = measured(server, lambda: work(server, given.rows))
                        times[server.name].append(round(seconds, 3))
                        growth = max(growth, grown)
                medians = {name: statistics.median(seconds) for name, seconds in times.items()}
                ratio = round(medians[ours.name] / medians[theirs.name], 3)
                found["ways"][way] = {"seconds": times, "ours_by_theirs": ratio, "growth_mb": round(growth / 1e6, 1)}
                print(f"{way:14} {medians[ours.name]:8.2f} s  PostgreSQL {medians[theirs.name]:8.2f} s  ratio {ratio:5.2f}  memory +{growth / 1e6:.0f} MB")
            found["first_row_ms"] = {server.name: round(1e3 * statistics.median(first_row(server) for _ in range(5)), 1) for server in (ours, theirs)}
            print("first row", found["first_row_ms"])
        finally:
            ours.stop()
            theirs.stop()
    if given.json:
        pathlib.Path(given.json).write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
