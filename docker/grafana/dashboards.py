"""The dashboards, as rows of tables; this writes them as the JSON that Grafana reads.

    python docker/grafana/dashboards.py [--check]

A panel is a title, its kind, its width of 24, and a query. `tests/clients` runs every query of the JSON, macros and
variables filled in.
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "dashboards"
SQL = {"type": "grafana-postgresql-datasource", "uid": "dreyer"}
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}

# Variables: what a survey calls its table and columns. Written once, meant everywhere.
DETECTIONS = [
    ("detections", "Table of detections", "survey.detections"),
    ("time", "Its time of exposure", "time"),
    ("mag", "Its magnitude", "mag"),
    ("band", "Its band", "band"),
    ("ra", "Its right ascension", "ra"),
    ("dec", "Its declination", "dec"),
    ("id", "Its column of stars", "star_id"),
]
BANDS = "SELECT DISTINCT $band FROM $detections ORDER BY 1"
STARS = "SELECT DISTINCT $id FROM $detections ORDER BY 1 LIMIT 500"

SURVEY = [
    ("Detections", "stat", 6, "SELECT count(*) AS detections FROM $detections WHERE $__timeFilter($time)"),
    ("Nights", "stat", 6, "SELECT count(DISTINCT date_trunc('day', $time)) AS nights FROM $detections WHERE $__timeFilter($time)"),
    ("Stars", "stat", 6, "SELECT count(DISTINCT $id) AS stars FROM $detections WHERE $__timeFilter($time)"),
    ("Faintest", "stat", 6, "SELECT max($mag) AS faintest FROM $detections WHERE $__timeFilter($time)"),
    ("Detections per night", "timeseries", 12, """
SELECT $__timeGroupAlias($time, '1d'), $band AS metric, count(*) AS detections
FROM $detections
WHERE $__timeFilter($time)
GROUP BY 1, 2
ORDER BY 1, 2"""),
    ("Magnitudes", "barchart", 12, """
SELECT floor($mag / 0.25) * 0.25 AS magnitude, count(*) AS detections
FROM $detections
WHERE $__timeFilter($time) AND $mag IS NOT NULL
GROUP BY 1
ORDER BY 1"""),
    ("Sky density", "table", 12, """
SELECT ivo_healpix_index(4, $ra, $dec) AS cell, avg($ra) AS ra, avg($dec) AS dec, count(*) AS detections
FROM $detections
WHERE $__timeFilter($time)
GROUP BY 1
ORDER BY detections DESC
LIMIT 3072"""),
    ("Cadence: days from one exposure of a star to its next", "barchart", 12, """
SELECT floor(4 * log10(days)) / 4 AS log_days, count(*) AS pairs
FROM (
    SELECT (extract(epoch FROM $time) - lag(extract(epoch FROM $time)) OVER (PARTITION BY $id ORDER BY $time)) / 86400 AS days
    FROM $detections
    WHERE $__timeFilter($time)
) AS gaps
WHERE days > 0
GROUP BY 1
ORDER BY 1"""),
]

LIGHT_CURVE = [
    ("Light curve of $star", "timeseries", 24, """
SELECT $time AS "time", $band AS metric, $mag AS magnitude
FROM $detections
WHERE $__timeFilter($time) AND $id = $star AND $band IN ($bands)
ORDER BY 1, 2"""),
    ("Binned by $__interval", "timeseries", 24, """
SELECT $__timeGroup($time, $__interval) AS "time", $band AS metric, avg($mag) AS magnitude
FROM $detections
WHERE $__timeFilter($time) AND $id = $star AND $band IN ($bands)
GROUP BY 1, 2
ORDER BY 1, 2"""),
    ("By band", "table", 12, """
SELECT $band AS band, count(*) AS detections, min($mag) AS brightest, avg($mag) AS mean, max($mag) AS faintest,
       stddev($mag) AS scatter
FROM $detections
WHERE $__timeFilter($time) AND $id = $star AND $band IN ($bands)
GROUP BY 1
ORDER BY 1"""),
    ("Latest", "table", 12, """
