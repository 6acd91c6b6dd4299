"""Every statement of a list, as four users, over a table that is seen, one that is hidden and one that does not exist.

A hidden table must be answered exactly as one that does not exist: the same code, words, hint and place."""

import json
import sys

import psycopg
from psycopg import pq

samples = json.load(open(sys.argv[1]))
VISIBLE, HIDDEN, MISSING = "hipparcos", "gaia_bright", "gaia_nights"
# Columns that only the hidden table has, and its name.
CANARIES = ["phot_g_mean_mag", "pmra_error", "gaia_bright"]


def connect(user):
    return psycopg.connect(user=user, password=f"{user}-word", autocommit=True)


def answer(pgconn, text):
    """All that comes back: tags, errors with every field, rows."""
    pgconn.send_query(text.encode())
    said = []
    while (result := pgconn.get_result()) is not None:
        if result.status in (pq.ExecStatus.COPY_OUT, pq.ExecStatus.COPY_IN):
            if result.status == pq.ExecStatus.COPY_IN:
                pgconn.put_copy_end(b"enough")
            else:
                while (data := pgconn.get_copy_data(0))[0] > 0:
                    said.append(bytes(data[1]).decode())
            continue
        rows = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
        fields = [result.error_field(field) for field in pq.DiagnosticField if field.name not in
                  ("SOURCE_FILE", "SOURCE_LINE", "SOURCE_FUNCTION")]
        said.append(repr((result.status, result.command_status, fields, rows)))
    if pgconn.transaction_status != pq.TransactionStatus.IDLE:
        pgconn.exec_(b"ROLLBACK")
    return "\n".join(said)


def run(user, table):
    with connect(user) as connection:
        # What an earlier run left: the session's own, and what lasts.
        for _ in range(2):
            answer(connection.pgconn, "DROP TABLE IF EXISTS made")
        return {text: answer(connection.pgconn, text.replace("{t}", table)) for texts in samples.values() for text in texts}


with connect("root") as admin:
    admin.execute("REVOKE pg_read_all_data FROM PUBLIC")
    admin.execute(f"GRANT SELECT ON {VISIBLE} TO eve, ada")

leaks = []
counts = {}
# The admin comes last: what they grant is granted.
for user, visible in [("ada", True), ("eve", True), ("nix", False), ("root", True)]:
    # What a statement leaves behind, the missing table's leaves too: each its own.
    seen, hidden, missing = run(user, VISIBLE), run(user, HIDDEN), run(user, MISSING)
    if user == "root":
        assert "56483" in hidden["SELECT count(*) FROM {t}"], "an admin sees it"
        continue
    assert "42P01" in hidden["SELECT count(*) FROM {t}"]
    assert ("117955" in seen["SELECT count(*) FROM {t}"]) == visible
    for text in hidden:
        counts[user] = counts.get(user, 0) + 1
        if "{t}" in text:
            one, other = hidden[text].replace(HIDDEN, "T"), missing[text].replace(MISSING, "T")
            if one != other:
                leaks.append((user, text, one, other))
            if not visible and seen[text].replace(VISIBLE, "T") != other.replace("gaia_nights", "T"):
                # Its name is shorter, so places further on in the text differ.
                if len(seen[text]) > len(other) + 40:
                    leaks.append((user, text, seen[text], other))
        # Whoever names the table hears the name again; nobody hears of its columns.
        told = CANARIES[:2] if "{t}" in text else CANARIES
        for answers, canaries in ((hidden, told), (seen, CANARIES), (missing, CANARIES)):
            for canary in canaries:
                if canary in answers[text] and canary not in text:
                    leaks.append((user, text, canary, answers[text]))

assert not leaks, "\n".join(str(leak)[:3000] for leak in leaks[:20])
print(f"ok {sum(counts.values())}")
