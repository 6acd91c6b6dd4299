"""dreyer from start to finish: the program starts, opens the catalogues, answers, ends."""

import os
import subprocess

from bench import Peer


class Program(Peer):
    sql_folder = "dreyer"

    def cpu_seconds(self):
        times = os.times()
        return times.children_user + times.children_system

    def value(self, sql):
        command = [self.bench.binary, "sql", self.bench.root, "--format", "csv", "-c", sql]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return int(done.stdout.split()[1])


PEER = Program
