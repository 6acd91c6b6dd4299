"""Real clients at a running server: each is asked the same of dreyer and of a PostgreSQL 15 with the same tables.

    python tests/clients/run.py --binary PATH [--only NAME…] [--show]

A client is a program that prints lines `[question, answer]`. A question is one check: it passes if both servers give the
same answer, or if DIFFERENCES.md lists the difference. A row there that nothing needs any more is a failure too.
"""

import argparse
import concurrent.futures
import fnmatch
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.request

import grafana as plugin
import honest
import servers

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 120


def python(script):
    return lambda folder: [sys.executable, str(HERE / "python" / script)]


def java(folder):
    return ["java", "-cp", "/usr/share/java/postgresql.jar", str(HERE / "java" / "Ask.java")]


def node(folder):
    return ["node", str(HERE / "node" / "ask.js")]


def go(folder):
    return [str(built(folder))]


def grafana(folder):
    common, _, _ = plugin.queries()
    return [str(built(folder)), written(folder, "common", common)]


def written(folder, name, questions):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(question) + "\n" for question in questions))
    return str(path)


def built(folder):
    """Debian packs Go libraries as sources under one GOPATH."""
    program = folder / "ask"
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOFLAGS": "", "CGO_ENABLED": "0"}
    cache = {} if os.environ.get("HOME") else {"GOCACHE": str(folder / "cache")}
    subprocess.run(["go", "build", "-o", program, HERE / "go" / "ask.go"], check=True, env=os.environ | settings | cache)
    return program


# Client: the command that asks, made in a folder where it may build.
CLIENTS = {
    "Go": go,
    "Grafana": grafana,
    "JDBC": java,
    "STILTS": python("with_stilts.py"),
    "SQLAlchemy": python("with_sqlalchemy.py"),
    "frames": python("with_frames.py"),
    "psycopg2": python("with_psycopg2.py"),
    "psycopg": python("with_psycopg3.py"),
    "asyncpg": python("with_asyncpg.py"),
    "ODBC": python("with_odbc.py"),
    "tools": python("with_tools.py"),
    "psql": python("with_psql.py"),
    "node-postgres": node,
    "pgbouncer": python("with_pgbouncer.py"),
}


def differences():
    """The rows of DIFFERENCES.md: clients, question, as patterns."""
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", (HERE / "DIFFERENCES.md").read_text(), re.M)
    return [(client.strip(), question.strip("` ")) for client, question, _ in rows if client not in ("client", "---")]


def answers(command, port):
    """What a client says of a server."""
    environment = servers.environment(port)
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, cwd=HERE)
        said, errors, status = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as error:
        said, errors, status = (error.stdout or b"").decode(), f"not done after {SECONDS} s", 1
    got = {}
    for line in said.splitlines():
        if line.startswith("["):
            question, answer = json.loads(line)
            got[question] = answer
    return got, errors.strip() if status else ""


def ask(client, folder, both):
    """A client's answers of the two servers."""
    own = folder / re.sub(r"\W", "-", client)
    own.mkdir()
    began = time.monotonic()
    command = CLIENTS[client](own)
    got = {name: answers(command, server.port) for name, server in both.items()}
    return client, got, time.monotonic() - began


class Tally:
    """Counts, and says what differs."""

    def __init__(self, show):
        self.passed = self.failed = 0
        self.show, self.known = show, differences()
        self.used = set()

    def check(self, right, message):
        if right:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {message}")

    def compare(self, client, got):
        (ours, fault), (theirs, their_fault) = got["dreyer"], got["PostgreSQL"]
        self.check(not fault, f"{client}: ended with an error\n{fault[-2000:]}")
        self.check(not their_fault, f"{client} with PostgreSQL: ended with an error\n{their_fault[-2000:]}")
        self.check(theirs, f"{client}: asked nothing")
        for question in dict.fromkeys([*theirs, *ours]):
            right = question in ours and question in theirs and same(ours[question], theirs[question])
            row = None if right else self.row(client, question)
            self.used.add(row)
            shown = f"{client}: {question}\n  dreyer      {brief(ours, question)}\n  PostgreSQL  {brief(theirs, question)}"
            if row and self.show:
                print(f"listed: {shown}")
            self.check(right or row, shown)

    def row(self, client, question):
        rows = (row for row in self.known if fnmatch.fnmatch(client, row[0]) and fnmatch.fnmatchcase(question, row[1]))
        return next(rows, None)


def operations(tally, folder, dreyer, watched):
    """Panels that only dreyer can fill: their queries give rows of known types, and Prometheus's figures exist."""
    _, own, figures = plugin.queries()
    got, fault = answers([str(folder / "Grafana" / "ask"), written(folder, "own", own)], dreyer.port)
    tally.check(not fault and len(got) == 2 * len(own), f"Grafana: {len(got)} answers to {len(own)} questions: {fault}")
    for question, answer in got.items():
        tally.check(isinstance(answer, list), f"Grafana: {question}: {answer}")
    with urllib.request.urlopen(f"http://127.0.0.1:{watched}/metrics", timeout=10) as page:
        names = set(re.findall(r"^# TYPE (\w+)", page.read().decode(), re.M))
    for question, expression in figures:
        wanted = set(re.findall(r"\b(?:dreyer|process)_\w+", expression))
        tally.check(wanted and wanted <= names, f"Grafana: {question}: {wanted - names} is not among the figures")
    code = [sys.executable, HERE.parent.parent / "docker" / "grafana" / "dashboards.py", "--check"]
    tally.check(subprocess.run(code).returncode == 0, "the dashboards are not as dashboards.py has them")


def same(a, b):
    """Floating sums may differ in their last digits: they depend on the order of the rows."""
    if isinstance(a, float) and isinstance(b, float):
        return a == b or abs(a - b) <= 1e-12 * max(abs(a), abs(b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


def brief(answers, question):
    if question not in answers:
        return "(no answer)"
    text = json.dumps(answers[question], ensure_ascii=False)
    return text if len(text) < 900 else f"{text[:600]} … {text[-280:]}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True)
    parser.add_argument("--only", nargs="*", default=list(CLIENTS))
    parser.add_argument("--show", action="store_true", help="also show the differences that are listed")
    options = parser.parse_args()
    tally = Tally(options.show)
    watched = servers.free_port()
    with servers.both(options.binary, "--http", f"127.0.0.1:{watched}") as (folder, both):
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for client, got, seconds in pool.map(lambda client: ask(client, folder, both), options.only):
                before = tally.passed, tally.failed
                tally.compare(client, got)
                print(f"{client}: {tally.passed - before[0]} passed, {tally.failed - before[1]} failed, {seconds:.0f} s", flush=True)
        if "Grafana" in options.only:
            operations(tally, folder, both["dreyer"], watched)
        if set(options.only) == set(CLIENTS):
            honest.check(tally, both["dreyer"].port)
        log = both["dreyer"].log.read_text()
        tally.check("panicked" not in log, f"the server panicked\n{log[-2000:]}")
    if set(options.only) == set(CLIENTS):
        for row in tally.known:
            tally.check(row in tally.used, f"{row} of DIFFERENCES.md is no difference any more: take it out")
    print(f"{tally.passed} passed, {tally.failed} failed")
    sys.exit(1 if tally.failed else 0)


if __name__ == "__main__":
    main()
