"""psql: what it shows of the catalogue, its formats, variables, several statements, COPY."""

import subprocess

from ask import ask

LOOKS = [
    "\\d", "\\dt", "\\dt survey.*", "\\dv", "\\di", "\\ds", "\\dm", "\\dE", "\\dn", "\\d stars", "\\d survey.detections",
    "\\d+ survey.detections", "\\d nowhere", "\\d *.stars", "\\dt *stars*", "\\dT nowhere", "\\df nowhere", "\\da nowhere",
    "\\do nowhere", "\\dC nowhere", "\\dc nowhere", "\\dO nowhere", "\\dD", "\\db", "\\dx nowhere", "\\dy", "\\dp stars",
    "\\ddp", "\\drds", "\\dRp", "\\dRs", "\\des", "\\det", "\\deu", "\\dew", "\\dF nowhere", "\\dX", "\\dP", "\\dAc nowhere",
    "\\dl", "\\dS stars", "\\dd nowhere", "\\dg", "\\du", "\\du+", "\\l", "\\encoding", "\\sf nowhere", "\\sv nowhere",
    "\\dconfig search_path", "\\dL nowhere",
]
SCRIPTS = {
    "aligned": "SELECT id, name, ra, \"Vmag\", flag, mags, note FROM stars ORDER BY id LIMIT 12;",
    "expanded": "\\x\nSELECT * FROM stars WHERE id = 4;",
    "gdesc": 'SELECT id, ra, mags, flux, seen FROM stars \\gdesc',
    "gset": "SELECT count(*) AS n FROM stars \\gset\n\\echo :n\nSELECT :'n'::int + 1 AS next;",
    "crosstab": "SELECT band, id % 3 AS part, count(*) FROM survey.detections, stars WHERE star_id = id GROUP BY 1, 2 ORDER BY 1, 2 \\crosstabview",
    "bind": "\\pset format csv\nSELECT 1 AS a, 'x' AS b;",
    "fetched in parts": "\\set FETCH_COUNT 7\nSELECT id FROM stars ORDER BY id LIMIT 20;",
    "block": "BEGIN;\nSELECT 1 AS a;\nSELECT nope;\nSELECT 2;\nROLLBACK;\nSELECT 3 AS b;",
    "savepoint": "BEGIN;\nSAVEPOINT s;\nSELECT nope;\nROLLBACK TO s;\nSELECT 2 AS a;\nRELEASE s;\nCOMMIT;",
    "prepare": "PREPARE p (bigint) AS SELECT name FROM stars WHERE id = $1;\nEXECUTE p(7);\nDEALLOCATE p;\nEXECUTE p(7);",
    "settings": "SHOW TimeZone;\nSET TimeZone = 'Asia/Kolkata';\nSELECT moment FROM stars WHERE id = 2;\nRESET ALL;\nSHOW TimeZone;",
    "cursor": "BEGIN;\nDECLARE c CURSOR FOR SELECT id FROM stars ORDER BY id;\nFETCH 2 FROM c;\nMOVE 3 IN c;\nFETCH NEXT FROM c;\nCLOSE c;\nCOMMIT;",
    "copy": "COPY (SELECT id, note FROM stars ORDER BY id LIMIT 12) TO STDOUT;\n\\copy (SELECT id, mags FROM stars ORDER BY id LIMIT 3) TO STDOUT CSV HEADER",
    "caret": "SELECT id,\n  nope\nFROM stars;",
    "comments": "-- nothing\n/* at all */;\nSELECT 1 AS a; -- behind\n;;",
    "empty": "SELECT FROM stars WHERE false;",
    "values": "VALUES (1, 'a'), (2, NULL) ORDER BY 1;",
    "table": "TABLE stars LIMIT 0;",
    "intervals": "SELECT INTERVAL '1 day 2 hours', INTERVAL '90 minutes', INTERVAL '1 month' AS c;",
    "watch the time": "SELECT now() > TIMESTAMP '2024-01-01' AS later, current_date > DATE '2024-01-01' AS today;",
}


def psql(script, *options):
    done = subprocess.run(
        ["psql", "-X", "-P", "pager=off", *options], input=script, capture_output=True, text=True, timeout=60
    )
    return (done.stdout + done.stderr).splitlines()


for command in LOOKS:
    ask(command, psql, command)
for name, script in SCRIPTS.items():
    ask(name, psql, script, "-v", "VERBOSITY=terse" if name in ("block", "savepoint", "prepare") else "VERBOSITY=default")
ask("several in one", psql, "", "-A", "-t", "-c", "SELECT 1; SELECT 2", "-c", "SELECT 3")
ask("stops at a fault", psql, "SELECT 1 AS a;\nSELECT nope;\nSELECT 2 AS b;", "-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=terse")
