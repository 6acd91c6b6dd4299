"""What it costs to deal a query to workers, and what it gains: overhead on the same cores, latency, scaling, balance.

    python benches/cluster.py DREYER_BINARY ROOT [--long ROOT] [--rounds 5] [--json FILE] [--plot FILE.svg]

ROOT holds the catalogues `gaia` and `wise` that skybench generates and imports. Needs psycopg. A column of these is summed
so fast that planning many scans of it shows; `--long` names the root of a `gaia` of more rows in few tiles (100 M rows with ra
and dec, imported with `--tile-rows 3000000`) for that.

- overhead: a server alone against a server that deals all to one worker, both on all cores, taking turns;
- latency: a small query, forced to the worker, against the same query at home;
- scaling: one worker of one core against two of one core each, the server beside them. Queries of ten seconds and more;
  `--plot` draws it (plot.py).
"""

import argparse
import contextlib
import json
import os
import re
import statistics
import subprocess
import time

import plot
import psycopg

# So many of each that one core is busy for ten seconds and more.
TERMS, SUMS, MATCHES = 50, 64, 12


def scan():
    terms = (f"sum(sin(ra * {n}) * cos(dec * {n}) + sqrt(abs(sin(ra - {n} * dec))))" for n in range(1, TERMS + 1))
    return f"SELECT {', '.join(terms)} FROM gaia"


def match():
    one = (
        "SELECT count(*) AS n, sum(DISTANCE(g.ra, g.dec, w.ra, w.dec)) AS s, avg(g.ra - w.ra) AS d FROM gaia g JOIN wise w "
        "ON DISTANCE(g.ra, g.dec, w.ra, w.dec) < {radius}/3600."
    )
    return f"SELECT sum(n), sum(s), sum(d) FROM ({' UNION ALL '.join(one.format(radius=45 + n) for n in range(MATCHES))})"


QUERIES = {
    "match": match(),
    "scan": scan(),
    "sum": f"SELECT sum(ra) FROM ({' UNION ALL '.join(['SELECT ra FROM gaia'] * SUMS)})",
    "small": "SELECT count(*), sum(ra) FROM gaia WHERE DISTANCE(ra, dec, 130, 20) < 0.2",
}


def start(arguments, cores, said):
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores))
    for line in process.stdout:
        if found := re.match(said + r"([0-9.]+:\d+)", line):
            return process, found.group(1)
    raise SystemExit(f"{arguments} ended")


@contextlib.contextmanager
def cluster(binary, root, workers, cores):
    """A session with a server over workers that have the given cores each; without any, at home."""
    processes, addresses = [], []
    try:
        for own in workers:
            process, address = start([binary, "worker", root, "--listen", "127.0.0.1:0"], own, "working on ")
            processes.append(process)
            addresses.append(address)
        more = ["--workers", ",".join(addresses)] if addresses else []
        process, address = start([binary, "serve", root, "--pg", "127.0.0.1:0", *more], cores, "listening on ")
        processes.append(process)
        host, port = address.split(":")
        with psycopg.connect(f"host={host} port={port} user=dreyer dbname=dreyer", autocommit=True) as session:
            session.execute(f"SET dreyer.compute = '{'distributed' if workers else 'local'}'")
            yield session, processes
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def timed(session, query):
    started = time.perf_counter()
    rows = session.execute(query).fetchall()
    return time.perf_counter() - started, rows


def cpu_seconds(process):
    with open(f"/proc/{process.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def same(a, b):
    return all(abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1) for row, other in zip(a, b) for x, y in zip(row, other))


def race(sessions, query, rounds):
    """Seconds of each session, taking turns; the first round warms up and does not count."""
    seconds, answers = {name: [] for name in sessions}, {}
    for turn in range(rounds + 1):
        for name, (session, _) in sessions.items():
            taken, answers[name] = timed(session, query)
            if turn:
                seconds[name].append(taken)
    first = next(iter(answers.values()))
    assert all(same(first, answer) for answer in answers.values()), answers
    return {name: statistics.median(values) for name, values in seconds.items()}


def overhead(binary, root, cores, rounds):
    with cluster(binary, root, [], cores) as home, cluster(binary, root, [cores], cores) as dealt:
        sessions, result = {"home": home, "dealt": dealt}, {}
        for name in ("scan", "match"):
            medians = race(sessions, QUERIES[name], rounds)
            result[name] = {**medians, "ratio": medians["dealt"] / medians["home"]}
        medians = race(sessions, QUERIES["small"], 50)
        result["small_ms"] = {name: 1000 * median for name, median in medians.items()}
        return result


def scaling(binary, roots, cores, rounds):
    result = {}
    one, two = [{cores[0]}], [{core} for core in cores[:2]]
    for name, root in roots.items():
        with cluster(binary, root, one, set(cores)) as first:
            seconds = {1: race({1: first}, QUERIES[name], rounds)[1]}
        with cluster(binary, root, two, set(cores)) as second:
            before = [cpu_seconds(process) for process in second[1]]
            seconds[2] = race({2: second}, QUERIES[name], rounds)[2]
            work = [cpu_seconds(process) - was for process, was in zip(second[1], before)]
        shares = work[:2]
        result[name] = {
            "one_worker_s": seconds[1],
            "two_workers_s": seconds[2],
            "speed_up": seconds[1] / seconds[2],
            "most_over_mean_work": max(shares) / statistics.mean(shares),
            "server_share_of_cpu": work[2] / sum(work),
        }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary", type=os.path.abspath)
    parser.add_argument("root", type=os.path.abspath)
    parser.add_argument("--long", metavar="ROOT", type=os.path.abspath)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE.svg")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    roots = {"scan": options.root, "sum": options.long or options.root, "match": options.root}
    result = {
        "load_before": os.getloadavg()[0],
        "cores": len(cores),
        "overhead": overhead(options.binary, options.root, set(cores), options.rounds),
        "scaling": scaling(options.binary, roots, cores, options.rounds),
    }
    print(json.dumps(result, indent=1))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(result, file, indent=1)
            file.write("\n")
    if options.plot:
        plot.draw(result, options.plot)


if __name__ == "__main__":
    main()
