"""What every peer is told: where the data lie, how many there are, how many cores may be used."""

import os
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import pyarrow.parquet as pq

RADIUS_ARCSEC = 1.0
QUERIES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "queries")


@dataclass(frozen=True)
class Timed:
    """A value with the seconds it took, where those are not just the seconds of the call."""

    seconds: float
    value: Any


@dataclass(frozen=True)
class Bench:
    binary: str
    folder: str
    inputs: dict  # table name → Parquet file as generated
    rows: dict  # table name → number of rows
    cores: int
    extra: dict = field(default_factory=dict)  # more tables, of dreyer alone
    most_neighbours: int = 1  # that any row of the right catalogue has within the radius

    @property
    def key(self):
        """Names what was made of these inputs, so that other inputs do not find it."""
        return os.path.basename(self.inputs["wise"]).removesuffix(".parquet")

    @property
    def root(self):
        """The folder of the HATS catalogues that dreyer imported."""
        return f"{self.folder}/hats-{self.key}"

    def leaves(self, table):
        """Pattern of a catalogue's Parquet files; that of the Gaia-like lies in a collection, beside its margin."""
        folder = f"{self.root}/{table}/{table}" if table == "gaia" else f"{self.root}/{table}"
        return f"{folder}/dataset/Norder=*/Dir=*/Npix=*.parquet"

    def stored(self, peer):
        """A peer's own storage."""
        return f"{self.folder}/{peer}-{self.key}"

    def columns_of_both(self):
        """SELECT list of all columns of the pair g, w."""
        names = {letter: pq.read_schema(self.inputs[table]).names for letter, table in (("g", "gaia"), ("w", "wise"))}
        return ", ".join(f"{letter}.{name} AS {letter}_{name}" for letter in names for name in names[letter])


def cpu_of(pid, children=False):
    """Seconds of computing of a process, or of its children that ended."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    first = 13 if children else 11
    return (int(fields[first]) + int(fields[first + 1])) / os.sysconf("SC_CLK_TCK")


class Peer:
    """One system, in a process of its own. Each query is a method of its name, or a file of SQL."""

    sql_folder = None

    def __init__(self, bench):
        self.bench = bench

    def prepare(self):
        """Builds the system's own storage, unless an earlier run did."""

    def open(self):
        """What happens once in a session and is not measured."""

    def close(self):
        pass

    def pids(self):
        """The processes whose memory counts."""
        return [os.getpid()]

    def cpu_seconds(self):
        """Of computing, since whenever."""
        return time.process_time()

    def version(self):
        return ""

    def value(self, sql):
        """First value of the first row."""
        raise NotImplementedError

    def sql(self, name):
        with open(f"{QUERIES}/{self.sql_folder}/{name}.sql") as file:
            return "\n".join(line for line in file.read().split("\n") if not line.startswith("--")).strip()

    def cones(self, positions, radius):
        """Median seconds of a cone, and the rows of all of them."""
        seconds, rows = [], 0
        for ra, dec in positions:
            started = time.perf_counter()
            rows += self.cone(ra, dec, radius)
            seconds.append(time.perf_counter() - started)
        return Timed(statistics.median(seconds), rows)

    def wide(self):
        """Rows of the match written to Parquet with all columns of both sides; the file is counted, then removed."""
        path = f"{self.bench.folder}/wide-{self.sql_folder}.parquet"
        started = time.perf_counter()
        self.write(path, self.bench.columns_of_both())
        seconds = time.perf_counter() - started
        rows = pq.read_metadata(path).num_rows
        os.remove(path)
        return Timed(seconds, rows)

    def run(self, name, *arguments):
        method = getattr(self, name, None)
        return method(*arguments) if method else self.value(self.sql(name))
