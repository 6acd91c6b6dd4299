#!/usr/bin/env python3
"""Import of one generated table by dreyer and by hats-import, one after the other, on the same cores.

Usage: import_peer.py DREYER_BINARY WORK_DIR [ROWS [MEMORY]]

Needs numpy, pyarrow, psutil, hats-import and lsdb. Half of the sky is uniform, half lies in a band as dense as the
Milky Way's. Both write tiles of at most a million rows. Counts rows of both catalogues with lsdb, then prints JSON.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

ROUNDS = 3

PEER = """
import sys
from dask.distributed import Client
from hats_import.catalog.arguments import ImportArguments
from hats_import.pipeline import pipeline_with_client

if __name__ == "__main__":
    source, into, name = sys.argv[1:]
    arguments = ImportArguments(
        ra_column="ra", dec_column="dec", file_reader="parquet", input_file_list=[source], output_path=into,
        output_artifact_name=name, pixel_threshold=1_000_000, progress_bar=False,
    )
    with Client(n_workers=2, threads_per_worker=1, memory_limit="8GB", dashboard_address=None) as client:
        pipeline_with_client(arguments, client)
"""

COUNT = """
import sys
import lsdb

if __name__ == "__main__":
    catalog = lsdb.open_catalog(sys.argv[1])
    print(len(catalog), len(catalog.get_healpix_pixels()))
"""


def generate(path, rows):
    rng = np.random.default_rng(11)
    half = rows // 2
    ra = rng.uniform(0, 360, rows)
    dec = np.concatenate(
        [np.degrees(np.arcsin(rng.uniform(-1, 1, half))), np.clip(rng.normal(-20, 8, rows - half), -90, 90)]
    )
    columns = {"source_id": rng.permutation(rows), "ra": ra, "dec": dec}
    for name in ("parallax", "pmra", "pmdec"):
        columns[name] = rng.normal(0, 5, rows)
    for name in ("g", "bp", "rp"):
        columns[name] = rng.normal(18, 2, rows).astype("f4")
    pq.write_table(pa.table(columns), path, row_group_size=500_000)


def run(command):
    """Seconds and peak resident memory (MB) of a command, its children counted."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    peak, root = 0, psutil.Process(process.pid)
    output = []
    reader = threading.Thread(target=lambda: output.extend(process.communicate()))
    reader.start()
    while reader.is_alive():
        try:
            family = [root, *root.children(recursive=True)]
            peak = max(peak, sum(member.memory_info().rss for member in family))
        except psutil.Error:
            pass
        reader.join(0.05)
    assert process.returncode == 0, output
    return output[0], time.perf_counter() - started, peak / 1e6


def main(binary, folder, rows=10_000_000, memory="2GB"):
    rows = int(rows)
    os.makedirs(folder, exist_ok=True)
    source = f"{folder}/input.parquet"
    generate(source, rows)
    with open("/proc/cpuinfo") as cpu:
        model = re.search(r"model name\s*: (.*)", cpu.read()).group(1)
    result = {"rows": rows, "input_mb": os.path.getsize(source) // 10**6, "cores": os.cpu_count()}
    result |= {"machine": platform.machine(), "cpu": model}

    seconds, peaks = [], []
    for _ in range(ROUNDS):
        shutil.rmtree(f"{folder}/ours", ignore_errors=True)
        command = [binary, "import", source, "--into", f"{folder}/ours", "--name", "sky", "--memory", memory]
        _, took, peak = run(command)
        seconds.append(round(took, 2))
        peaks.append(round(peak))
    result["dreyer"] = {"seconds": seconds, "peak_mb": peaks, "memory": memory}

    shutil.rmtree(f"{folder}/theirs", ignore_errors=True)
    os.makedirs(f"{folder}/theirs")
    script = f"{folder}/peer.py"
    with open(script, "w") as file:
        file.write(PEER)
    _, took, peak = run([sys.executable, script, source, f"{folder}/theirs", "sky"])
    result["hats_import"] = {"seconds": round(took, 2), "peak_mb": round(peak)}
    result["times_as_fast"] = round(took / sorted(seconds)[ROUNDS // 2], 1)

    with open(script, "w") as file:
        file.write(COUNT)
    for name, where in (("dreyer", "ours"), ("hats_import", "theirs")):
        output, _, _ = run([sys.executable, script, f"{folder}/{where}/sky"])
        counted, tiles = map(int, output.split()[-2:])
        assert counted == rows, (name, counted)
        result[name]["tiles"] = tiles
        result[name]["mb"] = sum(
            os.path.getsize(f"{at}/{file}") for at, _, files in os.walk(f"{folder}/{where}") for file in files
        ) // 10**6
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
