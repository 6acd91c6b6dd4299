"""What is measured: sections of tasks, each a query of a peer. All peers of a section take turns in each round."""

from dataclasses import dataclass

MATCHERS = ("dreyer", "dreyer_cli", "clickhouse", "scipy", "lsdb", "duckdb", "q3c", "astropy")
SEARCHERS = ("dreyer", "q3c", "duckdb", "clickhouse", "lsdb")
INDEX, POSITION = "_healpix_29", ("ra", "dec")


@dataclass(frozen=True)
class Task:
    peer: str
    query: str
    arguments: tuple = ()
    label: str = ""
    work: str = ""  # what a rate counts: "inputs" or "output" rows


def each(peers, query, **more):
    return [Task(peer, query, label=peer, **more) for peer in peers]


def match():
    """All pairs within 1", counted; and what reading the three columns costs without matching."""
    limits = [
        Task("dreyer", "scan", label="limit: dreyer scans index, ra, dec", work="inputs"),
        Task("pyarrow", "decode", (INDEX, *POSITION), "limit: pyarrow decodes index, ra, dec", "inputs"),
        Task("pyarrow", "decode", (INDEX,), "limit: pyarrow decodes the index alone", "inputs"),
    ]
    return each(MATCHERS, "match", work="inputs") + limits


def kinds():
    """Other joins of the same catalogues, beside the counting match."""
    names = ("match", "match_left", "match_semi", "match_anti", "match_nearest", "match_two_nearest")
    return [Task("dreyer", name, label=name, work="inputs") for name in names]


def cones(positions, radius):
    return [Task(peer, "cones", (positions, radius), peer) for peer in SEARCHERS]


def sections(positions):
    """Name → title and tasks."""
    return {
        "match": ('all pairs within 1", counted', match()),
        "kinds": ('kinds of match within 1"', kinds()),
        "cone_1arcmin": ("cone of 1', median of the positions", cones(positions, 1 / 60)),
        "cone_1deg": ("cone of 1 degree, median of the positions", cones(positions, 1.0)),
        "sum": ("sum of one column", each(("dreyer", "duckdb", "clickhouse"), "sum")),
        "candidates": ("600 candidates against the left catalogue", each(SEARCHERS[:4], "candidates")),
        "wide": (
            "all columns of both sides of each pair, written to Parquet",
            each(("dreyer", "duckdb"), "wide", work="output"),
        ),
    }


SKEWS = ("match", "match_plane", "match_clouds")
EXTRAS = ("skew", "memory")
