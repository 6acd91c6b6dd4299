"""pgbouncer between client and server, handing lines on by session and by transaction: nothing of one user may reach the next."""

import asyncio
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import asyncpg
import psycopg
from ask import DATABASE, HOST, PORT, USER, ask


@contextlib.contextmanager
def pooled(mode):
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pgbouncer-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "users").write_text(f'"{USER}" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{DATABASE} = host={HOST} port={PORT} user={USER}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = {mode}\n"
        "default_pool_size = 1\nserver_check_delay = 0\nignore_startup_parameters = extra_float_digits\n"
    )
    user = "postgres" if os.getuid() == 0 else None  # It refuses to be root.
    if user:
        for path in (folder, *folder.iterdir()):
            shutil.chown(path, user)
    process = subprocess.Popen(
        ["/usr/sbin/pgbouncer", folder / "pgbouncer.ini"], user=user, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}"
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def first(address, sql, *parameters, **more):
    with psycopg.connect(address, autocommit=True, **more) as line:
        return line.execute(sql, parameters or None).fetchall()


def left_behind(address):
    """What the next client sees of what the last one set and prepared; the line to the server is the same."""
    with psycopg.connect(address, autocommit=True) as line:
        line.execute("SET TimeZone = 'Asia/Kolkata'")
        line.execute("SET statement_timeout = '7s'")
        line.execute("SET search_path = survey")
        line.execute("SELECT 1", prepare=True)
        set_to = line.execute("SHOW TimeZone").fetchone()[0]
    with psycopg.connect(address, autocommit=True) as line:
        shown = [line.execute(f"SHOW {name}").fetchone()[0] for name in ("TimeZone", "statement_timeout", "search_path")]
        line.execute("SELECT 2", prepare=True)
        return [set_to, shown]


def shared(address):
    """Two clients by turns on one line, each with a zone of its own."""
    with psycopg.connect(address, autocommit=True) as one, psycopg.connect(address, autocommit=True) as two:
        one.execute("SET TimeZone = 'Asia/Kolkata'")
        two.execute("SET TimeZone = 'Europe/Berlin'")
        return [[line.execute("SHOW TimeZone").fetchone()[0] for line in (one, two)] for _ in range(3)]


def block(address):
    with psycopg.connect(address) as line:
        line.execute("SELECT 1")
        with contextlib.suppress(psycopg.errors.UndefinedColumn):
            line.execute("SELECT nope")
        line.rollback()
        return line.execute("SELECT count(*) FROM stars").fetchall()


async def unnamed(address):
    line = await asyncpg.connect(address, statement_cache_size=0)
    try:
        return [await line.fetchval("SELECT n FROM stars WHERE id = $1", i) for i in range(1, 9)]
    finally:
        await line.close()


for mode in ("session", "transaction"):
    with pooled(mode) as address:
        ask(f"{mode}: rows", first, address, "SELECT * FROM stars ORDER BY id LIMIT 12")
        ask(f"{mode}: parameters", first, address, "SELECT name FROM stars WHERE id = %s AND ra > %s", 7, 1.5)
        ask(f"{mode}: application_name", first, address, "SHOW application_name", application_name="mine")
        if mode == "session":
            ask(f"{mode}: what is left behind", left_behind, address)
            ask(f"{mode}: fault", first, address, "SELECT nope")
        else:
            ask(f"{mode}: by turns", shared, address)
        ask(f"{mode}: block", block, address)
        ask(f"{mode}: unnamed statements", lambda: asyncio.run(unnamed(address)))
