"""Runs the README: what it tells a reader to type must work, and must print what it shows.

    readme.py DREYER [README.md]

`sh` blocks run line by line, `sql` blocks through `dreyer sql`, `python` blocks in this Python, all in one empty
folder. A `text` block is the output of the block before it: each of its lines must occur in it (white space aside),
but for lines with an ellipsis or a time. `dreyer serve` stays up on a free port for what follows.
"""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile

SKIPPED = ("git clone", "cd ", "tests/run", "cargo install")  # The reader is here already, and this is tests/run.
SECONDS = 300


def blocks(text):
    """(language, body, line) of each fenced block."""
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S):
        yield match[1], match[2], text[: match.start()].count("\n") + 1


def commands(body):
    """What to run of a shell block: comments gone, continued lines joined."""
    lines = body.replace("\\\n", " ").splitlines()
    lines = [re.sub(r"\s+# .*", "", line).strip() for line in lines]
    return [line for line in lines if line and not line.startswith(("#", *SKIPPED))]


class Reader:
    """Does as the README says."""

    def __init__(self, dreyer, folder):
        self.dreyer = pathlib.Path(dreyer).resolve()
        self.folder = folder
        self.server = None
        self.port = "5433"
        self.environment = os.environ | {
            "PATH": f"{self.dreyer.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
        }

    def run(self, arguments, text=None):
        done = subprocess.run(
            arguments, cwd=self.folder, env=self.environment, input=text, text=True, timeout=SECONDS,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        return done.returncode, done.stdout

    def shell(self, line):
        line = line.replace("5433", self.port).replace("cargo run -- ", "dreyer ")
        if line.startswith("dreyer serve"):
            return self.serve(line)
        return self.run(["bash", "-c", line], "")

    def serve(self, line):
        self.stop()
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {line} --pg 127.0.0.1:0"], cwd=self.folder, env=self.environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        greeting = self.server.stdout.readline()
        listening = re.search(r":(\d+)", greeting)
        self.port = listening[1] if listening else self.port
        return (0 if listening else 1), greeting

    def stop(self):
        """Asks the server to leave, and holds it to it."""
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            assert self.server.wait(60) == 0, "dreyer serve did not leave cleanly"
            self.server = None

    def block(self, language, body):
        """Runs a block; its exit code and output."""
        if language == "sql":
            return self.run([self.dreyer, "sql"], body)
        if language == "python":
            return self.run([sys.executable, "-c", body.replace("5433", self.port)])
        output = ""
        for line in commands(body):
            code, printed = self.shell(line)
            output += printed
            if code:
                return code, f"$ {line}\n{output}"
        return 0, output


def missing(shown, printed):
    """Lines shown that were not printed."""
    squeezed = [" ".join(line.split()) for line in printed.splitlines()]
    wanted = [" ".join(line.split()) for line in shown.splitlines()]
    return [line for line in wanted if line and "…" not in line and "Time" not in line and line not in squeezed]


def main(dreyer, readme="README.md"):
    passed = failed = 0
    output = ""
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(dreyer, folder)
        for language, body, line in blocks(pathlib.Path(readme).read_text(encoding="utf-8")):
            if language == "sh" and not commands(body):
                continue
            if language == "text":
                fault = "\n".join(f"not printed: {shown}" for shown in missing(body, output))
            elif language in ("sh", "sql", "python"):
                code, output = reader.block(language, body)
                fault = f"exit code {code}\n{output}" if code else ""
            else:
                continue
            passed, failed = passed + (not fault), failed + bool(fault)
            print(f"{readme}:{line} {language}: {'FAILED' if fault else 'ok'}")
            if fault:
                print(fault, "\n-- printed:\n", output)
        reader.stop()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
