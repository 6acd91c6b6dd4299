#!/usr/bin/env python3
"""dreyer and its peers side by side on generated skies: answers held against each other, times, ratios, memory.

Usage: run.py DREYER_BINARY WORK_DIR [--left-rows N] [--right-rows M] [--rounds 5] [--peers dreyer duckdb ...]

Needs what requirements.txt lists; Q3C also needs Debian's postgresql-15-q3c. Inputs, catalogues and the peers' own
storage are kept in WORK_DIR and found again. All run on the same cores, with warm files. Exit code 1: answers differ.
"""

import argparse
import json
import os
import re
import signal
import sys
from dataclasses import replace

import goals
import numpy as np
import pyarrow.parquet as pq
import report
import sky
from bench import Bench
from measure import disagreements, measure, rows
from peers.dreyer import Dreyer
from sections import EXTRAS, SKEWS, sections
from worker import PEERS, Worker

NAMES = [*sections([]), *EXTRAS]


def options_of():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("work_dir", type=os.path.abspath)
    parser.add_argument("--left-rows", type=int, default=10_000_000)
    parser.add_argument("--right-rows", type=int, default=5_000_000)
    parser.add_argument("--columns", type=int, default=20, help="of each catalogue, from 4 to 20")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--positions", type=int, default=100, help="of cones")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    parser.add_argument("--sections", nargs="+", choices=NAMES, default=NAMES)
    parser.add_argument("--ogle", metavar="FILE", help="OGLE's variable stars (ra, dec): their match with themselves")
    parser.add_argument("--json", metavar="FILE", help="where the figures go")
    return parser.parse_args()


def bench_of(options, share=1):
    """The inputs, made unless they are there; `share` 4 means a quarter of the rows."""
    left, right = options.left_rows // share, options.right_rows // share
    inputs = sky.inputs(options.work_dir, left, right, options.columns, options.seed)
    counts = {name: pq.read_metadata(path).num_rows for name, path in inputs.items()}
    extra = {"ogle": options.ogle} if options.ogle else {}
    return Bench(options.binary, options.work_dir, inputs, counts, options.cores, extra)


def truth_of(bench):
    """Counts by scipy's KD-tree on the inputs as generated; kept, since they take a while."""
    path = f"{bench.folder}/truth-{bench.key}.json"
    if not os.path.exists(path):
        workers = start(bench, ["scipy"])
        outcome = workers["scipy"].run("truth")
        workers["scipy"].close()
        if outcome.error:
            sys.exit(outcome.error)
        with open(path, "w") as file:
            json.dump(outcome.value, file)
    with open(path) as file:
        return json.load(file)


def start(bench, names):
    """Workers by name, their storage built."""
    workers = {}
    for name in sorted(names, key=PEERS.index):
        print(f"preparing {name}", file=sys.stderr, flush=True)
        worker = Worker(name, bench)
        error = worker.ask("prepare").error or worker.ask("open").error
        if error:
            print(f"{name} is left out: {error}", file=sys.stderr)
            worker.close()
        else:
            workers[name] = worker
    return workers


def machine():
    with open("/proc/cpuinfo") as cpu:
        return {"cpu": re.search(r"model name\s*: (.*)", cpu.read()).group(1), "cores": os.cpu_count()}


def positions(count, seed):
    rng = np.random.default_rng([seed, 9])
    return [(float(ra), float(dec)) for ra, dec in zip(*sky.anywhere(rng, count))]


def memory(options):
    """Peak of a fresh server over three counting matches, at two sizes."""
    found = []
    for share in (4, 1):
        bench = bench_of(options, share)
        workers = start(bench, ["dreyer"])
        for _ in range(3):
            workers["dreyer"].run("match")
        found.append({"rows": [bench.rows["gaia"], bench.rows["wise"]], "peak_mb": workers["dreyer"].peak_mb()})
        workers["dreyer"].close()
        print(f"  {found[-1]['rows']} rows: {found[-1]['peak_mb']} MB at most")
    return found


def extras(options, workers, result):
    """What is no race: bytes read for a few candidates, balance of the partitions, memory by size."""
    dreyer = workers.get("dreyer")
    if dreyer and "candidates" in options.sections:
        outcome = dreyer.run("bytes_share", "candidates", "gaia")
        result["candidates_percent_read"] = outcome.value
        print(f"\ncandidates: {outcome.error or f'{outcome.value} % of the bytes of the left catalogue read'}")
    if dreyer and "skew" in options.sections:
        print("\nbalance of the partitions")
        result["skew"] = {}
        for query in [*SKEWS, *(["match_ogle"] if options.ogle else [])]:
            outcome = dreyer.run("balance", query)
            result["skew"][query] = outcome.value or {"error": outcome.error}
            print(f"  {query}: {result['skew'][query]}")
    if dreyer and "memory" in options.sections:
        print("\nmemory of a fresh server")
        result["memory"] = memory(options)


def main():
    options = options_of()
    sys.stdout.reconfigure(line_buffering=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.makedirs(options.work_dir, exist_ok=True)
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    bench = bench_of(options)
    Dreyer(bench).prepare()  # first, since others read its catalogues
    truth = truth_of(bench)
    workers = start(replace(bench, most_neighbours=truth["most_neighbours"]), options.peers)
    result = {"machine": machine(), "cores_used": options.cores, "rows": bench.rows, "columns": options.columns}
    result |= {
        "load_before": os.getloadavg(),
        "seed": options.seed,
        "rounds": options.rounds,
        "truth": truth,
        "sections": {},
    }
    result["versions"] = {name: worker.ask("version").value for name, worker in workers.items()}
    wrong = []
    try:
        for name, (title, tasks) in sections(positions(options.positions, options.seed)).items():
            if name in options.sections:
                found = rows(measure(tasks, workers, options.rounds), workers, bench)
                result["sections"][name] = {"title": title, "tasks": found}
                report.table(f"{name}: {title}", found)
                wrong += disagreements(name, found, truth)
        extras(options, workers, result)
    finally:
        for worker in workers.values():
            worker.close()
    goals.show(result)
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result | {"disagreements": wrong}, file, indent=2)
        print(f"\n{report.row(result, options.json)}")
    print("\n".join(["", *(wrong or ["all answers agree"])]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
