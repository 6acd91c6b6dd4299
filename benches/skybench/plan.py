"""What EXPLAIN ANALYZE says, as numbers."""

import re
import statistics
from datetime import datetime

UNITS = {"": 1, "B": 1, "K": 1e3, "M": 1e6, "G": 1e9, "KB": 1e3, "MB": 1e6, "GB": 1e9}
SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def bytes_read(plan, catalogue):
    """Bytes of a catalogue's files that the scans of a plan read."""
    scans = [line for line in plan.splitlines() if f"catalog={catalogue}," in line and "bytes_scanned=" in line]
    found = [re.search(r"bytes_scanned=([\d.]+) ?([KMG]?B?)", line).groups() for line in scans]
    return sum(float(number) * UNITS[unit] for number, unit in found)


def by_partition(line, metric, read):
    """The values of one metric of one operator, summed by partition."""
    sums = {}
    for partition, value in re.findall(metric + r"\{partition=(\d+)\}=([^,\]]+)", line):
        sums[partition] = sums.get(partition, 0) + read(value)
    return [sums[partition] for partition in sorted(sums, key=int)]


def count(text):
    number, unit = re.match(r"([\d.]+) ?([KMG]?)", text).groups()
    return float(number) * UNITS[unit]


def duration(text):
    parts = re.match(r"([\d.]+)(ns|µs|ms|s|m)", text)
    return float(parts[1]) * SECONDS[parts[2]] if parts else 0.0


def moment(text):
    return datetime.fromisoformat(text[:26]).timestamp()


def worst_over_mean(values):
    mean = statistics.fmean(values) if values else 0
    return round(max(values) / mean, 3) if mean else None


def balance(plan):
    """How evenly the partitions of a cross-match worked: most over mean, of computing and of time from start to end."""
    lines = [line for line in plan.splitlines() if line.strip().startswith("CrossMatch") and "{partition=" in line]
    if not lines:
        raise ValueError("the plan shows no cross-match by partition")
    compute = by_partition(lines[0], "elapsed_compute", duration)
    begun, done = (by_partition(lines[0], f"{name}_timestamp", moment) for name in ("start", "end"))
    busy = [end - start for start, end in zip(begun, done)]
    return {
        "compute_s": [round(value, 4) for value in compute],
        "compute_max_over_mean": worst_over_mean(compute),
        "span_max_over_mean": worst_over_mean(busy),
        "rows": by_partition(lines[0], "streamed_rows", count),
    }
