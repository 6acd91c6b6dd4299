"""psql at a terminal: Ctrl-C stops a statement, and the session goes on."""

import os
import pty
import select
import time

ENDLESS = "SELECT count(*) FROM hipparcos a, hipparcos b WHERE sin(a.ra * b.dec) + cos(a.dec * b.ra) > 1.9;"

pid, terminal = pty.fork()
if pid == 0:
    os.execvp("psql", ["psql", "-X", "-A", "-t", "-n", "-P", "pager=off"])

seen = ""


def until(words, seconds=20):
    global seen
    end = time.monotonic() + seconds
    while words not in seen:
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        assert ready, f"no {words!r} within {seconds} s: {seen}"
        seen += os.read(terminal, 4096).decode()
    seen = seen.split(words, 1)[1]


until("dreyer=> ")
os.write(terminal, f"{ENDLESS}\n".encode())
time.sleep(1.5)
stopped = time.monotonic()
os.write(terminal, b"\x03")
until("ERROR:  canceling statement due to user request")
assert time.monotonic() - stopped < 3, time.monotonic() - stopped
until("dreyer=> ")
os.write(terminal, b"SELECT 'still ' || 'here', pg_backend_pid() > 0;\n")
until("still here|t")
os.write(terminal, b"\\q\n")
os.waitpid(pid, 0)
print("ok")
