"""pg_proc and pg_operator list what runs: every form with types of its own can be called, with NULLs."""

import psycopg

FUNCTIONS = "SELECT proname, prokind, ARRAY(SELECT format_type(t, -1) FROM unnest(proargtypes) t) FROM pg_proc"
OPERATORS = "SELECT oprname, oprleft::regtype::text, oprright::regtype::text, oprresult FROM pg_operator"
# A point is shown as an array of numbers, of which any would do for the type, and two for a point.
POINTS = "cannot take a list of DOUBLE"


def check(tally, port):
    with psycopg.connect(host="127.0.0.1", port=port, user="dreyer", dbname="dreyer", autocommit=True) as line:
        functions = line.execute(FUNCTIONS).fetchall()
        tally.check(len(functions) > 400, f"pg_proc has {len(functions)} rows")
        for name, kind, types in functions:
            if not {'"any"', "anyelement", "anyarray"}.intersection(types):
                called = f'"{name}"({", ".join(f"NULL::{t}" for t in types)})'
                over = " OVER ()" if kind in ("w", b"w") else ""
                known(tally, line, f"SELECT {called}{over}", None)
        operators = line.execute(OPERATORS).fetchall()
        tally.check(len(operators) > 100, f"pg_operator has {len(operators)} rows")
        for name, left, right, result in operators:
            known(tally, line, f"SELECT NULL::{left} {name} NULL::{right}", result)


def known(tally, line, sql, result):
    """There is such a function or operator; what it says to NULLs is its own affair."""
    try:
        kind = line.execute(sql).description[0].type_code
        tally.check(result in (None, kind), f"{sql}: of type {kind}, not {result}")
    except psycopg.Error as error:
        missing = error.sqlstate in ("42883", "42704") and POINTS not in str(error)
        tally.check(not missing, f"{sql}: {error}")
