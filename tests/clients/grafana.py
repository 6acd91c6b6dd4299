"""What Grafana would send: the queries of the dashboards with their macros and variables filled in, and those that its
data source makes by itself (detection, health, the query builder).
"""

import json
import pathlib
import re

DASHBOARDS = pathlib.Path(__file__).resolve().parent.parent.parent / "docker" / "grafana" / "dashboards"
FROM, TO = "2024-01-01T00:00:00Z", "2024-01-10T12:30:00.123456789Z"
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
IN_SEARCH_PATH = """quote_ident(table_schema) IN (
          SELECT CASE WHEN trim(s[i]) = '"$user"' THEN user ELSE trim(s[i]) END
          FROM generate_series(
              array_lower(string_to_array(current_setting('search_path'),','),1),
              array_upper(string_to_array(current_setting('search_path'),','),1)
            ) as i, string_to_array(current_setting('search_path'),',') s
          )"""
# Questions of the data source itself.
OWN = {
    "version": "SELECT current_setting('server_version_num')::int/100 as version",
    "timescale": "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'",
    "ping": ";",
    "schemas": "SELECT quote_ident(schema_name) AS name FROM information_schema.schemata "
    "WHERE schema_name NOT LIKE 'pg_%' AND schema_name <> 'information_schema' ORDER BY 1",
    "tables": "select quote_ident(table_name) as \"table\" from information_schema.tables "
    "where quote_ident(table_schema) not in ('information_schema', 'pg_catalog', '_timescaledb_cache') "
    f"and {IN_SEARCH_PATH} order by 1",
    "tables with schemas": "SELECT CASE WHEN " + IN_SEARCH_PATH + " THEN quote_ident(table_name) "
    "ELSE quote_ident(table_schema) || '.' || quote_ident(table_name) END AS \"table\" FROM information_schema.tables "
    "WHERE quote_ident(table_schema) NOT IN ('information_schema', 'pg_catalog') ORDER BY 1",
    "columns": "select quote_ident(column_name) as \"column\", data_type as \"type\" from information_schema.columns "
    "where quote_ident(table_schema) || '.' || quote_ident(table_name) = 'survey.detections' order by ordinal_position",
    "columns of a name in two parts": "select quote_ident(column_name) as \"column\", data_type as \"type\" "
    "from information_schema.columns where quote_ident(table_schema) = (parse_ident('survey.detections'))[1] "
    "and quote_ident(table_name) = (parse_ident('survey.detections'))[2] order by ordinal_position",
    "builder: time and value": 'SELECT "time", "mag" FROM survey.detections WHERE mag > 17.5 ORDER BY "time" ASC LIMIT 50',
    "builder: aggregate": 'SELECT AVG("mag"), "band" FROM survey.detections GROUP BY "band" ORDER BY "band" LIMIT 50',
    "annotation": "SELECT extract(epoch from seen) AS time, name AS text, note AS tags FROM stars "
    "WHERE extract(epoch from seen) >= 1704067200 AND extract(epoch from seen) <= 1704667200 ORDER BY 1",
    "unix epochs": "SELECT floor((mjd)/5)*5 AS \"time\", count(*) AS n FROM survey.detections "
    "WHERE mjd >= 60310 AND mjd <= 60320 GROUP BY 1 ORDER BY 1",
    "grouped by the whole expression": "SELECT floor(extract(epoch from \"time\")/3600)*3600 AS \"time\", count(*) AS n "
    "FROM survey.detections GROUP BY floor(extract(epoch from \"time\")/3600)*3600 ORDER BY 1 LIMIT 20",
    "no rows": f"SELECT time AS \"time\", mag FROM survey.detections WHERE time BETWEEN '2019-01-01T00:00:00Z' AND '2019-01-02T00:00:00Z'",
}


def seconds(interval):
    number, unit = re.fullmatch(r"'?(\d+)([smhd])'?", interval.strip()).groups()
    return int(number) * SECONDS[unit]


def group(argument):
    column, interval = argument.rsplit(",", 1)
    return f"floor(extract(epoch from {column.strip()})/{seconds(interval)})*{seconds(interval)}"


MACROS = {
    "timeFilter": lambda column: f"{column} BETWEEN '{FROM}' AND '{TO}'",
    "timeGroupAlias": lambda argument: f'{group(argument)} AS "time"',
    "timeGroup": group,
    "timeFrom": lambda _: f"'{FROM}'",
    "timeTo": lambda _: f"'{TO}'",
    "time": lambda column: f'{column} AS "time"',
    "timeEpoch": lambda column: f'extract(epoch from {column}) as "time"',
}


def expanded(sql, variables):
    """The query as it is sent."""
    sql = sql.replace("$__interval", "6h")
    for name in sorted(variables, key=len, reverse=True):
        sql = re.sub(rf"\$(\{{{name}\}}|{name}\b)", lambda _: variables[name], sql)
    sql = re.sub(r"\$__(\w+)\(([^()]*)\)", lambda found: MACROS[found[1]](found[2]), sql)
    if "$__" in sql or re.search(r"\$[a-z]", sql.replace('"$user"', "")):
        raise ValueError(f"something is left to fill in: {sql}")
    return sql


def values(dashboard):
    chosen = {"star": "7", "bands": "'g','r'"}
    for variable in dashboard["templating"]["list"]:
        chosen.setdefault(variable["name"], variable["query"])
    return chosen


def queries():
    """Questions that any PostgreSQL can be asked, those for dreyer alone, and Prometheus's."""
    common, own, figures = [[f"data source: {name}", sql] for name, sql in OWN.items()], [], []
    for path in sorted(DASHBOARDS.glob("*.json")):
        dashboard = json.loads(path.read_text())
        variables = values(dashboard)
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                common.append([f"{path.stem}: variable {variable['name']}", expanded(variable["query"], variables)])
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                name = f"{path.stem}: {panel['title']}"
                if "expr" in target:
                    figures.append([name, target["expr"]])
                else:
                    sql = expanded(target["rawSql"], variables)
                    alone = path.stem == "operations" or "ivo_healpix_index" in sql
                    (own if alone else common).append([name, sql])
    return common, own, figures
