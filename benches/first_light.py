#!/usr/bin/env python3
"""Cone search and counting cross-match on generated skies: bytes read, seconds, peak memory, checked by scipy.

Usage: first_light.py DREYER_BINARY WORK_DIR [LEFT_ROWS RIGHT_ROWS]

Needs numpy, scipy and pyarrow. Half of the right rows lie within a Gaussian 0.3 arcseconds of a left row, the rest
anywhere; both skies are uniform. Prints JSON; results/ holds what it printed, with the machine named.
"""

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.spatial import cKDTree

RADIUS_ARCSEC = 1.0
ROUNDS = 5
CONE = "DISTANCE(ra, dec, 56.75, 24.12) < 1"
MATCH = "SELECT count(*) FROM a JOIN b ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 1/3600."


def generate(folder, left_rows, right_rows):
    rng = np.random.default_rng(7)

    def anywhere(count):
        return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))

    def save(name, ra, dec):
        columns = {"id": np.arange(len(ra)), "ra": ra, "dec": dec, "mag": rng.normal(18, 2, len(ra)).astype("f4")}
        pq.write_table(pa.table(columns), f"{folder}/{name}.parquet")

    ra, dec = anywhere(left_rows)
    save("a", ra, dec)
    near = rng.choice(left_rows, right_rows // 2, replace=False)
    sigma = 0.3 / 3600
    stretch = np.maximum(np.cos(np.radians(dec[near])), 1e-6)
    near_ra = (ra[near] + rng.normal(0, sigma, len(near)) / stretch) % 360
    near_dec = np.clip(dec[near] + rng.normal(0, sigma, len(near)), -90, 90)
    far_ra, far_dec = anywhere(right_rows - len(near))
    save("b", np.concatenate([near_ra, far_ra]), np.concatenate([near_dec, far_dec]))


def truth(folder):
    def tree(name):
        table = pq.read_table(f"{folder}/{name}.parquet", columns=["ra", "dec"])
        ra, dec = np.radians(table["ra"].to_numpy()), np.radians(table["dec"].to_numpy())
        return cKDTree(np.c_[np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])

    chord = 2 * np.sin(np.radians(RADIUS_ARCSEC / 3600) / 2)
    return int(tree("a").count_neighbors(tree("b"), chord))


def dreyer(binary, *arguments):
    """Output, seconds and peak resident memory (MB) of one run."""
    started, peak_kb = time.perf_counter(), 0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([binary, *arguments], stdout=output)
        # The kernel's own maximum for a child counts the parent's memory from before exec; this one does not.
        while process.poll() is None:
            with open(f"/proc/{process.pid}/status") as status:
                high = re.search(r"VmHWM:\s*(\d+) kB", status.read())
            peak_kb = max(peak_kb, int(high.group(1)) if high else 0)
            time.sleep(0.01)
        seconds = time.perf_counter() - started
        output.seek(0)
        text = output.read()
    assert process.returncode == 0, text
    return text, seconds, peak_kb / 1024


def folder_bytes(folder):
    return sum(os.path.getsize(f"{at}/{name}") for at, _, names in os.walk(folder) for name in names)


def main(binary, folder, left_rows=10_000_000, right_rows=5_000_000):
    catalogues = f"{folder}/catalogues"
    os.makedirs(catalogues)
    generate(folder, int(left_rows), int(right_rows))
    result = {"cores": os.cpu_count(), "machine": platform.machine(), "rows": [int(left_rows), int(right_rows)]}
    with open("/proc/cpuinfo") as cpu:
        result["cpu"] = re.search(r"model name\s*: (.*)", cpu.read()).group(1)
    for name in "ab":
        arguments = [f"{folder}/{name}.parquet", "--into", catalogues, "--name", name, "--ra", "ra", "--dec", "dec"]
        _, seconds, memory = dreyer(binary, "import", *arguments)
        result[f"import_{name}"] = {"seconds": round(seconds, 2), "peak_mb": round(memory)}

    plan, _, _ = dreyer(binary, "sql", catalogues, "-c", f"EXPLAIN ANALYZE SELECT count(*), avg(mag) FROM a WHERE {CONE}")
    scan = next(line for line in plan.splitlines() if "file_type=hats" in line)
    read, unit = re.search(r"bytes_scanned=([\d.]+) ?(\w*)", scan).groups()
    read = float(read) * {"": 1, "B": 1, "K": 1e3, "M": 1e6, "KB": 1e3, "MB": 1e6}[unit]
    size = folder_bytes(f"{catalogues}/a")
    result["cone_1deg"] = {
        "bytes_read": read,
        "bytes_catalogue": size,
        "percent": round(100 * read / size, 3),
        "tiles": re.search(r"tiles=(\S+?),", scan).group(1),
        "row_groups": re.findall(r"sky_row_groups=([^,]*)", scan),
        "pages": re.findall(r"page_index_pages_pruned=([^,]*)", scan),
    }

    expected, seconds, memory = truth(folder), [], []
    for _ in range(ROUNDS):
        output, took, peak = dreyer(binary, "sql", catalogues, "--format", "csv", "-c", MATCH)
        assert int(output.split()[-1]) == expected, (output, expected)
        seconds.append(took)
        memory.append(peak)
    result["match"] = {
        "pairs": expected,
        "seconds": [round(s, 2) for s in seconds],
        "median_seconds": round(statistics.median(seconds), 2),
        "peak_mb": round(max(memory)),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