SELECT $time AS "time", $band AS band, $mag AS magnitude
FROM $detections
WHERE $id = $star
ORDER BY 1 DESC
LIMIT 20"""),
]

OPERATIONS = [
    ("Queries running", "stat", 6, "dreyer_queries_running"),
    ("Bytes they are to read", "stat", 6, "dreyer_pending_scan_bytes"),
    ("Memory reserved", "stat", 6, "dreyer_memory_reserved_bytes"),
    ("Workers", "stat", 6, 'dreyer_workers{state="ready"}'),
    ("Queries ended", "timeseries", 12, "sum by (outcome) (rate(dreyer_queries_total[$__rate_interval]))"),
    ("Memory of the processes", "timeseries", 12, "process_resident_memory_bytes"),
    ("Bytes from stores", "timeseries", 12, "sum by (store) (rate(dreyer_storage_bytes_total[$__rate_interval]))"),
    ("Requests to stores", "timeseries", 12, "sum by (store) (rate(dreyer_storage_requests_total[$__rate_interval]))"),
    ("Tasks of workers", "timeseries", 12, "dreyer_worker_tasks_running"),
    ("Sessions", "table", 12, """
SELECT pid, usename, application_name, client_addr, state, query_start, query
FROM pg_stat_activity
ORDER BY query_start DESC NULLS LAST"""),
    ("Queries now", "table", 12, "SELECT id, user_name, since, scan_bytes, workers, rows FROM dreyer.queries ORDER BY since"),
    ("Workers now", "table", 12, "SELECT url, state, seconds, reason FROM dreyer.workers ORDER BY url"),
    ("Stores", "table", 24, "SELECT * FROM pg_stat_storage ORDER BY store"),
    ("Tables", "table", 24, """
SELECT table_schema, table_name, pg_size_pretty(pg_total_relation_size(c.oid)) AS size, c.reltuples AS rows
FROM information_schema.tables t
JOIN pg_namespace n ON n.nspname = t.table_schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.table_name
WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
ORDER BY 1, 2"""),
]


def constant(name, label, value):
    return {"name": name, "label": label, "type": "textbox", "query": value, "current": {"text": value, "value": value}}


def asked(name, label, query, multi=False):
    more = {"multi": True, "includeAll": True} if multi else {}
    return {"name": name, "label": label, "type": "query", "datasource": SQL, "query": query, "refresh": 2, "sort": 0} | more


def panel(at, place, title, kind, width, query):
    prometheus = "dreyer_" in query and "SELECT" not in query or query.startswith("process_")
    source = PROMETHEUS if prometheus else SQL
    query = query.strip()
    target = {"expr": query} if prometheus else {"rawSql": query, "rawQuery": True, "editorMode": "code"}
    target |= {} if prometheus else {"format": "time_series" if kind == "timeseries" else "table"}
    axis = {"fieldConfig": {"defaults": {"custom": {"drawStyle": "points"}}}} if "ight curve" in title else {}
    return {
        "id": at, "title": title, "type": kind, "datasource": source, "gridPos": place | {"w": width},
        "targets": [{"refId": "A", "datasource": source} | target],
    } | axis


def dashboard(uid, title, panels, variables, since):
    made, x, y = [], 0, 0
    for at, (name, kind, width, query) in enumerate(panels, 1):
        height = 4 if kind == "stat" else 9
        if x + width > 24:
            x, y = 0, y + made[-1]["gridPos"]["h"]
        made.append(panel(at, {"x": x, "y": y, "h": height}, name, kind, width, query))
        x += width
    return {
        "uid": uid, "title": title, "tags": ["dreyer"], "schemaVersion": 39, "timezone": "utc", "editable": False,
        "time": {"from": since, "to": "now"}, "templating": {"list": variables}, "panels": made,
    }


def dashboards():
    named = [constant(*row) for row in DETECTIONS]
    chosen = [asked("star", "Star", STARS), asked("bands", "Bands", BANDS, multi=True)]
    return {
        "survey": dashboard("dreyer-survey", "Survey", SURVEY, named, "now-1y"),
        "light-curve": dashboard("dreyer-light-curve", "Light curve", LIGHT_CURVE, named + chosen, "now-1y"),
        "operations": dashboard("dreyer-operations", "Operations", OPERATIONS, [], "now-1h"),
    }


def main():
    stale = []
    for name, content in dashboards().items():
        path, text = FOLDER / f"{name}.json", json.dumps(content, indent=2) + "\n"
        if "--check" in sys.argv:
            stale += [path.name] if not path.exists() or path.read_text() != text else []
        else:
            path.write_text(text)
    if stale:
        sys.exit(f"not as dashboards.py has them: {', '.join(stale)}")


if __name__ == "__main__":
    main()
