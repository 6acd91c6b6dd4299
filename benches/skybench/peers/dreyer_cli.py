"""dreyer from start to finish: the program starts, opens the catalogues, answers, ends."""

import subprocess

from bench import Peer


class Program(Peer):
    sql_folder = "dreyer"

    def value(self, sql):
        command = [self.bench.binary, "sql", self.bench.root, "--format", "csv", "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return int(done.stdout.split()[1])


PEER = Program
