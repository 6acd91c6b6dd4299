"""Workers that come and go by the rendered rule, without a cluster: real processes, real figures, clocks run faster."""

import re
import subprocess
import threading
import time
import urllib.request

import psycopg

import autoscale

FASTER = 15  # than in a cluster: a look every second instead of every 15
MOST = 3
CLIENTS = 3
BYTES = 4 << 20  # of the running queries, for each worker
QUERY = """SELECT count(*), sum(a.hip) FROM hipparcos a JOIN hipparcos b
           ON DISTANCE(a.ra, a.dec, b.ra, b.dec) < 0.9 AND a.hpmag < b.hpmag + 1"""


def start(arguments, *words):
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    found = []
    for line in process.stdout:
        if match := re.match("(?:" + "|".join(words) + r")([0-9.]+:\d+)", line):
            found.append(match.group(1))
            if len(found) == len(words):
                return process, found
    raise SystemExit(f"{arguments} ended")


class Workers:
    """As many as are wanted, always at the same addresses."""

    def __init__(self, binary, number):
        self.binary, self.running, self.addresses = binary, [], []
        for _ in range(number):
            self.running.append(None)
            self.addresses.append("127.0.0.1:0")
        # An address is free once the process that was given it has gone.
        for place in range(number):
            process, (address,) = self.one("127.0.0.1:0")
            self.addresses[place], self.running[place] = address, process
        self.want(0)

    def one(self, address):
        return start([self.binary, "worker", "--listen", address], "working on ")

    def want(self, number):
        for place, process in enumerate(self.running):
            if place < number and process is None:
                self.running[place] = self.one(self.addresses[place])[0]
            elif place >= number and process is not None:
                # It drains: what it has, it finishes.
                process.terminate()
                process.wait(timeout=60)
                self.running[place] = None


def figure(address, name):
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    return int(re.search(rf"^{re.escape(name)} (\d+)$", text, re.M).group(1))


def client(address, stop, seen, lock):
    host, port = address.split(":")
    with psycopg.connect(f"host={host} port={port} user=dreyer dbname=dreyer", autocommit=True) as session:
        while not stop.is_set():
            try:
                answer = session.execute(QUERY).fetchall()
            except psycopg.Error as error:
                answer = str(error)
            with lock:
                seen.append(answer)


def load(address, seconds, look):
    """Clients for a while; their answers."""
    stop, seen, lock = threading.Event(), [], threading.Lock()
    threads = [threading.Thread(target=client, args=(address, stop, seen, lock)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    look(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return seen


def run(binary, render, check):
    values = {"scaling": {"kind": "keda", "min": 0, "max": MOST, "bytesPerWorker": BYTES, "cooldownSeconds": 60}}
    (manifest,) = [item for item in render(values) if item["kind"] == "ScaledObject"]
    workers = Workers(binary, MOST)
    arguments = [binary, "serve", "--pg", "127.0.0.1:0", "--http", "127.0.0.1:0", "--workers", ",".join(workers.addresses)]
    server, (http, address) = start(arguments, "watched on ", "listening on ")
    controller = autoscale.Controller(autoscale.Rule.of(manifest), 0)
    began = time.monotonic()

    def look(seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pending = figure(http, "dreyer_pending_scan_bytes")
            workers.want(controller.step((time.monotonic() - began) * FASTER, pending))
            time.sleep(1)

    try:
        look(3)
        check("grow: idle, there is no worker", {n for _, n in controller.history} == {0}, controller.history)
        answers = load(address, 25, look)
        most = max(n for _, n in controller.history)
        check("grow: under load, there are as many as may be", most == MOST, controller.history)
        check("grow: work was done meanwhile", len(answers) >= CLIENTS, len(answers))
        check("grow: every answer was right", len({str(answer) for answer in answers}) == 1, set(map(str, answers)))
        look(12)
        check("grow: afterwards they go", controller.replicas == 0, controller.history[-15:])
        numbers = [n for _, n in controller.history]
        rises = sum(a < b for a, b in zip(numbers, numbers[1:]))
        check("grow: up once, down once", rises <= MOST and numbers.index(MOST) < len(numbers) - 1, numbers)
    finally:
        workers.want(0)
        server.terminate()
        server.wait(timeout=60)
