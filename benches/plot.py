"""A plot of scaling, as SVG: seconds of a query against workers, beside what perfect scaling would take.

    python benches/plot.py RESULT.json FILE.svg

RESULT.json is what `benches/cluster.py --json` wrote. Both axes are logarithmic, so that perfect scaling is a straight line.
"""

import json
import math
import sys

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 560, 400, 70, 150, 30, 50
COLOURS = {"sum": "#0072b2", "scan": "#d55e00", "match": "#009e73"}
NAMES = {"sum": "sum of a column", "scan": "fifty expressions", "match": "cross-match"}


def measured(scaling):
    """Name of each query, and (workers, seconds) of it."""
    return {name: [(1, row["one_worker_s"]), (2, row["two_workers_s"])] for name, row in scaling.items()}


def ticks(low, high):
    """1, 2 and 5 times powers of ten within the range."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**power for power in powers for step in (1, 2, 5) if low <= step * 10.0**power <= high]


def svg(curves):
    seconds = [s for points in curves.values() for _, s in points] + [points[0][1] / points[-1][0] for points in curves.values()]
    low, high = min(seconds) / 1.2, max(seconds) * 1.2
    most = max(w for points in curves.values() for w, _ in points)
    span = math.log(most * 1.1 / 0.9)
    x = lambda workers: LEFT + (WIDTH - LEFT - RIGHT) * math.log(workers / 0.9) / span
    y = lambda s: TOP + (HEIGHT - TOP - BOTTOM) * (1 - math.log(s / low) / math.log(high / low))
    text = lambda at, down, words, more="": f'<text x="{at:.1f}" y="{down:.1f}" {more}>{words}</text>'
    line = lambda points, more: f'<polyline points="{" ".join(f"{x(w):.1f},{y(s):.1f}" for w, s in points)}" fill="none" {more}/>'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH - LEFT - RIGHT}" height="{HEIGHT - TOP - BOTTOM}" fill="none" stroke="#888"/>',
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, "workers of one core", 'text-anchor="middle"'),
        text(16, HEIGHT / 2, "seconds", f'text-anchor="middle" transform="rotate(-90 16 {HEIGHT / 2})"'),
    ]
    for tick in ticks(low, high):
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#eee"/>')
        parts.append(text(LEFT - 6, y(tick) + 4, f"{tick:g}", 'text-anchor="end"'))
    for workers in sorted({w for points in curves.values() for w, _ in points}):
        parts.append(text(x(workers), HEIGHT - BOTTOM + 18, workers, 'text-anchor="middle"'))
    for place, (name, points) in enumerate(curves.items()):
        colour = COLOURS.get(name, "#555")
        first = points[0][1]
        parts.append(line([(w, first / w) for w, _ in points], f'stroke="{colour}" stroke-dasharray="4 4" opacity="0.6"'))
        parts.append(line(points, f'stroke="{colour}" stroke-width="2"'))
        parts += [f'<circle cx="{x(w):.1f}" cy="{y(s):.1f}" r="4" fill="{colour}"/>' for w, s in points]
        gain = first / points[-1][1]
        down = TOP + 16 + 34 * place
        parts.append(text(WIDTH - RIGHT + 10, down, NAMES.get(name, name), f'fill="{colour}"'))
        parts.append(text(WIDTH - RIGHT + 10, down + 14, f"{gain:.2f} times as fast", f'fill="{colour}"'))
    parts.append(text(WIDTH - RIGHT + 10, HEIGHT - BOTTOM, "dashed: perfect", 'fill="#555"'))
    return "\n".join([*parts, "</svg>"]) + "\n"


def draw(result, file):
    with open(file, "w") as out:
        out.write(svg(measured(result["scaling"])))


if __name__ == "__main__":
    with open(sys.argv[1]) as given:
        draw(json.load(given), sys.argv[2])
