"""Tables for the eye."""


def shown(seconds):
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds:.3f} s"


def ratio(value):
    return f"{value:.2f}" if value < 10 else f"{value:.0f}"


def table(title, rows):
    header = ("", "median", "least", "most", "x first", "cpu s", "M rows/s/core", "peak MB", "value")
    lines = [header]
    first = next((row["median"] for row in rows if "median" in row), None)
    for row in rows:
        if "error" in row:
            lines.append((row["label"], "error: " + row["error"].splitlines()[0][:100]))
            continue
        rate = row.get("rows_per_s_per_core")
        lines.append(
            (
                row["label"],
                shown(row["median"]),
                shown(min(row["seconds"])),
                shown(max(row["seconds"])),
                ratio(row["median"] / first),
                f"{row['cpu_seconds']:.2f}",
                f"{rate / 1e6:.2f}" if rate else "",
                str(row.get("peak_mb") or ""),
                f"{row['value']:.10g}" if isinstance(row["value"], float) else str(row["value"]),
            )
        )
    widths = [max(len(line[at]) for line in lines if len(line) > 2) for at in range(len(header))]
    print(f"\n{title}")
    for line in lines:
        if len(line) == 2:
            print(f"  {line[0]:<{widths[0]}}  {line[1]}")
        else:
            cells = [cell.rjust(width) for cell, width in zip(line, widths)]
            print("  " + "  ".join([line[0].ljust(widths[0]), *cells[1:]]))


def row(result, path):
    """The line for results/README.md."""
    left, right = (f"{result['rows'][name] / 1e6:g} M" for name in ("gaia", "wise"))
    tasks = result["sections"].get("match", {}).get("tasks", [])
    medians = {task["label"]: task["median"] for task in tasks if "median" in task}
    others = [(label.removeprefix("limit: "), median) for label, median in medians.items() if label != "dreyer"]
    beside = [f"{label} {shown(median)}" for label, median in others]
    said = f'pairs within 1" counted in {shown(medians["dreyer"])}; {", ".join(beside)}' if "dreyer" in medians else "…"
    return f"| {path.rsplit('/', 1)[-1]} | `skybench/run.py`, {left} and {right} rows | {said} |"
