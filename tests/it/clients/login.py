"""Log-in as psycopg 3 does it."""

import psycopg

with psycopg.connect(user="ada", password="ada-word") as connection:
    assert connection.execute("SELECT current_user, session_user").fetchone() == ("ada", "ada")
    assert connection.execute("SELECT 1").fetchone() == (1,)

for user, password in [("ada", "wrong"), ("eve", "ada-word"), ("ada", "")]:
    try:
        psycopg.connect(user=user, password=password)
    except psycopg.OperationalError as error:
        expected = f'password authentication failed for user "{user}"' if password else "no password supplied"
        assert expected in str(error), error
    else:
        raise AssertionError(f"{user} came in")

# The same words as for a wrong password: what exists is told only to those who have logged in.
try:
    psycopg.connect(user="ada", password="wrong", dbname="nowhere")
except psycopg.OperationalError as error:
    assert "password authentication failed" in str(error), error
try:
    psycopg.connect(user="ada", password="ada-word", dbname="nowhere")
except psycopg.OperationalError as error:
    assert 'database "nowhere" does not exist' in str(error), error

# Everybody may change their own password, as the verifier that libpq makes of it or as it is; nobody else's.
with psycopg.connect(user="ada", password="ada-word", autocommit=True) as connection:
    libpq = connection.pgconn
    libpq_made = libpq.encrypt_password(b"second-word", b"ada", b"scram-sha-256").decode()
    assert libpq_made.startswith("SCRAM-SHA-256$4096:")
    assert connection.execute(f"ALTER USER ada PASSWORD '{libpq_made}'").statusmessage == "ALTER ROLE"
    with psycopg.connect(user="ada", password="second-word", autocommit=True) as second:
        second.execute("ALTER ROLE ada WITH PASSWORD 'third-word'")
        for statement in ["ALTER ROLE root PASSWORD 'mine'", "ALTER ROLE ada PASSWORD NULL"]:
            try:
                second.execute(statement)
            except psycopg.errors.InsufficientPrivilege:
                pass
            else:
                raise AssertionError(statement)
        for statement in ["ALTER ROLE ada SUPERUSER", "ALTER ROLE ada RENAME TO eve"]:
            try:
                second.execute(statement)
            except psycopg.errors.FeatureNotSupported:
                pass
            else:
                raise AssertionError(statement)
        roles = second.execute("SELECT rolname, rolcanlogin, oid = 10 FROM pg_roles ORDER BY 1").fetchall()
        assert ("ada", True, True) in roles and ("root", True, False) in roles, roles
        owner = second.execute("SELECT pg_get_userbyid(oid), oid::regrole::text FROM pg_roles WHERE rolname = 'root'")
        assert owner.fetchone() == ("root", "root")
for password, comes_in in [("ada-word", False), ("second-word", False), ("third-word", True)]:
    try:
        psycopg.connect(user="ada", password=password).close()
    except psycopg.OperationalError as error:
        assert not comes_in, error
    else:
        assert comes_in, password

print("ok")
