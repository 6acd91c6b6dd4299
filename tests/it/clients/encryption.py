"""TLS and channel binding as psycopg 3 does them, against a server that requires TLS."""

import psycopg

ada = {"user": "ada", "password": "ada-word"}

with psycopg.connect(sslmode="require", channel_binding="require", **ada) as connection:
    assert connection.pgconn.ssl_in_use
    assert connection.execute("SELECT count(*) FROM hipparcos").fetchone() == (117955,)
    # A cancel comes on a line of its own, in clear text from this libpq or encrypted.
    connection.cancel_safe(timeout=10)
    assert connection.execute("SELECT 1").fetchone() == (1,)

try:
    psycopg.connect(sslmode="disable", **ada)
except psycopg.OperationalError as error:
    assert "without encryption" in str(error), error
else:
    raise AssertionError("came in without encryption")

print("ok")
