"""One section: every task once, unmeasured, then all of them in turn, round after round."""

import statistics
from dataclasses import dataclass, field
from typing import Any

TOLERANCE = 3e-6  # of counts and sums: a pair at the very radius may round to either side


@dataclass
class Run:
    task: Any
    seconds: list = field(default_factory=list)
    cpu: list = field(default_factory=list)
    value: Any = None
    error: str = ""


def measure(tasks, workers, rounds):
    runs = [Run(task) for task in tasks if task.peer in workers]
    for peer in {task.peer for task in tasks} & set(workers):
        workers[peer].forget_peak()
    for turn in range(rounds + 1):
        for run in (run for run in runs if not run.error):
            outcome = workers[run.task.peer].run(run.task.query, *run.task.arguments)
            run.error, run.value = outcome.error, outcome.value
            if turn:
                run.seconds.append(outcome.seconds)
                run.cpu.append(outcome.cpu)
    return runs


def rows(runs, workers, bench):
    """The runs as they go into the JSON."""
    peaks = {run.task.peer: workers[run.task.peer].peak_mb() for run in runs}
    found = []
    for run in runs:
        row = {"label": run.task.label, "peer": run.task.peer, "query": run.task.query, "value": run.value}
        if run.error:
            row["error"] = run.error
        else:
            row["seconds"] = [round(seconds, 6) for seconds in run.seconds]
            row["median"] = statistics.median(run.seconds)
            row["cpu_seconds"] = statistics.median(run.cpu)
            row["peak_mb"] = peaks[run.task.peer]
            counted = {"inputs": bench.rows["gaia"] + bench.rows["wise"], "output": run.value}.get(run.task.work)
            if counted:
                row["rows_per_s_per_core"] = round(counted / row["median"] / bench.cores)
        found.append(row)
    return found


def disagreements(name, rows, truth):
    """Tasks of a section whose answer is not the truth, or where none is known, not the first one's; in words."""
    found, first = [], {}
    for row in (row for row in rows if "error" not in row and row["value"] is not None):
        expected = truth.get(row["query"], first.setdefault(row["query"], row["value"]))
        apart = row["value"] - expected
        if apart:
            share = abs(apart) / max(abs(expected), 1)
            print(f"  {name}: {row['label']} gave {row['value']}, not {expected}: {share * 1e6:.2f} ppm apart")
            if share > TOLERANCE:
                found.append(f"{name}: {row['label']} gave {row['value']}, not {expected}")
    return found
