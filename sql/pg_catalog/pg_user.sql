-- Users, in the older shape.
SELECT name AS usename,
       oid AS usesysid,
       false AS usecreatedb,
       false AS usesuper,
       false AS userepl,
       false AS usebypassrls,
       '********'::text AS passwd,
       NULL::timestamptz AS valuntil,
       NULL::text[] AS useconfig
FROM source.users
WHERE logs_in
