"""Roles and grants: who sees what, in every list and by every name; and that a right that is taken away is gone at once."""

import psycopg
from psycopg import errors


def connect(user):
    return psycopg.connect(user=user, password=f"{user}-word", autocommit=True)


def raises(error, work, *words, without=()):
    try:
        work()
    except error as met:
        text = f"{met} {met.diag.message_detail} {met.diag.message_hint}"
        assert all(word in text for word in words), text
        assert not any(word in text for word in without), text
        return
    raise AssertionError(f"no {error.__name__}")


root, ada, eve = connect("root"), connect("ada"), connect("eve")
told = []
root.add_notice_handler(lambda diag: told.append(diag.message_primary))


def say(who, sql):
    return lambda: who.execute(sql).fetchall()


def tables(who):
    return [name for (name,) in who.execute(
        "SELECT nspname || '.' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE nspname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1")]


# At first everybody who is let in reads everything.
everything = ["public.gaia_bright", "public.hipparcos"]
assert tables(eve) == tables(root) == everything, tables(eve)

# Nobody but an admin grants.
for sql in ["GRANT SELECT ON hipparcos TO eve", "REVOKE pg_read_all_data FROM PUBLIC", "CREATE ROLE x", "DROP ROLE ada",
            "GRANT root TO eve"]:
    raises(errors.InsufficientPrivilege, lambda: eve.execute(sql), "permission denied to change roles and grants")

# What can be wrong with a grant is said.
for error, sql in [
    (errors.UndefinedObject, "GRANT SELECT ON hipparcos TO nobody_here"),
    (errors.UndefinedTable, "GRANT SELECT ON nothing_here TO eve"),
    (errors.InvalidSchemaName, "GRANT SELECT ON ALL TABLES IN SCHEMA nowhere TO eve"),
    (errors.FeatureNotSupported, "GRANT INSERT ON hipparcos TO eve"),
    (errors.FeatureNotSupported, "GRANT ALL ON hipparcos TO eve"),
    (errors.FeatureNotSupported, "GRANT SELECT (ra) ON hipparcos TO eve"),
    (errors.FeatureNotSupported, "GRANT SELECT ON hipparcos TO eve WITH GRANT OPTION"),
    (errors.FeatureNotSupported, "CREATE ROLE x LOGIN PASSWORD 'y'"),
]:
    raises(error, lambda: root.execute(sql))

assert root.execute("REVOKE pg_read_all_data FROM PUBLIC").statusmessage == "REVOKE"
assert root.execute("CREATE ROLE team").statusmessage == "CREATE ROLE"
assert root.execute("GRANT SELECT ON gaia_bright TO team").statusmessage == "GRANT"
root.execute("GRANT team TO ada")
assert tables(root) == everything
assert tables(ada) == ["public.gaia_bright"], tables(ada)
assert tables(eve) == []

# What is not seen is not there: in no list, by no name, in no hint.
missing = ("SELECT * FROM {}", "SELECT count(*) FROM public.{}", "EXPLAIN SELECT 1 FROM {}",
           "SELECT (SELECT max(ra) FROM {})", "SELECT 1 WHERE EXISTS (SELECT 1 FROM {})", "SELECT '{}'::regclass",
           "WITH a AS (SELECT * FROM {}) SELECT * FROM a",
           "SELECT has_table_privilege('{}', 'SELECT')", "PREPARE p AS SELECT * FROM {}")
for sql in missing:
    raises(errors.Error, say(eve, sql.format("hipparcos")), "does not exist", without=["hip,", "denied", "Did you mean"])
raises(errors.UndefinedTable, say(eve, "SELECT * FROM hipparcoss"), without=["hipparcos\"?"])
assert eve.execute("SELECT to_regclass('hipparcos')").fetchone() == (None,)
for sql in ["SELECT * FROM information_schema.tables WHERE table_schema = 'public'",
            "SELECT * FROM information_schema.columns WHERE table_schema = 'public'",
            "SELECT * FROM pg_tables WHERE schemaname = 'public'", "SHOW TABLES",
            "SELECT * FROM pg_attribute WHERE attname = 'hpmag'"]:
    rows = eve.execute(sql).fetchall()
    assert not any("hipparcos" in str(row) or "gaia" in str(row) or "hpmag" in str(row) for row in rows), (sql, rows)
assert ada.execute("SELECT has_table_privilege('gaia_bright', 'SELECT')").fetchone() == (True,)
assert root.execute("SELECT has_table_privilege('eve', 'gaia_bright', 'SELECT')").fetchone() == (False,)
assert root.execute("SELECT has_table_privilege('ada', 'gaia_bright', 'SELECT')").fetchone() == (True,)

