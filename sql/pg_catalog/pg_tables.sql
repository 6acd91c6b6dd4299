-- Tables, by name.
SELECT r.schema AS schemaname,
       r.name AS tablename,
       u.name AS tableowner,
       NULL::name AS tablespace,
       false AS hasindexes,
       false AS hasrules,
       false AS hastriggers,
       false AS rowsecurity
FROM source.relations r JOIN source.users u ON u.oid = 10
WHERE r.kind = 'r'
