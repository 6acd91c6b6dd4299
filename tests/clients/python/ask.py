"""Questions to a server, and answers in a form that can be compared: each is a line of JSON, `[question, answer]`."""

import datetime as dt
import decimal
import json
import math
import os
import re

HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])
USER, DATABASE = os.environ["PGUSER"], os.environ["PGDATABASE"]
URL = f"{USER}@{HOST}:{PORT}/{DATABASE}"

# Minutes of work on either server.
ENDLESS = (
    "SELECT count(*) FROM stars a, stars b, stars c, stars d "
    "WHERE sin(a.ra * b.dec) + cos(c.ra * d.dec) + sin(a.dec * d.ra) > 2.9"
)

# Faults of daily life; the answer is the SQLSTATE.
FAULTS = {
    "a table that is not there": "SELECT 1 FROM nowhere",
    "a schema that is not there": "SELECT 1 FROM nowhere.stars",
    "a column that is not there": "SELECT nope FROM stars",
    "a column of no table": "SELECT x.id FROM stars",
    "a function that is not there": "SELECT nope(1)",
    "a type that is not there": "SELECT 1::nope",
    "a syntax error": "SELEC 1",
    "an end too early": "SELECT (1",
    "division by zero": "SELECT 1 / (id - id) FROM stars",
    "text that is no number": "SELECT 'seven'::int",
    "text that is no time": "SELECT 'never'::timestamp",
    "a number too large": "SELECT 99999999999::int",
    "an ambiguous column": "SELECT id FROM stars a JOIN stars b ON a.id = b.id",
    "a column outside GROUP BY": "SELECT name, count(*) FROM stars",
    "an aggregate in WHERE": "SELECT 1 FROM stars WHERE count(*) > 1",
    "writing": "CREATE TABLE made (a int)",
    "a negative LIMIT": "SELECT 1 LIMIT -1",
    "an alias used twice": "SELECT 1 FROM stars a, stars a",
    "a union of unequal width": "SELECT 1 UNION SELECT 1, 2",
    "a subquery of two rows": "SELECT (SELECT id FROM stars)",
    "an unknown setting": "SHOW nonsense",
}


def plain(value):
    """A value as JSON, with its type where JSON has none."""
    if isinstance(value, bool) or value is None or isinstance(value, (int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, decimal.Decimal):
        return f"numeric {value}"
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return f"{type(value).__name__} {value.isoformat()}"
    if isinstance(value, dt.timedelta):
        return f"interval {value.total_seconds()}"
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"bytes {bytes(value).hex()}"
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    return f"{type(value).__name__} {value}"


def state_of(error):
    """The SQLSTATE of a driver's error, wherever it keeps that; else what it says."""
    while error is not None:
        for name in ("sqlstate", "pgcode"):
            if state := getattr(error, name, None):
                return f"SQLSTATE {state}"
        if re.fullmatch("[0-9A-Z]{5}", str(error.args[0] if error.args else "")):
            return f"SQLSTATE {error.args[0]}"  # pyodbc
        inner = getattr(error, "orig", None) or error.__cause__
        if inner is None:
            return f"{type(error).__name__} {error}"
        error = inner


def ask(question, work, *args, **more):
    """Prints the answer that `work` gives, or the error it meets."""
    try:
        answer = plain(work(*args, **more))
    except Exception as error:  # each driver has its own
        answer = state_of(error)
    print(json.dumps([question, answer]), flush=True)
