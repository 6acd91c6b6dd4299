"""A peer in its own process, asked over a pipe: none slows, or holds memory for, another."""

import importlib
import multiprocessing
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Any

from bench import Timed

PEERS = ("dreyer", "dreyer_cli", "pyarrow", "scipy", "astropy", "lsdb", "duckdb", "clickhouse", "q3c")
SPAWN = multiprocessing.get_context("spawn")


@dataclass
class Outcome:
    seconds: float
    cpu: float = 0.0  # seconds of all threads and processes of the system
    value: Any = None
    error: str = ""


def memory(pid, field="VmHWM"):
    with open(f"/proc/{pid}/status") as status:
        return int(next(line for line in status if line.startswith(field)).split()[1]) / 1024


def forget_peak(pid):
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def answer(pipe, name, bench):
    """The process: makes the peer and does what it is told until told to stop, or until nobody is left to tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    peer = importlib.import_module(f"peers.{name}").PEER(bench)
    try:
        while (order := pipe.recv()) is not None:
            pipe.send(outcome(peer, *order))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        peer.close()


def outcome(peer, method, arguments):
    started, cpu = time.perf_counter(), peer.cpu_seconds()
    try:
        value = getattr(peer, method)(*arguments)
    except Exception as error:  # whatever a peer fails of is its result, and the others go on
        if method != "run":
            traceback.print_exc()
        return Outcome(time.perf_counter() - started, error=f"{type(error).__name__}: {error}".strip())
    seconds, cpu = time.perf_counter() - started, peer.cpu_seconds() - cpu
    return Outcome(value.seconds, cpu, value.value) if isinstance(value, Timed) else Outcome(seconds, cpu, value)


class Worker:
    def __init__(self, name, bench):
        self.name = name
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=answer, args=(theirs, name, bench))
        self.process.start()
        theirs.close()

    def ask(self, method, *arguments):
        try:
            self.pipe.send((method, arguments))
            return self.pipe.recv()
        except (EOFError, BrokenPipeError):
            return Outcome(0.0, error="its process died")

    def run(self, query, *arguments):
        return self.ask("run", query, *arguments)

    def forget_peak(self):
        for pid in self.ask("pids").value or []:
            forget_peak(pid)

    def peak_mb(self):
        pids = self.ask("pids").value
        return round(sum(memory(pid) for pid in pids)) if pids else None

    def close(self):
        try:
            self.pipe.send(None)
        except BrokenPipeError:
            pass
        self.process.join(10)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()
