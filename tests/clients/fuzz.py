"""A fuzzer for the PostgreSQL protocol: what clients really sent, mutated; start-ups made of garbage; senders that take for
ever. Beside it, honest clients knock all along.

    python tests/clients/fuzz.py --binary PATH [--seconds 20] [--seed N]

It fails if the server panics or dies, if an honest client waits longer than a second, or if memory grows without bound.
"""

import argparse
import asyncio
import contextlib
import pathlib
import random
import socket
import struct
import sys
import tempfile
import threading
import time

import asyncpg
import psycopg
import servers

PATIENCE = 1.0  # seconds that an honest client waits
FUZZERS, SLOW = 6, 40
MEGABYTES = 400  # memory that all this may take, above what the server had when it was warm
EXTREMES = [0, 1, 2, 3, 4, 5, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
SSL, GSS, CANCEL = 80877103, 80877104, 80877102
CONFIG = "[limits]\nstatement_timeout_s = 3\nmax_connections = 200\n"


def record(port):
    """What clients send in a day, connection by connection: a proxy that listens in."""
    captures, listener = [], socket.create_server(("127.0.0.1", 0))

    def pipe(source, target, kept):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if kept is not None:
                    kept.extend(data)
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept():
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server, kept = socket.create_connection(("127.0.0.1", port)), bytearray()
            captures.append(kept)
            threading.Thread(target=pipe, args=(client, server, kept), daemon=True).start()
            threading.Thread(target=pipe, args=(server, client, None), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    address = {"host": "127.0.0.1", "port": listener.getsockname()[1], "user": "dreyer"}
    with psycopg.connect(**address, dbname="dreyer", autocommit=True, options="-c TimeZone=UTC") as line:
        with contextlib.suppress(psycopg.Error):
            line.execute("SELECT 1; SELECT id, mags, note FROM stars WHERE id < 9; SELECT nope")
        line.execute("SELECT name FROM stars WHERE id = ANY(%b) AND ra > %t AND flag = %s", [[1, 2], 1.5, True], prepare=True)
        line.execute("SELECT %b, %b, %b, %b", ["text", 1.5, b"\x00\xff", None], binary=True)
        with contextlib.suppress(psycopg.Error), line.transaction():
            line.execute("SAVEPOINT s")
            line.execute("SET LOCAL statement_timeout = 100")
            line.execute("SELECT 1 / 0")
        with line.pipeline():
            line.execute("SELECT 1")
            line.execute("SELECT count(*) FROM survey.detections WHERE band = %s", ["g"])
        for sql in ("COPY (SELECT id FROM stars) TO STDOUT", "COPY stars FROM STDIN"):
            with contextlib.suppress(psycopg.Error), line.cursor() as cursor, cursor.copy(sql) as copy:
                # To the end: one that stops earlier cancels, and would wait for the recorder, which is in its own process.
                copy.write(b"1\t2\n") if "STDIN" in sql else list(copy)
        with contextlib.suppress(psycopg.Error), line.transaction(), line.cursor("c") as cursor:
            cursor.execute("SELECT id FROM stars")
            cursor.fetchmany(3)

    async def other():
        line = await asyncpg.connect(**address, database="dreyer")
        async with line.transaction():
            async for _ in line.cursor("SELECT id, name, moment FROM stars WHERE id < $1", 30, prefetch=7):
                pass
        await line.close()

    asyncio.run(other())
    time.sleep(0.2)
    listener.close()
    return [bytes(kept) for kept in captures if kept]


def messages(capture):
    """The capture cut into its messages; the first has no letter."""
    cut, at = [], 0
    while at < len(capture):
        letter = 0 if at == 0 else 1
        length = int.from_bytes(capture[at + letter : at + letter + 4], "big") + letter
        if not letter <= length <= len(capture) - at:
            length = len(capture) - at
        cut.append(capture[at : at + max(length, 1)])
        at += max(length, 1)
    return cut


def mutated(rng, captures):
    """A capture with a few faults in it."""
    parts = messages(rng.choice(captures))
    # Most keep their start-up, so that the fault is met inside.
    first = 1 if rng.random() < 0.85 else 0
    for _ in range(rng.randint(1, 4)):
        if len(parts) <= first:
            break
        at = rng.randrange(first, len(parts))
        part, kind = bytearray(parts[at]), rng.randrange(9)
        if kind == 0 and part:
            for _ in range(rng.randint(1, 8)):
                part[rng.randrange(len(part))] ^= 1 << rng.randrange(8)
        elif kind == 1:
            where = rng.randrange(len(part) + 1)
            part[where:where] = rng.randbytes(rng.randint(1, 64))
        elif kind == 2:
            where = rng.randrange(len(part) + 1)
            del part[where : where + rng.randint(1, 32)]
        elif kind == 3 and len(part) >= 5:  # a length that lies
            struct.pack_into(">I", part, 1, rng.choice(EXTREMES))
        elif kind == 4 and len(part) > 8:  # a count or number within that lies
            width = rng.choice([2, 4])
            where = rng.randrange(5, max(6, len(part) - width))
            part[where : where + width] = (rng.choice(EXTREMES) & (1 << 8 * width) - 1).to_bytes(width, "big")
        elif kind == 5:
            part = bytearray(rng.choice(messages(rng.choice(captures))))
        elif kind == 6 and part:
            part[0] = rng.randrange(256)
        elif kind == 7:
            parts.insert(rng.randrange(first, len(parts) + 1), bytes(part))
        elif kind == 8:
            part = bytearray(part[: rng.randrange(len(part) + 1)])
        # A changed body keeps a right length as often as not: the fault is then found deeper.
        if kind in (0, 1, 2, 4, 8) and len(part) >= 5 and at > 0 and rng.random() < 0.6:
            struct.pack_into(">I", part, 1, len(part) - 1)
        parts[at] = bytes(part)
    return b"".join(parts)


def garbage(rng):
    """A start-up that is none."""
    def packet(body):
        return struct.pack(">I", len(body) + 4) + body

    version = struct.pack(">I", 196608)
    return rng.choice([
        lambda: rng.randbytes(rng.randint(0, 300)),
        lambda: b"GET / HTTP/1.1\r\nHost: sky\r\n\r\n",
        lambda: struct.pack(">I", rng.choice(EXTREMES)) + rng.randbytes(rng.randint(0, 40)),
        lambda: packet(struct.pack(">I", rng.choice([SSL, GSS, CANCEL]))) * rng.randint(1, 20) + rng.randbytes(20),
        lambda: packet(struct.pack(">III", CANCEL, rng.getrandbits(32), rng.getrandbits(32))),
        lambda: packet(struct.pack(">HH", rng.randrange(5), rng.randrange(5)) + b"user\0dreyer\0\0"),
        lambda: packet(version + b"user\0dreyer\0options\0" + rng.randbytes(rng.randint(0, 50)) + b"\0\0"),
        lambda: packet(version + b"user\0" + b"x" * rng.choice([1, 9000, 100_000]) + b"\0\0"),
        lambda: packet(version + b"user\0dreyer\0database\0" + rng.randbytes(9) + b"\0\0"),
        lambda: packet(version + b"user\0dreyer"),
        lambda: packet(version + b"".join(b"_pq_.%d\0a\0" % i for i in range(rng.randint(1, 200))) + b"user\0dreyer\0\0"),
        lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc" + rng.randbytes(100),
    ])()


class Fuzz:
    def __init__(self, port, captures, until, seed):
        self.port, self.captures, self.until, self.seed = port, captures, until, seed
        self.sent, self.waited, self.faults = 0, [], []

    def going(self):
        return time.monotonic() < self.until and not self.faults

    def throw(self, number):
        """Sends faults as fast as they are answered."""
        rng = random.Random(self.seed * 1000 + number)
        while self.going():
            data = garbage(rng) if rng.random() < 0.25 else mutated(rng, self.captures)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as line:
                line.settimeout(0.3)
                pieces = 1 if rng.random() < 0.7 else rng.randint(2, 6)
                for at in range(pieces):
                    line.sendall(data[len(data) * at // pieces : len(data) * (at + 1) // pieces])
                if rng.random() < 0.3:
                    line.shutdown(socket.SHUT_WR)
                if rng.random() < 0.8:  # the others leave without listening
                    with contextlib.suppress(OSError):
                        while line.recv(65536):
                            pass
            self.sent += 1

    def drip(self, number):
        """One byte at a time."""
        rng = random.Random(self.seed * 1000 + 500 + number)
        while self.going():
            data = garbage(rng) if rng.random() < 0.5 else mutated(rng, self.captures)
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5) as line:
                for byte in data[: rng.randint(1, 200)]:
                    if not self.going():
                        break
                    line.sendall(bytes([byte]))
                    time.sleep(rng.uniform(0.05, 0.5))
            self.sent += 1

    def probe(self, fresh):
        """An honest client, on one line or on a new one each time."""
        line = None
        while self.going():
            began = time.monotonic()
            try:
                if fresh or line is None:
                    line = psycopg.connect(host="127.0.0.1", port=self.port, user="dreyer", dbname="dreyer", autocommit=True)
                if line.execute("SELECT count(*) FROM stars").fetchone() != (500,):
                    self.faults.append("an honest client got a wrong answer")
                if fresh:
                    line.close()
            except psycopg.Error as error:
                self.faults.append(f"an honest client failed: {error}")
            took = time.monotonic() - began
            self.waited.append(took)
            if took > PATIENCE:
                self.faults.append(f"an honest client waited {took:.2f} s")
            time.sleep(0.1 if not fresh else 0.4)

    def run(self):
        work = [(self.throw, i) for i in range(FUZZERS)] + [(self.drip, i) for i in range(SLOW)]
        work += [(self.probe, False), (self.probe, True)]
        threads = [threading.Thread(target=target, args=(argument,), daemon=True) for target, argument in work]
        for thread in threads:
            thread.start()
        return threads


def resident(process):
    """Megabytes that the process holds."""
    text = pathlib.Path(f"/proc/{process.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 20))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dreyer-fuzz-") as name:
        folder = pathlib.Path(name)
        (folder / "dreyer.toml").write_text(CONFIG)
        server = servers.Dreyer(options.binary, folder, "--config", folder / "dreyer.toml")
        captures = record(server.port)
        warm = resident(server.process)
        fuzz = Fuzz(server.port, captures, time.monotonic() + options.seconds, options.seed)
        threads, memory = fuzz.run(), []
        while fuzz.going():
            time.sleep(0.5)
            if server.process.poll() is not None:
                fuzz.faults.append(f"the server ended with {server.process.returncode}")
                break
            memory.append(resident(server.process))
            if memory[-1] > warm + MEGABYTES:
                fuzz.faults.append(f"the server holds {memory[-1]:.0f} MB, when warm {warm:.0f}")
        for thread in threads:
            thread.join(10)
        if server.process.poll() is None:
            server.close()
        log = server.log.read_text(errors="replace")
    panics = [line for line in log.splitlines() if "panicked at" in line]
    faults = fuzz.faults[:5] + [f"the server panicked: {line}" for line in panics[:5]]
    for fault in faults:
        print(f"FAILED: {fault}")
    slowest = max(fuzz.waited, default=0)
    print(
        f"seed {options.seed}: {fuzz.sent} conversations from {len(captures)} captures in {options.seconds:.0f} s; "
        f"{len(fuzz.waited)} honest questions, the slowest {slowest * 1000:.0f} ms; "
        f"memory {warm:.0f} MB when warm, {max(memory, default=0):.0f} at most, {memory[-1] if memory else 0:.0f} at the end"
    )
    passed = fuzz.sent > 0 and len(fuzz.waited) > 1
    print(f"{int(passed and not faults)} passed, {max(len(faults), int(not passed))} failed")
    sys.exit(1 if faults or not passed else 0)


if __name__ == "__main__":
    main()
