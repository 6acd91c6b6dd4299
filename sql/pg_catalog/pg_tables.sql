-- Tables, by name.
SELECT r.schema AS schemaname,
       r.name AS tablename,
       u.name AS tableowner,
       NULL::name AS tablespace,
       false AS hasindexes,
       false AS hasrules,
       false AS hastriggers,
       false AS rowsecurity
FROM source.relations r CROSS JOIN source.users u
WHERE r.kind = 'r'