# A view reads with the rights of its owner.
ada.execute("CREATE VIEW ada.bright AS SELECT source_id, phot_g_mean_mag AS mag FROM gaia_bright WHERE phot_g_mean_mag < 4")
ada.execute("CREATE VIEW ada.brightest AS SELECT * FROM ada.bright WHERE mag < 3")
raises(errors.UndefinedTable, say(eve, "SELECT * FROM ada.brightest"))
root.execute("GRANT SELECT ON ada.brightest TO eve")
(seen,) = eve.execute("SELECT count(*) FROM ada.brightest").fetchone()
assert seen == ada.execute("SELECT count(*) FROM gaia_bright WHERE phot_g_mean_mag < 3").fetchone()[0] > 0
assert tables(eve) == ["ada.brightest"], tables(eve)
raises(errors.UndefinedTable, say(eve, "SELECT * FROM ada.bright"))
raises(errors.UndefinedTable, say(eve, "SELECT * FROM gaia_bright"))
assert eve.execute("SELECT definition FROM pg_views WHERE viewname = 'brightest'").fetchone() == (None,)
assert eve.execute("SELECT pg_get_viewdef('ada.brightest'::regclass)").fetchone() == (None,)
assert "ada.bright" in ada.execute("SELECT definition FROM pg_views WHERE viewname = 'brightest'").fetchone()[0]
for explain in ["EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN VERBOSE"]:
    raises(errors.InsufficientPrivilege, say(eve, f"{explain} SELECT * FROM ada.brightest"), without=["gaia"])
assert ada.execute("EXPLAIN SELECT * FROM ada.brightest").fetchall()
joined = eve.execute("SELECT a.source_id FROM ada.brightest a JOIN ada.brightest b ON DISTANCE(a.mag, 0, b.mag, 0) < 1e-9").fetchall()
assert len(joined) >= seen

ada.execute("CREATE TABLE ada.hers AS SELECT source_id, ra, dec FROM gaia_bright LIMIT 5")

# Who made something of a table does not keep the right to read it.
ada.execute("CREATE TEMP VIEW own AS SELECT count(*) AS n FROM gaia_bright")
ada.execute("PREPARE sql_level AS SELECT count(*) FROM gaia_bright")
cursor = ada.cursor()
for _ in range(2):
    cursor.execute("SELECT count(*) FROM gaia_bright WHERE source_id > %s", [0], prepare=True)
assert ada.execute("SELECT n FROM own").fetchone() == (56483,)
assert len(ada.execute("EXECUTE sql_level").fetchall()) == 1
root.execute("REVOKE SELECT ON gaia_bright FROM ada")
assert "ada still reads gaia_bright, by what is granted to team" in told[-1], told
root.execute("REVOKE SELECT ON gaia_bright FROM team")
for work in [say(ada, "SELECT n FROM own"), say(ada, "EXECUTE sql_level"), say(ada, "SELECT * FROM gaia_bright"),
             lambda: cursor.execute("SELECT count(*) FROM gaia_bright WHERE source_id > %s", [0], prepare=True)]:
    raises(errors.UndefinedTable, work, "gaia_bright")
raises(errors.InsufficientPrivilege, say(eve, "SELECT * FROM ada.brightest"), "rights of its owner", without=["gaia", "ada.bright "])

# A schema: what is there now, or what is there now and later.
ada.execute("DROP VIEW own")
root.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO ada")
assert tables(ada)[-2:] == everything, tables(ada)
root.execute("REVOKE SELECT ON ALL TABLES IN SCHEMA public FROM ada")
root.execute("GRANT SELECT ON SCHEMA public TO team")
assert tables(ada)[-2:] == everything, tables(ada)
root.execute("REVOKE team FROM ada")
assert "public.hipparcos" not in tables(ada)
root.execute("DROP ROLE team")

# What is granted on a table ends with the table.
ada.execute("CREATE TABLE ada.passing AS SELECT 1 AS id, ra, dec FROM ada.hers LIMIT 3")
root.execute("GRANT SELECT ON ada.passing TO eve")
assert eve.execute("SELECT count(*) FROM ada.passing").fetchone() == (3,)
ada.execute("DROP TABLE ada.passing")
ada.execute("CREATE TABLE ada.passing AS SELECT 1 AS id, ra, dec FROM ada.hers LIMIT 3")
raises(errors.UndefinedTable, say(eve, "SELECT count(*) FROM ada.passing"))
root.execute("GRANT SELECT ON ada.passing TO eve")
ada.execute("ALTER TABLE ada.passing RENAME TO gone")
for name in ("passing", "gone"):
    raises(errors.UndefinedTable, say(eve, f"SELECT count(*) FROM ada.{name}"))
ada.execute("DROP TABLE ada.gone")
root.execute("GRANT SELECT ON ada.brightest TO eve")
ada.execute("DROP VIEW ada.brightest")
ada.execute("CREATE VIEW ada.brightest AS SELECT ra FROM ada.hers")
raises(errors.UndefinedTable, say(eve, "SELECT * FROM ada.brightest"))

# Others' statements are others' business.
secret = root.execute("SELECT pg_backend_pid() AS canary_of_root").fetchone()[0]
rows = eve.execute("SELECT usename, query FROM pg_stat_activity").fetchall()
assert ("root", "<insufficient privilege>") in rows and "canary_of_root" not in str(rows), rows
assert any("pg_stat_activity" in row[1] for row in rows if row[0] == "eve"), rows
raises(errors.InsufficientPrivilege, say(eve, f"SELECT pg_cancel_backend({secret})"))
assert "pg_cancel_backend" in str(root.execute("SELECT query FROM pg_stat_activity WHERE usename = 'eve'").fetchall())
assert root.execute(f"SELECT pg_cancel_backend({eve.info.backend_pid})").fetchone() == (True,)

print("ok")
