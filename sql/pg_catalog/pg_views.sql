-- Views, by name.
SELECT r.schema AS schemaname, r.name AS viewname, u.name AS viewowner, r.definition
FROM source.relations r JOIN source.users u ON u.oid = 10
WHERE r.kind = 'v'
