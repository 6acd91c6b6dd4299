"""The two servers that are asked the same: dreyer, and a PostgreSQL 15 of its own folder and port. Both on loopback."""

import contextlib
import os
import pathlib
import pwd
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

import psycopg
import sky

# As dreyer is when it only serves: nobody writes, times are in UTC.
SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
fsync = off
autovacuum = off
jit = off
timezone = 'UTC'
shared_buffers = 64MB
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment(port):
    """What libpq and its kin need to find a server."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return kept | {
        "PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "dreyer", "PGDATABASE": "dreyer", "PGCONNECT_TIMEOUT": "10",
    }


class Dreyer:
    def __init__(self, binary, folder, *arguments):
        self.log = folder / "dreyer.log"
        root = folder / "root"
        if not root.exists():
            root.mkdir()
            sky.write_parquet(root)
        with open(self.log, "w") as log:
            self.process = subprocess.Popen(
                [binary, "serve", root, "--pg", "127.0.0.1:0", *arguments], stdout=subprocess.PIPE, stderr=log
            )
        said, until = "", time.monotonic() + 60
        while not (listening := re.search(r"listening on 127\.0\.0\.1:(\d+);", said)):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, until - time.monotonic()))
            some = os.read(self.process.stdout.fileno(), 4096).decode() if ready else ""
            if not some:
                self.process.kill()
                raise RuntimeError(f"dreyer does not start: {said}{self.log.read_text()}")
            said += some
        self.port = int(listening[1])

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Postgres:
    def __init__(self, folder):
        self.folder, self.port = str(folder / "postgres"), free_port()
        os.mkdir(self.folder)
        self.user = "postgres" if os.getuid() == 0 else None
        if self.user:  # It refuses to be root.
            os.chown(self.folder, pwd.getpwnam(self.user).pw_uid, -1)
            os.chmod(folder, 0o711)
        self.program("initdb", "-U", "dreyer", "--auth=trust", "--no-sync", "--locale=C.UTF-8", "--encoding=UTF8")
        with open(f"{self.folder}/postgresql.conf", "a") as file:
            file.write(SETTINGS)
        self.program("pg_ctl", "start", "-w", "-l", f"{self.folder}/log", "-o", f"-p {self.port}")
        address = f"host=127.0.0.1 port={self.port} user=dreyer"
        with psycopg.connect(f"{address} dbname=postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE dreyer")
        with psycopg.connect(f"{address} dbname=dreyer", autocommit=True) as connection:
            sky.load(connection)
            connection.execute("ALTER DATABASE dreyer SET default_transaction_read_only = on")

    def program(self, name, *arguments):
        path = f"/usr/lib/postgresql/15/bin/{name}"
        subprocess.run([path, "-D", self.folder, *arguments], check=True, user=self.user, stdout=subprocess.DEVNULL, cwd="/")

    def close(self):
        self.program("pg_ctl", "stop", "-w", "-m", "fast")


@contextlib.contextmanager
def both(binary, *arguments):
    """A folder, and the two servers with the same tables in it."""
    with tempfile.TemporaryDirectory(prefix="dreyer-clients-") as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        servers = {"dreyer": Dreyer(binary, folder, *arguments), "PostgreSQL": Postgres(folder)}
        for server in servers.values():
            stack.callback(server.close)
        yield folder, servers
