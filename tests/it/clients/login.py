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

print("ok")
