"""What dreyer wants to reach, on two cores with 10 M and 5 M rows, and whether this run did."""

NAN = float("nan")
PEERS = {"clickhouse": 4, "lsdb": 8, "duckdb": 8, "q3c": 20}


def most(values):
    return max(values) if values and all(value == value for value in values) else NAN


class Figures:
    """Looks up medians; what was not measured is NaN, and so is what is made of it."""

    def __init__(self, result):
        self.sections = result["sections"]
        self.memory, self.skew = result.get("memory", []), result.get("skew", {})

    def row(self, section, label):
        tasks = self.sections.get(section, {}).get("tasks", [])
        return next((row for row in tasks if row["label"] == label), {})

    def seconds(self, section, label="dreyer"):
        return self.row(section, label).get("median", NAN)

    def times(self, section, peer):
        return self.seconds(section, peer) / self.seconds(section)

    def limit(self):
        """The faster of our own scan and pyarrow's decoding of the three columns."""
        tasks = self.sections.get("match", {}).get("tasks", [])
        found = [task for task in tasks if "index, ra, dec" in task["label"]]
        return min((task["median"] for task in found if "median" in task), default=NAN)

    def rate(self, section):
        return self.row(section, "dreyer").get("rows_per_s_per_core", NAN) / 1e6

    def slowest_kind(self, *names):
        return most([self.seconds("kinds", name) for name in names]) / self.seconds("kinds", "match")

    def worst_balance(self):
        return most([part.get("compute_max_over_mean") or NAN for part in self.skew.values()])

    def growth(self):
        """Of the memory, from a quarter of the rows to all of them."""
        return self.memory[-1]["peak_mb"] / self.memory[0]["peak_mb"] if self.memory else NAN


def goals(result):
    """Name, measured, bound, and whether more is better."""
    figures, ms = Figures(result), 1000
    nearest = ("match_nearest", "match_two_nearest", "match_left", "match_anti")
    peers = [(f"match: times as fast as {peer}", figures.times("match", peer), PEERS[peer], True) for peer in PEERS]
    sum_peers = min(figures.seconds("sum", peer) for peer in ("duckdb", "clickhouse"))
    return [
        ("match / limit", figures.seconds("match") / figures.limit(), 1.3, False),
        ("match / limit, by the index alone", figures.seconds("match") / figures.limit(), 1.0, False),
        ("match: M rows/s/core", figures.rate("match"), 10, True),
        *peers,
        ("memory: peak MB", most([size["peak_mb"] for size in figures.memory]), 600, False),
        ("memory: growth with four times the rows", figures.growth(), 1.2, False),
        ("cone of 1': ms", ms * figures.seconds("cone_1arcmin"), 2, False),
        ("cone of 1 degree: ms", ms * figures.seconds("cone_1deg"), 4, False),
        ("sum of a column / fastest peer", figures.seconds("sum") / sum_peers, 1.0, False),
        ("wide output: M rows/s/core", figures.rate("wide"), 1, True),
        ("600 candidates: ms", ms * figures.seconds("candidates"), 150, False),
        ("600 candidates: % of bytes read", result.get("candidates_percent_read", NAN), 2, False),
        ("k nearest, LEFT, anti / match", figures.slowest_kind(*nearest), 2, False),
        ("skew: most over mean", figures.worst_balance(), 1.2, False),
    ]


def show(result):
    print("\ngoals")
    missing = []
    for name, measured, bound, more in goals(result):
        if measured == measured:
            met, word = (measured >= bound, "at least") if more else (measured <= bound, "at most")
            print(f"  {'yes' if met else ' no'}  {name}: {measured:.3g} (goal: {word} {bound})")
        else:
            missing.append(name)
    if missing:
        print(f"  not measured: {', '.join(missing)}")
